"""What a slide takes from an executed notebook: drawings, numbers, lines, tables, code.

A slide never holds a number of its own. Where a cell, a line or a number is not there any more,
this says so, and the slides do not build.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
ROOM = 2.0  # in the units of a drawing: what two panels must have between them to be cut apart


class Missing(LookupError):
    """What a slide asks for does not stand in the notebook."""


@cache
def _cells(path: Path) -> dict[str, dict]:
    return {cell["id"]: cell for cell in json.loads(path.read_text("utf-8"))["cells"]}


def place(chapter: str, name: str) -> tuple[str, str]:
    """Return chapter and cell of a name, which may have its chapter with it.

    Example:
        >>> place("06_the_outer_loop", "05_the_inner_loop:adapt")
        ('05_the_inner_loop', 'adapt')
    """
    there, colon, alone = name.rpartition(":")
    return (there, alone) if colon else (chapter, name)


def cell(chapter: str, name: str) -> dict:
    """Return a cell of a chapter; `other_chapter:cell` names a cell of another page.

    Raises:
        Missing: no such page, or no such cell.

    Example:
        >>> cell("06_the_outer_loop", "hand-three-ways")["cell_type"]
        'code'
    """
    chapter, name = place(chapter, name)
    path = BOOK / f"{chapter}.ipynb"
    if not path.is_file():
        raise Missing(f"there is no notebook {chapter}")
    found = _cells(path).get(name)
    if found is None:
        raise Missing(f'{chapter} has no cell "{name}"')
    return found


def say(chapter: str, name: str) -> str:
    """Return the name of a cell as a message gives it."""
    return "{}, cell {}".format(*place(chapter, name))


def _shown(found: dict, kind: str) -> str | None:
    for output in found.get("outputs", ()):
        if kind in output.get("data", {}):
            return "".join(output["data"][kind])
    return None


def printed(chapter: str, name: str) -> str:
    """Return all words that a cell printed or shows, or those of a cell of prose.

    Example:
        >>> printed("06_the_outer_loop", "hand-three-ways").split()[:4]
        ['exact', 'first', 'order', 'by']
    """
    found = cell(chapter, name)
    if found["cell_type"] == "markdown":
        return "".join(found["source"])
    parts = ["".join(output.get("text", "")) for output in found.get("outputs", ())]
    parts += [_shown(found, "text/markdown") or ""]
    text = "".join(parts)
    if not text.strip():
        raise Missing(f"{say(chapter, name)} printed nothing")
    return text


def number(chapter: str, name: str, pattern: str) -> str:
    r"""Return the one place of a cell's output that a pattern finds: its group, or all of it.

    Raises:
        Missing: the pattern finds nothing, or different things.

    Example:
        >>> number("06_the_outer_loop", "hand-three-ways", r"by hand +(\S+)")
        '−3.84'
    """
    found = {m[1] if m.re.groups else m[0] for m in _matches(chapter, name, pattern)}
    if len(found) > 1:
        raise Missing(f"{say(chapter, name)}: {pattern} fits {sorted(found)}")
    return typeset(found.pop())


def _matches(chapter: str, name: str, pattern: str) -> list[re.Match]:
    found = list(re.finditer(pattern, printed(chapter, name), re.MULTILINE))
    if not found:
        raise Missing(f"{say(chapter, name)}: nothing fits {pattern}")
    return found


def typeset(text: str) -> str:
    """Return printed words with real minus signs, and a space before the per cent sign.

    Example:
        >>> typeset("-3.84 or 95%").replace(chr(160), " ")
        '−3.84 or 95 %'
    """
    text = re.sub(r"(?<![\w.])-(?=\d)", "−", text.strip())
    return re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", text)


def lines(chapter: str, name: str, pattern: str = "") -> str:
    """Return the printed lines in which a pattern is found, as they were printed.

    Example:
        >>> print(lines("06_the_outer_loop", "hand-three-ways", "autograd"))
        by autograd            -3.84   -4.80
    """
    text = printed(chapter, name)
    kept = [line.rstrip() for line in text.splitlines() if re.search(pattern, line)]
    if not any(kept):
        raise Missing(f"{say(chapter, name)}: no line has {pattern}")
    # An indent that all lines share says nothing.
    indent = min(len(line) - len(line.lstrip()) for line in kept if line)
    return "\n".join(line[indent:] for line in kept)


def table(chapter: str, name: str, rows: str = "", columns: str = "") -> list[list[str]]:
    """Return a printed table, its heading first: the rows and the columns that patterns find.

    Args:
        chapter: the notebook.
        name: the cell that shows the table.
        rows: found in what stands in a row's first column; empty for all.
        columns: found in a column's heading; the first column always stays; empty for all.

    Example:
        >>> table("01_learning_to_learn", "thousand-table", rows="^1$", columns="MAML")[0]
        ['steps', 'MAML']
    """
    text = printed(chapter, name)
    block = re.search(r"(?:^\|.*\n?)+", text, re.MULTILINE)  # the first, where there are several
    found = [line.strip()[1:-1] for line in block[0].splitlines()] if block else []
    cells = [[part.strip() for part in re.split(r"(?<!\\)\|", line)] for line in found]
    if len(cells) < 3:
        raise Missing(f"{say(chapter, name)} shows no table")
    heading, _, *body = cells
    keep = [i for i, title in enumerate(heading) if i == 0 or re.search(columns, title)]
    body = [row for row in body if re.search(rows, row[0].replace("*", "").replace("\\", ""))]
    if not body or len(keep) < 2:
        raise Missing(f"{say(chapter, name)}: no row has {rows}, or no column {columns}")
    return [[typeset(row[i].replace("\\*", "*")) for i in keep] for row in (heading, *body)]


def source(chapter: str, name: str, start: str = "", end: str = "") -> str:
    """Return lines of a cell's code: from the first that a pattern finds to the next one's.

    Example:
        >>> source("06_the_outer_loop", "hand-three-ways", "backward", "backward").strip()
        'loss_after_a_step(theta, create_graph).backward()'
    """
    code = "".join(cell(chapter, name)["source"]).splitlines()
    first = next((i for i, line in enumerate(code) if re.search(start, line)), None)
    if first is None:
        raise Missing(f"{say(chapter, name)}: no line of code has {start}")
    last = len(code) - 1
    if end:
        last = next((i for i in range(first, len(code)) if re.search(end, code[i])), -1)
        if last < 0:
            raise Missing(f"{say(chapter, name)}: no line of code after {start} has {end}")
    kept = code[first : last + 1]
    indent = min(len(line) - len(line.lstrip()) for line in kept if line.strip())
    return "\n".join(line[indent:] for line in kept)


def moving(chapter: str, name: str) -> str:
    """Return the HTML of a figure that moves."""
    html = _shown(cell(chapter, name), "text/html")
    if html is None or "maml-figure" not in html:
        raise Missing(f"{say(chapter, name)} shows no moving figure")
    return html


def drawing(chapter: str, name: str) -> str:
    """Return the SVG of a figure; `name.svg` is a drawing of the book's own folder of pictures."""
    if name.endswith(".svg"):
        path = BOOK / "assets" / name
        if not path.is_file():
            raise Missing(f"the book has no drawing {name}")
        return path.read_text("utf-8")
    found = cell(chapter, name)
    svg = _shown(found, "image/svg+xml")
    if svg is None and (html := _shown(found, "text/html")):
        still = re.search(r'class="mf-still"[^>]*>\s*(<svg.*?</svg>)', html, re.DOTALL)
        svg = still and still[1]
    if svg is None:
        raise Missing(f"{say(chapter, name)} shows no drawing")
    return svg


