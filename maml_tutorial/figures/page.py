"""One self-contained piece of HTML: data, a still for where no script runs, styles and scripts."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, SupportsFloat

import torch
from PIL import Image
from torch import Tensor

from maml_tutorial.plots import COLOURS, Drawing

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
# Runs once a figure: builds it beside the still, which is then shown on paper alone. Where a script
# fails, the still stays in sight, and the browser's console has the reason.
_START = """
for (const root of document.querySelectorAll('.maml-figure[data-key="KEY"]:not([data-state])')) {
  const still = root.querySelector(".mf-still");
  const stage = el("div", { class: "mf-stage" });
  root.insertBefore(stage, still);
  try {
    const data = root.querySelector('script[type="application/json"]').textContent;
    build(stage, JSON.parse(data), still);
    root.dataset.state = "live";
  } catch (error) {
    root.dataset.state = "failed";
    stage.remove();
    throw error;
  }
}
"""


class LiveFigure:
    """A figure that answers the reader's hand; a notebook shows it as HTML."""

    def __init__(self, html: str, alt: str) -> None:
        self.html, self.alt = html, alt

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.alt}


def modules_of(name: str) -> list[str]:
    """Names of the scripts that `name` needs, each after those that it imports itself.

    Example:
        >>> modules_of("sine_adapt")
        ['kit', 'plot', 'mlp', 'sine_adapt']
    """
    found: list[str] = []

    def visit(module: str) -> Iterator[str]:
        for needed in _IMPORT.findall((FOLDER / f"{module}.js").read_text("utf-8")):
            yield from visit(needed)
        yield module

    for module in visit(name):
        if module not in found:
            found.append(module)
    return found


@cache
def script(name: str) -> str:
    """The script of a figure with all it imports, as one text without `import` and `export`.

    In a notebook there is no file to import from, so the modules are put one behind the other,
    inside a function that `starter` ends.

    Example:
        >>> "import {" in script("drag_theta"), "function build" in script("drag_theta")
        (False, True)
    """
    parts = []
    for module in modules_of(name):
        source = _IMPORT.sub("", (FOLDER / f"{module}.js").read_text("utf-8"))
        parts.append(re.sub(r"^export (?=const|function|class)", "", source, flags=re.MULTILINE))
    return "(() => {\n" + "\n".join(parts)


def starter(key: str) -> str:
    """What follows a figure's script: it finds the figure with this key, and builds it."""
    return _START.replace("KEY", key) + "})();"


@cache
def styles() -> str:
    """The figures' style sheet, with the book's palette."""
    palette = "".join(f"--mf-{name}:{value};" for name, value in COLOURS.items())
    css = re.sub(r"/\*.*?\*/\s*", "", (FOLDER / "figures.css").read_text("utf-8"), flags=re.DOTALL)
    return f".maml-figure{{{palette}}}\n{css}"


def page(name: str, data: dict[str, Any], *, label: str, still: Drawing) -> LiveFigure:
    """Put a figure together.

    Args:
        name: the script's name, such as `"sine_adapt"`.
        data: what the script is given; anything that JSON can hold.
        label: the figure's name for screen readers.
        still: shown where no script runs; its `alt` is the figure's text alternative.

    Raises:
        TypeError: if `still` is no drawing made by `plots.show`.
    """
    if not isinstance(still, Drawing):
        raise TypeError(f"still must be made by plots.show(fig, alt=…), got {still!r}")
    # "</script>" inside a string would end the script.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    key = hashlib.sha256(f"{name}\0{text}".encode()).hexdigest()[:10]
    # Ids of two figures of one page must differ.
    drawn = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{key}-", still.svg)
    html = (
        f'<div class="maml-figure" data-figure="{name}" data-key="{key}" role="group" '
        f'aria-label="{escape(label)}">\n<style>{styles()}</style>\n'
        f'<div class="mf-still">{drawn}</div>\n'
        f'<script type="application/json">{text}</script>\n'
        f"<script>{script(name)}{starter(key)}</script>\n</div>"
    )
    return LiveFigure(html, still.alt)


