"""A picture in words: what a letter or an animal looks like, for those who cannot see it."""

import torch
from torch import Tensor

from maml_tutorial.creatures import Species

_AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1))
_DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def _regions(mask: list[list[bool]], steps: tuple[tuple[int, int], ...]) -> list[int]:
    """Sizes of the connected regions of `mask`."""
    height, width = len(mask), len(mask[0])
    left = {(r, c) for r in range(height) for c in range(width) if mask[r][c]}
    sizes = []
    while left:
        todo = [left.pop()]
        size = 0
        while todo:
            r, c = todo.pop()
            size += 1
            for dr, dc in steps:
                if (place := (r + dr, c + dc)) in left:
                    left.remove(place)
                    todo.append(place)
        sizes.append(size)
    return sizes


def traits(image: Tensor) -> str:
    """Describe a drawing by its strokes: pieces, loops, proportions, where its ink is.

    Args:
        image: `(1, height, width)` or `(height, width)`, ink bright, 0 … 255 or 0 … 1.

    Returns:
        A few words. Two drawings of one letter mostly, but not always, get the same.

    Raises:
        ValueError: if the image is blank.

    Example:
        >>> ring = torch.zeros(28, 28)
        >>> ring[6:22, 9:19] = 1
        >>> ring[9:19, 12:16] = 0
        >>> traits(ring)
        'one piece, one loop, narrow, ink evenly spread'
    """
    image = image.squeeze(0).float()
    if not image.max() > 0:
        raise ValueError("the image is blank: there is no ink to describe")
    ink = image > 0.45 * image.max()
    # Specks of a pixel or two are the pen's, not the letter's.
    pieces = sum(size > 2 for size in _regions(ink.tolist(), _AROUND + _DIAGONAL))
    framed = torch.nn.functional.pad(~ink, (1, 1, 1, 1), value=True)
    loops = sum(size > 2 for size in _regions(framed.tolist(), _AROUND)) - 1
    rows, columns = ink.nonzero().unbind(dim=1)
    height = (rows.max() - rows.min() + 1).item()
    width = (columns.max() - columns.min() + 1).item()
    form = "narrow" if width < 0.75 * height else "wide" if width > 1.2 * height else "square"
    down = (rows.float().mean() - rows.min()).item() / height - 0.5
    right = (columns.float().mean() - columns.min()).item() / width - 0.5
    where = [
        word
        for word, share in (("low", down), ("high", -down), ("right", right), ("left", -right))
        if share > 0.06
    ]
    words = {0: "no", 1: "one", 2: "two", 3: "three", 4: "four"}
    count = [
        f"{words.get(number, 'many')} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((pieces, "piece"), (max(loops, 0), "loop"))
    ]
    spread = f"more ink {' and '.join(where)}" if where else "ink evenly spread"
    return ", ".join([*count, form, spread])


def looks(species: Species) -> str:
    """Describe an animal by what all of its species have: coat, head, back, tail.

    Example:
        >>> from maml_tutorial.creatures import zoo
        >>> looks(zoo("test")[0])
        'stripes, round ears, spikes, tail tuft'
    """
    named = [f"{species.ears} ears", species.crown, species.back]
    parts = [part for part in named if not part.startswith("none")]
    return ", ".join([species.pattern, *parts, f"tail {species.tail}"])