def title(svg: str) -> str:
    """Return the text alternative of a drawing."""
    found = re.search(r"<title[^>]*>(.*?)</title>", svg, re.DOTALL)
    return unescape(found[1].strip()) if found else ""


def size(svg: str) -> tuple[float, float]:
    """Return width and height of a drawing, in its own units.

    Example:
        >>> size('<svg viewBox="0 0 30 20">')
        (30.0, 20.0)
    """
    box = re.search(r'viewBox="([^"]+)"', svg)[1].split()
    return float(box[2]), float(box[3])


_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"


def _heights(svg: str) -> Iterator[tuple[float, float]]:
    """Yield from where to where, from the top, each mark of a matplotlib drawing reaches."""
    body = re.sub(r"<(defs|clipPath)\b.*?</\1>", "", svg, flags=re.DOTALL)
    for found in re.finditer(r'<path\b[^>]*?\bd="([^"]+)"', body):
        points = re.findall(rf"({_NUMBER})[ ,]+({_NUMBER})", found[1])
        ys = [float(y) for _, y in points]
        if ys:
            yield min(ys), max(ys)
    for found in re.finditer(r'<use\b[^>]*?\by="([^"]+)"', body):
        yield float(found[1]) - 3, float(found[1]) + 3
    for found in re.finditer(r"<text\b([^>]*)>", body):
        at = re.search(r'\by="([^"]+)"', found[1]) or re.search(
            rf"translate\({_NUMBER}[ ,]+({_NUMBER})\)", found[1]
        )
        # Upright words, and not those beside an axis, which lean on its panel.
        if at and "rotate(-90" not in found[1]:
            yield float(at[1]) - 11, float(at[1]) + 4
    for found in re.finditer(r"<image\b([^>]*)>", body):
        at = re.search(rf'\by="({_NUMBER})"', found[1])
        high = re.search(rf'\bheight="({_NUMBER})"', found[1])
        moved = re.search(rf"translate\({_NUMBER}[ ,]+({_NUMBER})\)", found[1])
        flipped = "scale(1 -1)" in found[1]
        if at and high:
            top = float(at[1]) * (-1 if flipped else 1) + (float(moved[1]) if moved else 0)
            yield (top - float(high[1]), top) if flipped else (top, top + float(high[1]))


