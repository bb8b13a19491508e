"""The letters: what is in them, what is not, and what happens when the cache goes wrong."""

import time
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from maml_tutorial import _cache, glyphs
from maml_tutorial.glyphs import SCRIPTS, load_glyphs, look_alikes
from maml_tutorial.tasks import ImageClasses

SPLIT_OF = {script: split for split, scripts in SCRIPTS.items() for script in scripts}


@pytest.fixture(scope="module")
def letters() -> ImageClasses:
    return load_glyphs()


@pytest.fixture(scope="module")
def leaky() -> ImageClasses:
    return load_glyphs(keep_look_alikes=True)


@pytest.fixture(scope="module")
def arrays() -> _cache.Arrays:
    return glyphs._make(1, 0)


@pytest.fixture
def made(arrays, monkeypatch) -> list[int]:
    """The seeds that letters were made with so far; making them takes no time in these tests."""
    seeds: list[int] = []

    def make(n_examples: int, seed: int) -> _cache.Arrays:
        seeds.append(seed)
        return arrays

    monkeypatch.setattr(glyphs, "_make", make)
    return seeds


def across(classes: ImageClasses, pairs: torch.Tensor) -> torch.Tensor:
    """Say which pairs of classes have their two letters in different splits."""
    split = torch.tensor([list(SCRIPTS).index(SPLIT_OF[script]) for script in classes.groups])
    return split[pairs[:, 0]] != split[pairs[:, 1]]


# What is in the data


@pytest.mark.parametrize(("split", "at_least"), [("train", 700), ("validation", 50), ("test", 150)])
def test_every_split_has_many_letters_of_its_own_scripts_only(split, at_least):
    part = load_glyphs(split)
    assert len(part.names) == len(part.groups) == len(part.images) >= at_least
    assert set(part.groups) == set(SCRIPTS[split])
    assert part.images.shape[1:] == (20, 1, 28, 28)
    assert part.images.dtype == torch.uint8


def test_every_test_script_alone_is_enough_for_a_20_way_task():
    groups = load_glyphs("test").groups
    assert min(groups.count(script) for script in SCRIPTS["test"]) >= 20


def test_the_splits_together_are_all_letters_and_share_none(letters):
    parts = [load_glyphs(split) for split in SCRIPTS]
    assert sum((part.names for part in parts), ()) == letters.names
    assert torch.equal(torch.cat([part.images for part in parts]), letters.images)
    assert len(set(letters.names)) == len(letters.names)
    assert len(SPLIT_OF) == sum(len(scripts) for scripts in SCRIPTS.values()) == 15


def test_every_name_is_that_of_a_letter_without_an_accent(leaky):
    for name in leaky.names:
        character = unicodedata.lookup(name)
        assert character.isalpha() and not unicodedata.decomposition(character), name


def test_no_letter_is_the_box_that_stands_for_a_missing_one():
    _, _, templates = glyphs._letters()
    face = Path(glyphs.matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    box = glyphs._template(glyphs.ImageFont.truetype(str(face), glyphs.EM), "\uffff")
    assert box is not None and box.any()
    assert not (templates[:, 0] == torch.from_numpy(box.copy())).flatten(1).all(dim=1).any()


# What the drawings look like


def test_ink_is_bright_on_black_paper_and_no_drawing_is_blank_or_a_blot(leaky):
    ink = leaky.images.flatten(2).float() / 255
    assert ink.amax(dim=-1).min() > 0.8
    assert 0.005 < ink.mean(dim=-1).min() and ink.mean(dim=-1).max() < 0.6
    assert 0.05 < ink.mean() < 0.2
    assert (ink == 0).float().mean() > 0.7


def test_hardly_any_drawing_is_cut_off(leaky):
    x = leaky.images
    edge = torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], dim=-1)
    cut_off = (edge > 128).flatten(2).any(dim=-1)
    assert cut_off.float().mean() < 0.01


def test_the_letters_are_similar_in_size(letters):
    inked = (letters.images > 128).int()
    sides = []
    for dim in (-1, -2):
        line = inked.amax(dim=dim).flatten(2)
        sides.append(28 - line.argmax(dim=-1) - line.flip(-1).argmax(dim=-1))
    longest = torch.maximum(*sides).float().mean(dim=1)
    assert longest.min() > 12 and longest.max() < 24


