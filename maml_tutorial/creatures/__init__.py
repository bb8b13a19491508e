"""Creatures: a zoo of invented animals, drawn from their traits."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from maml_tutorial._cache import Arrays, cached
from maml_tutorial.creatures.drawing import draw_creature, paint
from maml_tutorial.creatures.families import FAMILIES, Split, zoo
from maml_tutorial.creatures.species import Individual, Species, individual
from maml_tutorial.tasks import ImageClasses, require_at_least

__all__ = ["Individual", "Species", "draw_creature", "individual", "load_creatures", "zoo"]


def load_creatures(
    split: Split = "train",
    *,
    n_examples: int = 20,
    size: int = 32,
    seed: int = 0,
    cache_dir: str | Path | None = None,
) -> ImageClasses:
    """Load invented animals in colour: `n_examples` individuals of every species.

    A species is a draw of traits: body, legs, ears, horns, tail, pattern, colours. An individual
    is that species in another pose, place, size and light, before another background. Families
    of species, which share a body plan and a head, are split; no reader has seen any of them.

    Args:
        split: "train" (200 species of 40 families), "validation" or "test" (50 of 10 each).
        n_examples: individuals a species.
        size: pixels a side; the same individuals at any size.
        seed: of the individuals. The species are the same for every seed.
        cache_dir: where to keep the pictures; by default a folder of the user's
            (`$MAML_TUTORIAL_CACHE`, or `~/.cache/maml_tutorial`).

    Returns:
        Images of shape `(n_classes, n_examples, 3, size, size)`, uint8, red, green and blue; the
        names of the species; the names of their families. `zoo(split)` gives their traits, in the
        same order.

    Raises:
        ValueError: if `split` is unknown, `n_examples` below 1, `size` below 8, or `seed` below 0.

    Warns:
        RuntimeWarning: if the cache folder cannot be written to.

    Example:
        >>> animals = load_creatures("test", n_examples=2)
        >>> animals.images.shape
        torch.Size([50, 2, 3, 32, 32])
    """
    if split not in FAMILIES:
        raise ValueError(f"split must be one of {tuple(FAMILIES)}, got {split!r}")
    require_at_least(1, n_examples=n_examples)
    require_at_least(8, size=size)
    require_at_least(0, seed=seed)
    species = zoo(split)
    # Whatever the pictures depend on is in the name: this package's files and who draws.
    files = sorted(Path(__file__).parent.glob("*.py"))
    made_by = b"".join(file.read_bytes() for file in files) + np.__version__.encode()
    version = hashlib.sha256(made_by).hexdigest()[:12]
    name = f"creatures-{split}-{n_examples}-{size}-{seed}-{version}"
    images = cached(name, lambda: _make(species, n_examples, size, seed), cache_dir)["images"]
    return ImageClasses(
        torch.from_numpy(images),
        tuple(s.name for s in species),
        tuple(s.family for s in species),
    )


def _make(species: tuple[Species, ...], n_examples: int, size: int, seed: int) -> Arrays:
    drawn = (
        paint(one, [individual(one, i, seed=seed) for i in range(n_examples)], size)
        for one in species
    )
    return {"images": np.stack(list(drawn))}
