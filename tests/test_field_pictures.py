"""Pictures that people bring: folders, colour, any size, classes of unequal size."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from field_hands import rng, whole_way
from PIL import Image
from torch.nn.functional import cross_entropy

from maml_tutorial import (
    ConvNet,
    EpisodeSampler,
    Task,
    correct,
    load_folder,
    nearest_neighbour,
    new_head,
    outcomes,
    pretrain,
    score,
)
from maml_tutorial.baselines import pixels
from maml_tutorial.plots import draw_task, show


def paint(path, colour, *, mode="RGB", ink="black", **options):
    """A picture, 24 × 12, whose left half is inked."""
    picture = Image.new("RGB", (24, 12), colour)
    picture.paste(ink, (0, 0, 12, 12))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert(mode).save(path, **options)


COLOURS = {"fir": "green", "lake": "blue", "poppy": "red", "sand": "yellow", "snow": "white"}


@pytest.fixture
def folder(tmp_path):
    """Five classes of 4 to 8 pictures, of two formats."""
    for i, (name, colour) in enumerate(COLOURS.items()):
        for j in range(4 + i):
            path = tmp_path / "photos" / name / f"{j}.{'png' if j % 2 else 'bmp'}"
            paint(path, colour, ink=(j, j, j))  # no two are the same
    return tmp_path / "photos"


def test_a_folder_of_pictures_goes_the_whole_way(folder, tmp_path):
    classes = load_folder(folder, size=(16, 20))
    assert classes.names == tuple(COLOURS)
    assert [tuple(c.shape) for c in classes.images] == [(4 + i, 3, 16, 20) for i in range(5)]
    sampler = EpisodeSampler(classes.images, n_way=3, k_shot=1, k_query=3)
    whole_way(ConvNet(3, n_in=3, hidden=4), cross_entropy, correct, sampler, tmp_path)


def test_pictures_are_turned_upright_and_grey_and_colour_mix(folder):
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera lay on its side: turn by a quarter, clockwise
    for suffix in ("jpg", "png", "tif"):
        paint(folder / "turned" / f"1.{suffix}", "red", exif=turned)
    for mode in ("L", "P", "RGBA", "1"):
        paint(folder / "turned" / f"2{mode}.png", "white", mode=mode)
    images = dict(zip(*reversed(load_folder(folder, size=12)[:2]), strict=True))["turned"]
    assert images.shape == (7, 3, 12, 12)
    upright, others = images[:3].float(), images[3:].float()
    assert (upright[:, 0, 1] < 40).all(), "the black half is on top"
    assert (upright[:, 0, -2] > 200).all()
    assert (upright[:, 1:] < 40).all(), "red stays red"
    assert (others[..., 1] < 40).all(), "the black half is on the left"
    assert (others[..., -2] > 200).all()


def test_sixteen_bits_are_not_cut_to_white(folder):
    scan = np.full((12, 12), 0x8000, dtype=np.uint16)
    (folder / "scan").mkdir()
    Image.fromarray(scan).save(folder / "scan" / "1.png")
    images = load_folder(folder, size=12).images[list(COLOURS).index("poppy") + 1 :]
    assert any((some == 128).all() for some in images)


def test_classes_of_5_to_40_images_are_dealt_to_the_last_image():
    sizes = torch.arange(5, 41, 5).tolist()
    images = [
        (torch.arange(n) / 100 + c)[:, None, None, None].expand(n, 1, 2, 2)
        for c, n in enumerate(sizes)
    ]
    tasks = EpisodeSampler(images, n_way=3, k_shot=2, k_query=3)(3000, rng())
    seen = torch.cat([tasks.x_support, tasks.x_query], dim=1)[:, :, 0, 0, 0]
    labels = torch.cat([tasks.y_support, tasks.y_query], dim=1)
    for label in range(3):
        of = seen.masked_fill(labels != label, math.nan)
        assert torch.equal(of.floor().nanmean(dim=1), of.floor().nanmedian(dim=1).values)
    assert all(len(set(row)) == 15 for row in seen.tolist()), "no image twice in a task"
    assert len(seen.unique()) == sum(sizes), "each image is dealt at some time"


@pytest.mark.parametrize("size", [(84, 84), (28, 28), (33, 50), (5, 1)])
def test_colour_of_any_size_goes_the_whole_way(size, tmp_path):
    images = torch.rand(5, 3, 3, *size, generator=rng())
    sampler = EpisodeSampler(images, n_way=5, k_shot=1, k_query=2)
    whole_way(ConvNet(5, n_in=3, hidden=2), cross_entropy, correct, sampler, tmp_path)


def test_baselines_tell_colours_apart(folder):
    images = load_folder(folder, size=16).images
    sampler = EpisodeSampler(images, n_way=5, k_shot=1, k_query=2)
    trained = pretrain(images, hidden=8, epochs=8, lr=0.03, batch_size=8)
    for answer, least in (
        (nearest_neighbour, 1.0),
        (partial(new_head, features=pixels), 1.0),
        (partial(nearest_neighbour, features=trained), 0.6),
        (partial(new_head, features=trained), 0.6),
    ):
        assert score(outcomes(sampler, answer, n_tasks=20)).mean >= least, "chance is 0.2"


def test_pretraining_takes_bytes_and_floats_for_the_same_pictures():
    images = torch.randint(256, (3, 4, 3, 16, 16), generator=rng(), dtype=torch.uint8)
    x = images[0].float() / 255
    as_bytes, as_floats = (pretrain(i, hidden=4, epochs=1) for i in (images, images / 255))
    torch.testing.assert_close(as_bytes(x), as_floats(x))


def test_a_task_of_colours_is_drawn_in_colour(folder):
    images = load_folder(folder, size=16).images
    tasks = EpisodeSampler(images, n_way=5, k_shot=1, k_query=2)(1, rng())
    task = Task(*(part[0] for part in tasks))
    figure = draw_task(task, n_way=5)
    cards = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len(cards) == 15
    np.testing.assert_array_equal(cards[0], task.x_support[0].permute(1, 2, 0))
    assert show(figure, alt="Five colours.").svg.count("<image") == 15
