"""Comparisons of what chapter 2 builds by hand with the package."""

from collections.abc import Callable

import torch

from maml_tutorial import EpisodeSampler, baselines, evaluation

IMAGES = torch.rand(30, 20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
SAMPLER = EpisodeSampler(IMAGES, n_way=5, k_shot=2, k_query=3)


def half(x: torch.Tensor) -> torch.Tensor:
    """Some features: the upper half of the image."""
    return x[..., :4, :].flatten(-3)


def compare_pixels(pixels: Callable) -> None:
    assert torch.equal(pixels(IMAGES), baselines.pixels(IMAGES))


def compare_nearest_neighbour(nearest_neighbour: Callable) -> None:
    tasks = SAMPLER(20, torch.Generator().manual_seed(1))
    for features in ((), (half,)):
        ours = nearest_neighbour(tasks, *features)
        assert torch.equal(ours, baselines.nearest_neighbour(tasks, *features))


def compare_outcomes(outcomes: Callable) -> None:
    learner = baselines.nearest_neighbour
    for options in ({"n_tasks": 150, "seed": 3}, {"n_tasks": 100}):
        ours = outcomes(SAMPLER, learner, **options)
        assert torch.equal(ours, evaluation.outcomes(SAMPLER, learner, **options))


def compare_new_head(new_head: Callable) -> None:
    tasks = SAMPLER(20, torch.Generator().manual_seed(1))
    assert torch.equal(new_head(tasks, half), baselines.new_head(tasks, half))


def compare_name_letters(name_letters: Callable) -> None:
    ink = (255 * IMAGES).to(torch.uint8)
    for epochs in (0, 2):
        net = name_letters(ink, epochs=epochs)
        ours = net[:-1](IMAGES.flatten(0, 1))
        theirs = baselines.pretrain(ink, epochs=epochs)(IMAGES.flatten(0, 1))
        assert torch.allclose(ours, theirs, atol=1e-6)


# (notebook's name, definition's name) -> comparison with the package's
TWINS_02: dict[tuple[str, str], Callable[..., None]] = {
    ("02_few_shot_learning", "pixels"): compare_pixels,
    ("02_few_shot_learning", "nearest_neighbour"): compare_nearest_neighbour,
    ("02_few_shot_learning", "outcomes"): compare_outcomes,
    ("02_few_shot_learning", "new_head"): compare_new_head,
    ("02_few_shot_learning", "name_letters"): compare_name_letters,
}