def cuts(svg: str, pieces: int) -> list[float]:
    """Return the heights at which a drawing of stacked panels comes apart into so many pieces.

    Raises:
        Missing: somewhere there is no gap to cut at.

    Example:
        >>> svg = '<svg viewBox="0 0 9 20"><path d="M 1 1 L 2 8"/><path d="M 1 12 L 2 19"/></svg>'
        >>> cuts(svg, 2)
        [0.0, 10.0, 20.0]
    """
    high = size(svg)[1]
    # A frame of all panels together is no mark.
    marks = sorted(mark for mark in _heights(svg) if mark[1] - mark[0] < 0.9 * high)
    gaps, reached = [], marks[0][1] if marks else 0.0
    for top, bottom in marks:
        if top - reached >= ROOM:
            gaps.append((reached + top) / 2)
        reached = max(reached, bottom)
    places = [0.0]
    for k in range(1, pieces):
        wanted = high * k / pieces
        near = min(gaps, key=lambda gap: abs(gap - wanted), default=None)
        if near is None or abs(near - wanted) > 0.4 * high / pieces or near <= places[-1]:
            raise Missing(f"no gap near {wanted:.0f} of {high:.0f} to cut {title(svg)[:60]!r} at")
        places.append(near)
    return [*places, high]


def piece(svg: str, top: float, bottom: float, key: str) -> str:
    """Return a part of a drawing, between two heights, with ids that are its own.

    Words that are a little smaller than the others (10 among 11) become as large.
    """
    wide = size(svg)[0]
    part = re.sub(
        r'viewBox="[^"]+"', f'viewBox="0 {top:g} {wide:g} {bottom - top:g}"', svg, count=1
    )
    head, tail = part.split(">", 1)
    head = re.sub(r'\s(?:width|height|style)="[^"]*"', "", head)
    part = re.sub(r"font: 10(?:\.\d+)?px", "font: 11px", f"{head}>{tail}")
    return re.sub(r'(\bid="|\b(?:xlink:)?href="#|url\(#)', rf"\g<1>{key}-", part)