def test_no_two_drawings_of_a_letter_are_the_same(letters):
    for drawings in letters.images.flatten(2):
        assert len(drawings.unique(dim=0)) == 20


def test_a_drawing_resembles_its_own_letter_more_than_the_other_letters(letters):
    x = letters.images.flatten(2).float()
    means = F.normalize(x[:, 1:].mean(dim=1), dim=1)
    guess = (F.normalize(x[:, 0], dim=1) @ means.T).argmax(dim=1)
    # Among a thousand classes, where chance is 0.1 %.
    assert (guess == torch.arange(len(x))).float().mean() > 0.2


# No letter stands in two splits


def test_no_two_clean_letters_of_different_splits_look_alike_also_at_another_size(letters):
    """Compare with an oracle: correlation in numpy, at two sizes and a shift of one pixel."""
    names, scripts, templates = glyphs._letters()
    kept = [i for i, name in enumerate(names) if name in set(letters.names)]
    clean = F.avg_pool2d(templates[kept, :1].float(), 2)
    code = np.array([list(SCRIPTS).index(SPLIT_OF[scripts[i]]) for i in kept])
    soft = F.avg_pool2d(clean, 3, stride=1, padding=1)
    flat = F.normalize(soft.flatten(1), dim=1).numpy()
    worst = 0.0
    for size in (25, 28):
        small = F.pad(F.interpolate(soft, size, mode="area"), [1, 28 - size] * 2)
        for down in range(3):
            for right in range(3):
                moved = small[..., down : down + 28, right : right + 28]
                moved = F.pad(moved, [0, 28 - moved.shape[-1], 0, 28 - moved.shape[-2]])
                cosines = flat @ F.normalize(moved.flatten(1), dim=1).numpy().T
                worst = max(worst, cosines[code[:, None] != code].max())
    assert 0.8 < worst < glyphs.SAME


def test_no_two_letters_of_different_splits_look_alike_as_they_are_drawn(letters, leaky):
    pairs, _ = look_alikes(letters.images, threshold=0.98)
    assert not across(letters, pairs).any()
    # ... where the check would have found some.
    pairs, _ = look_alikes(leaky.images, threshold=0.98)
    assert across(leaky, pairs).sum() > 10


@pytest.mark.parametrize(
    "twins", ["AΑА", "OΟОՕⵔ", "SЅՏ", "XΧХⵝ", "EΕЕⴹ", "Iⵏ", "LԼ", "uս", "hհ", "oοоօ"]
)
def test_letters_known_to_look_alike_do_not_stand_in_two_splits(letters, leaky, twins):
    names = [unicodedata.name(character) for character in twins]
    group = dict(zip(letters.names, letters.groups, strict=True))
    assert len({SPLIT_OF[group[name]] for name in names if name in group}) <= 1
    assert set(names) <= set(leaky.names)


def test_with_look_alikes_kept_a_letter_stands_under_several_names(letters, leaky):
    names = {unicodedata.name(character) for character in "AΑА"}
    assert names <= set(leaky.names)
    assert len(names & set(letters.names)) == 1
    assert set(letters.names) < set(leaky.names)


def test_keeping_look_alikes_changes_no_drawing(letters, leaky):
    place = {name: i for i, name in enumerate(leaky.names)}
    assert torch.equal(letters.images, leaky.images[[place[name] for name in letters.names]])


# look_alikes