def pack(values: Tensor) -> str:
    """Numbers as base64 of little-endian float32.

    Example:
        >>> pack(torch.zeros(3))
        'AAAAAAAAAAAAAAAA'
    """
    return base64.b64encode(values.detach().float().numpy().astype("<f4").tobytes()).decode()


def pack_short(values: Tensor) -> dict[str, Any]:
    """Numbers in half the space: whole steps between the lowest and the highest of them.

    Example:
        >>> pack_short(torch.tensor([0.0, 1.0]))
        {'low': 0.0, 'high': 1.0, 'u16': 'AAD//w=='}
    """
    low, high = values.min().item(), values.max().item()
    steps = ((values - low) / max(high - low, 1e-12) * 65535).round().numpy().astype("<u2")
    return {"low": low, "high": high, "u16": base64.b64encode(steps.tobytes()).decode()}


def pack_images(images: Tensor, columns: int = 25) -> dict[str, Any]:
    """Images `(n, 1, height, width)`, ink bright, 0 … 255 or 0 … 1, as cards in one PNG.

    Ink is dark on white there, in sixteen greys, and every card has a margin of a pixel, so that
    none shows through at its neighbour's edge.

    Example:
        >>> packed = pack_images(torch.zeros(3, 1, 28, 28))
        >>> packed["columns"], packed["count"], packed["picture"][:22]
        (3, 3, 'data:image/png;base64,')
    """
    columns = min(columns, len(images))
    ink = images[:, 0].float()
    ink = ink / 255 if ink.max() > 1 else ink
    greys = ((1 - ink) * 15).round().to(torch.uint8)
    size = images.shape[-1] + 2
    rows = -(-len(images) // columns)
    sheet = torch.full((rows * columns, size, size), 15, dtype=torch.uint8)
    sheet[: len(images), 1:-1, 1:-1] = greys
    sheet = sheet.view(rows, columns, size, size).transpose(1, 2).reshape(rows * size, -1)
    picture = Image.fromarray(sheet.numpy(), mode="P")
    picture.putpalette([17 * grey for grey in range(16) for _ in "rgb"])
    file = io.BytesIO()
    picture.save(file, "png", optimize=True, bits=4)
    address = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return {"picture": address, "size": size, "columns": columns, "count": len(images)}


def pack_colours(images: Tensor, columns: int = 10) -> dict[str, Any]:
    """Pictures in colour `(n, 3, height, width)`, uint8, as cards in one WebP.

    Every card has a margin of a pixel, a copy of its own edge, so that no neighbour shows through.

    Example:
        >>> packed = pack_colours(torch.zeros(3, 3, 32, 32, dtype=torch.uint8))
        >>> packed["columns"], packed["size"], packed["picture"][:23]
        (3, 34, 'data:image/webp;base64,')
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cards = torch.nn.functional.pad(images.float(), (1, 1, 1, 1), mode="replicate").byte()
    size = cards.shape[-1]
    sheet = torch.full((rows * columns, 3, size, size), 255, dtype=torch.uint8)
    sheet[: len(cards)] = cards
    sheet = sheet.view(rows, columns, 3, size, size).permute(0, 3, 1, 4, 2)
    picture = Image.fromarray(sheet.reshape(rows * size, columns * size, 3).numpy())
    file = io.BytesIO()
    picture.save(file, "webp", quality=75, method=6)
    address = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return {"picture": address, "size": size, "columns": columns, "count": len(images)}


def rounded(values: Tensor | Iterable[SupportsFloat]) -> list[float]:
    """Numbers with five decimals, for JSON.

    Example:
        >>> rounded(torch.tensor([0.1, 1 / 3]))
        [0.1, 0.33333]
    """
    return [round(float(v), 5) for v in values]
