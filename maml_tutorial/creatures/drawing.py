"""Painting: a creature in its scene, at any size, from one description."""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from maml_tutorial.creatures.anatomy import layers
from maml_tutorial.creatures.shapes import Array, Number, Place, disc, oval, turned
from maml_tutorial.creatures.species import Individual, Species

RIM = 0.045  # width of the dark outline, where the picture is 2 wide


def draw_creature(species: Species, individual: Individual, *, size: int = 128) -> Tensor:
    """Draw one animal.

    Args:
        species: such as one of `zoo("train")`.
        individual: such as `individual(species, 0)`.
        size: pixels a side.

    Returns:
        Colours, uint8, shape `(3, size, size)`.

    Example:
        >>> from maml_tutorial.creatures import individual, zoo
        >>> some = zoo("validation")[0]
        >>> draw_creature(some, individual(some, 0), size=160).shape
        torch.Size([3, 160, 160])
    """
    return torch.from_numpy(paint(species, [individual], size)[0])


def paint(species: Species, individuals: Sequence[Individual], size: int) -> Array:
    """Draw animals of one species, `(n, 3, size, size)` uint8.

    The picture is 2 wide and 2 high, its middle is (0, 0), and up is positive.
    """
    who = _stacked(individuals)
    line = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.broadcast_arrays(line, -line[:, None])
    pixel = 2 / size
    picture = _scenery(who["scene"], (x[None], y[None]), pixel)

    # Where the feet stand, so that the whole animal is in the picture.
    left, right, top = extent(species)
    scale = 1.70 * who["size"] / max(right - left, 1.06 * top)
    room = np.maximum(0.91 - 0.5 * scale * (right - left), 0)
    spare = np.maximum(1.86 - scale * top, 0)
    foot = who["place"][0] * room, spare * (0.30 + 0.22 * who["place"][1]) - 0.92
    at = (x - foot[0]) / scale, (y - foot[1]) / scale
    shadow = oval(at, (0.0, 0.0), (0.42 * (right - left), 0.07))
    _cover(picture, shadow, (0.0, 0.0, 0.0), pixel / scale, opacity=0.25)

    # The animal's own plane: turned, mirrored, and bent by an unsteady hand.
    u, v = turned(at, (0.0, 0.0), who["tilt"])
    u = u * who["facing"] + (left + right) / 2
    across, along, strength = who["hand"]
    bend = 0.02 + 0.04 * strength
    at = (
        u + bend * np.sin(3.1 * v + 2 * np.pi * across),
        v + bend * np.sin(3.3 * u + 2 * np.pi * along) * np.clip(v, 0, 1),
    )
    red, green, blue = species.colours[0]
    ink = 0.30 * red + 0.02, 0.30 * green + 0.02, 0.30 * blue + 0.02
    glow = 1.00 + 0.10 * at[1] / top  # backs are lighter than bellies
    for shape, colour, outlined in layers(species, at, who["stride"], who["wag"]):
        if outlined:
            _cover(picture, shape - RIM / scale, ink, pixel / scale)
        _cover(picture, shape, [channel * glow for channel in colour], pixel / scale)
    picture *= who["light"].swapaxes(0, 1)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def _stacked(individuals: Sequence[Individual]) -> dict[str, Array]:
    """Return each number as `(n, 1, 1)`, and each row of k numbers as `(k, n, 1, 1)`."""
    fields = zip(Individual._fields, zip(*individuals, strict=True), strict=True)
    return {name: np.array(values).T[..., None, None] for name, values in fields}


def _cover(
    picture: Array, shape: Array, colour: Sequence[Number], pixel: Number, opacity: float = 1.0
) -> None:
    """Paint a shape over the picture; a pixel at its rim is covered in part."""
    alpha = np.clip(0.5 - shape / pixel, 0, 1) * opacity
    for channel in range(3):
        picture[:, channel] += alpha * (colour[channel] - picture[:, channel])


def _scenery(r: Array, at: Place, pixel: float) -> Array:
    """Paint sky, hill and two bushes: soft, varied, and nothing to do with the species."""
    x, y = at
    sky, ground = _pastel(r[0], r[1], r[2]), _pastel(r[3], r[4], r[5])
    hill = y + 0.45 - 0.5 * r[6] - 0.16 * np.sin(2.2 * x + 2 * np.pi * r[7])
    picture = np.stack([np.broadcast_to(c + 0.10 * y, hill.shape) for c in sky], axis=1)
    for i in (8, 11):
        bush = disc(at, (2.4 * r[i] - 1.2, 0.9 * r[i + 1] - 0.4), 0.25 + 0.25 * r[i + 2])
        leaves = zip(_pastel(r[i + 1], r[1], r[5]), ground, strict=True)
        _cover(picture, bush, [(a + b) / 2 for a, b in leaves], pixel, opacity=0.8)
    _cover(picture, hill, [c + 0.10 * y for c in ground], pixel)
    return picture


def _pastel(hue: Array, strength: Array, value: Array) -> list[Array]:
    """Return red, green and blue of a soft colour."""
    value, strength = 0.74 + 0.26 * value, 0.08 + 0.32 * strength
    waves = [0.5 + 0.5 * np.cos(2 * np.pi * (hue - third / 3)) for third in range(3)]
    return [value * (1 - strength * wave) for wave in waves]


@functools.lru_cache(maxsize=512)
def extent(species: Species) -> tuple[float, float, float]:
    """Return the reach of the animal standing still: left, right and up."""
    line = np.linspace(-1.8, 1.8, 61)
    u, v = np.broadcast_arrays(line, line[:, None] + 1.7)
    inside = np.zeros(u.shape, dtype=bool)
    for layer in layers(species, (u, v), 0.0, 0.0):
        inside |= layer.shape < 0.03
    return float(u[inside].min()), float(u[inside].max()), float(v[inside].max())