def test_look_alikes_agrees_with_a_loop_over_pairs_and_shifts():
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(6, 3, 1, 28, 28)
    images[..., 6:22, 6:22] = torch.rand(6, 3, 1, 16, 16, generator=generator)
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    blurred = np.zeros((6, 28, 28))
    means = images.mean(dim=1)[:, 0].numpy()
    for down in range(5):
        for right in range(5):
            rolled = np.roll(means, (down - 2, right - 2), axis=(1, 2))
            blurred += kernel[down, right] * rolled
    expected = {}
    for i in range(6):
        for j in range(i + 1, 6):
            shifted = [np.roll(blurred[j], (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1)]
            norms = np.linalg.norm(blurred[i]) * np.linalg.norm(blurred[j])
            expected[i, j] = max((blurred[i] * other).sum() for other in shifted) / norms
    pairs, cosines = look_alikes(images, threshold=-1)
    found = dict(zip(map(tuple, pairs.tolist()), cosines.tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-5)
    assert cosines.tolist() == sorted(cosines.tolist(), reverse=True)


@pytest.mark.parametrize("shift", [(1, 1), (1, 0), (0, -1), (1, -1), (-1, -1)])
def test_a_letter_moved_by_one_pixel_looks_like_itself(letters, shift):
    one = letters.images[:1].float()
    pairs, cosines = look_alikes(torch.cat([one, one.roll(shift, dims=(3, 4))]))
    assert pairs.tolist() == [[0, 1]]
    assert cosines.item() == pytest.approx(1, abs=0.01)


# Deterministic, cached, and clear about what goes wrong


def test_the_same_seed_gives_the_same_drawings_and_another_seed_others(tmp_path):
    first = load_glyphs("test", n_examples=2, cache_dir=tmp_path / "a")
    again = load_glyphs("test", n_examples=2, cache_dir=tmp_path / "b")
    other = load_glyphs("test", n_examples=2, seed=1, cache_dir=tmp_path / "a")
    assert torch.equal(first.images, again.images)
    assert first.names == other.names
    assert not torch.equal(first.images, other.images)


def test_the_first_load_takes_under_five_seconds_and_the_next_under_one(tmp_path):
    # Of processor time, so that a busy machine does not turn the test red.
    start = time.process_time()
    load_glyphs(cache_dir=tmp_path)
    first = time.process_time()
    load_glyphs(cache_dir=tmp_path)
    assert first - start < 5
    assert time.process_time() - first < 1


def test_making_the_letters_leaves_torch_with_as_many_threads_as_before(tmp_path):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        load_glyphs(n_examples=1, cache_dir=tmp_path)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_what_is_cached_is_not_made_again_but_another_seed_is(tmp_path, made):
    first = load_glyphs("test", n_examples=1, cache_dir=tmp_path)
    again = load_glyphs("test", n_examples=1, cache_dir=tmp_path)
    load_glyphs("test", n_examples=1, seed=7, cache_dir=tmp_path)
    assert made == [0, 7]
    assert torch.equal(again.images, first.images) and again.names == first.names


@pytest.mark.parametrize("damage", ["cut off", "one bit", "empty", "not a zip"])
def test_a_damaged_cache_file_is_made_again(tmp_path, made, damage):
    first = load_glyphs("test", n_examples=1, cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(
        {
            "cut off": good[:middle],
            "one bit": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "empty": b"",
            "not a zip": b"letters",
        }[damage]
    )
    assert torch.equal(load_glyphs("test", n_examples=1, cache_dir=tmp_path).images, first.images)
    assert made == [0, 0]
    assert path.stat().st_size == len(good)


def test_a_cache_folder_that_cannot_be_written_to_is_named_and_the_letters_come_all_the_same(
    tmp_path, made
):
    (tmp_path / "file").write_text("a folder cannot be made below a file, not even by root")
    with pytest.warns(RuntimeWarning, match="cannot write to the cache folder .*file.*cache_dir="):
        part = load_glyphs("test", n_examples=1, cache_dir=tmp_path / "file" / "cache")
    assert len(part.images) > 100


def test_nothing_half_written_stays_when_the_disk_is_full(tmp_path, made, monkeypatch):
    def savez_on_a_full_disk(path, **_):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_cache.np, "savez", savez_on_a_full_disk)
    with pytest.warns(RuntimeWarning, match="No space left"):
        load_glyphs("test", n_examples=1, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_chooses_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MAML_TUTORIAL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _cache.cache_folder() == tmp_path / "xdg" / "maml_tutorial"
    monkeypatch.setenv("MAML_TUTORIAL_CACHE", str(tmp_path / "chosen"))
    assert _cache.cache_folder() == tmp_path / "chosen"
    assert _cache.cache_folder(tmp_path / "given") == tmp_path / "given"


def test_no_warning_is_given_where_all_is_well(tmp_path, made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_glyphs("test", n_examples=1, cache_dir=tmp_path)


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="'valid'"):
        load_glyphs("valid")


@pytest.mark.parametrize("n_examples", [0, -1, 2.0, True])
def test_the_number_of_drawings_must_be_a_whole_number_of_at_least_one(n_examples):
    with pytest.raises(ValueError, match=f"n_examples .* got {n_examples}"):
        load_glyphs(n_examples=n_examples)
