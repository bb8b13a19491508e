"""The zoo: what is in it, that nothing leaks between its splits, and how hard it is."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maml_tutorial import EpisodeSampler, creatures, nearest_neighbour, outcomes
from maml_tutorial.creatures import draw_creature, individual, load_creatures, zoo
from maml_tutorial.creatures.drawing import paint
from maml_tutorial.creatures.families import FAMILIES, SPECIES_A_FAMILY
from maml_tutorial.creatures.names import names
from maml_tutorial.tasks import ImageClasses

SPLITS = tuple(FAMILIES)
FIRST = zoo("validation")[0]


@pytest.fixture(scope="module")
def animals() -> ImageClasses:
    return load_creatures("validation")


@pytest.fixture
def drawn(monkeypatch) -> list[tuple[int, int, int]]:
    """What was drawn so far (examples, size, seed); drawing takes no time in these tests."""
    asked: list[tuple[int, int, int]] = []

    def make(species, n_examples, size, seed):
        asked.append((n_examples, size, seed))
        return {"images": np.zeros((len(species), n_examples, 3, size, size), dtype=np.uint8)}

    monkeypatch.setattr(creatures, "_make", make)
    return asked


# What is in the data


def test_images_names_and_families_stand_side_by_side(animals):
    assert animals.images.shape == (50, 20, 3, 32, 32)
    assert animals.images.dtype == torch.uint8
    assert animals.names == tuple(species.name for species in zoo("validation"))
    assert animals.groups == tuple(species.family for species in zoo("validation"))


@pytest.mark.parametrize(("split", "n"), [("train", 200), ("validation", 50), ("test", 50)])
def test_every_split_has_its_families_of_five_species(split, n):
    families = [species.family for species in zoo(split)]
    assert len(families) == n
    assert {families.count(family) for family in families} == {SPECIES_A_FAMILY}


def test_the_splits_share_no_name_and_no_family_and_no_body_with_the_same_head():
    for what in ("name", "family", "number"):
        parts = [{getattr(species, what) for species in zoo(split)} for split in SPLITS]
        assert sum(map(len, parts)) == len(set.union(*parts)), what
    kinds = [{(s.plan, s.ears, s.crown) for s in zoo(split)} for split in SPLITS]
    assert sum(map(len, kinds)) == len(set.union(*kinds)) == sum(FAMILIES.values())


def test_all_three_splits_together_are_the_zoo():
    assert sum((zoo(split) for split in SPLITS), ()) == zoo()
    assert [species.number for species in zoo()] == list(range(300))
    assert len({species.name for species in zoo()}) == 300


def test_names_can_be_said_and_come_once_each():
    given = names(0)
    some = [next(given) for _ in range(500)]
    assert len(set(some)) == 500
    for name in some:
        assert 3 <= len(name) <= 7 and name.isalpha() and name[1] in "aiou", name


def test_species_of_a_family_share_plan_and_head_and_differ_in_tail_pattern_and_colour():
    every = zoo()
    for first in range(0, len(every), SPECIES_A_FAMILY):
        family = every[first : first + SPECIES_A_FAMILY]
        assert len({(s.family, s.plan, s.ears, s.crown) for s in family}) == 1
        assert len({s.tail for s in family}) == len({s.pattern for s in family}) == 5
        mains = torch.tensor([s.colours[0] for s in family])
        assert torch.pdist(mains).min() > 0.2, family[0].family


def test_no_two_species_of_the_zoo_have_the_same_traits():
    traits = {(s.plan, s.ears, s.crown, s.back, s.tail, s.snout, s.pattern) for s in zoo()}
    assert len(traits) == 300


def test_patterns_are_seen_without_colours_too():
    """The second colour is lighter or darker than the first, for readers who see no hue."""
    for species in zoo():
        grey = [0.3 * red + 0.6 * green + 0.1 * blue for red, green, blue in species.colours[:2]]
        assert abs(grey[0] - grey[1]) > 0.18, species.name


# What the pictures look like


def test_an_animal_stands_whole_in_its_picture():
    """Its silhouette, where the picture differs between two colourings, is not at the edge."""
    touching = []
    for species in zoo("validation")[::5]:
        who = [individual(species, i) for i in range(6)]
        loud, quiet = (
            species._replace(colours=((r,) * 3, (1 - r,) * 3, (r,) * 3)) for r in (0.9, 0.1)
        )
        differs = np.abs(paint(loud, who, 32).astype(int) - paint(quiet, who, 32)).max(1) > 40
        edge = np.concatenate([differs[:, 0], differs[:, -1], differs[..., 0], differs[..., -1]], 1)
        assert 0.06 < differs.mean() < 0.6
        touching.append(edge.any(axis=1).mean())
    assert np.mean(touching) < 0.12


def test_no_two_individuals_of_a_species_are_alike(animals):
    for pictures in animals.images.flatten(2).float():
        assert torch.pdist(pictures).min() / pictures.shape[1] ** 0.5 > 8


def test_individuals_differ_in_each_of_the_ways_they_should():
    who = [individual(FIRST, i) for i in range(40)]
    assert {one.facing for one in who} == {1.0, -1.0}
    for field in set(who[0]._fields) - {"facing"}:
        assert len({getattr(one, field) for one in who}) == 40, field


def test_there_are_colours_and_the_backgrounds_say_nothing_of_the_species(animals):
    x = animals.images.float() / 255
    assert (x.amax(dim=2) - x.amin(dim=2)).mean() > 0.1
    corner = x[..., 0, 0]  # the sky: as varied within a species as between species
    within, between = corner.var(dim=1).mean(), corner.mean(dim=1).var(dim=0).mean()
    assert within > 0.004 and between < 3 * within / corner.shape[1]


@pytest.mark.parametrize("species", zoo("test")[::11], ids=lambda species: species.name)
def test_the_same_animal_at_two_sizes_is_the_same_picture(species):
    for i in range(3):
        who = individual(species, i)
        small = draw_creature(species, who, size=32).float()
        large = draw_creature(species, who, size=160).float()
        shrunk = F.avg_pool2d(large, 5)
        assert (small - shrunk).abs().mean() < 4
        other = draw_creature(species, individual(species, i + 1), size=32).float()
        assert (small - other).abs().mean() > 15
        assert (large - large.roll(1, dims=2))[..., 1:].abs().max() > 70  # sharp at its own size


def test_the_loaded_images_are_the_described_individuals(animals):
    for k, i in ((0, 0), (17, 3), (49, 19)):
        species = zoo("validation")[k]
        assert torch.equal(
            animals.images[k, i], draw_creature(species, individual(species, i), size=32)
        )


# How hard it is


def test_nearest_neighbour_on_pixels_is_far_below_a_person_and_above_chance(animals):
    sample = EpisodeSampler(animals.images, n_way=5, k_shot=1, k_query=5)
    right = outcomes(sample, nearest_neighbour, n_tasks=300).mean()
    assert 0.35 < right < 0.47


# Deterministic, cached, and clear about what goes wrong


def test_the_same_seed_gives_the_same_animals_and_another_seed_others(tmp_path):
    first = load_creatures("test", n_examples=1, cache_dir=tmp_path / "a")
    again = load_creatures("test", n_examples=1, cache_dir=tmp_path / "b")
    other = load_creatures("test", n_examples=1, seed=1, cache_dir=tmp_path / "a")
    assert torch.equal(first.images, again.images)
    assert first.names == other.names
    assert not torch.equal(first.images, other.images)


def test_more_examples_are_the_fewer_ones_and_some_more(animals):
    assert torch.equal(load_creatures("validation", n_examples=2).images, animals.images[:, :2])


def test_what_is_cached_is_not_drawn_again_but_another_split_size_or_seed_is(tmp_path, drawn):
    for options in ({}, {}, {"size": 16}, {"seed": 7}, {"n_examples": 2}):
        load_creatures("test", **{"n_examples": 1, "cache_dir": tmp_path, **options})
    load_creatures("validation", n_examples=1, cache_dir=tmp_path)
    assert drawn == [(1, 32, 0), (1, 16, 0), (1, 32, 7), (2, 32, 0), (1, 32, 0)]


def test_an_unknown_split_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="'train', 'validation', 'test'.* got 'valid'"):
        load_creatures("valid")
    with pytest.raises(ValueError, match="or None, got 'valid'"):
        zoo("valid")


@pytest.mark.parametrize(
    ("option", "value"), [("n_examples", 0), ("n_examples", 2.0), ("size", 4), ("seed", -1)]
)
def test_a_number_that_makes_no_sense_is_named(option, value):
    with pytest.raises(ValueError, match=f"{option} .* got {value}"):
        load_creatures("test", **{option: value})
