"""Rules about outputs."""

import json
import re
from collections.abc import Iterator

from tools.notebooks.page import Breach, Page, name_of

OUTPUT_BYTES = 400_000
SVG_TITLE = re.compile(r"<title[^>]*>\s*[^<\s]")
STILL = re.compile(r'class="mf-still"><svg[^>]*>\s*<title[^>]*>\s*[^<\s]')
WIDGET = re.compile(r"^(?:interactive|VBox|HBox|\w+Slider|Output)\(")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}|<object object at")
SVG = "image/svg+xml"


def no_error(page: Page) -> Iterator[Breach]:
    """No cell ends in an exception; one that shows a mistake catches it."""
    for cell, output in page.outputs:
        if output.output_type == "error":
            what = f"raised {output.ename}: {output.evalue}"
            yield name_of(cell), what, "mend the cell, or catch the exception and print it"


def no_stderr(page: Page) -> Iterator[Breach]:
    """No warning reaches the reader."""
    for cell, output in page.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            what = f"writes to stderr: {output.text.strip()[:60]!r}"
            yield name_of(cell), what, "mend what it warns of, then `make notebooks`"


def output_size(page: Page) -> Iterator[Breach]:
    """No single output weighs a page down."""
    for cell, output in page.outputs:
        size = len(json.dumps(output, ensure_ascii=False).encode())
        if size > OUTPUT_BYTES:
            what = f"an output of {size // 1000} kB, above {OUTPUT_BYTES // 1000} kB"
            yield name_of(cell), what, "draw fewer points, or rasterise inside the figure"


def figures_are_titled_svg(page: Page) -> Iterator[Breach]:
    """Figures are SVG with a title, which is their text alternative."""
    remedy = 'end the cell with `show(fig, alt="…")` of maml_tutorial.plots'
    for cell, output in page.outputs:
        data = output.get("data", {})
        for kind in sorted(data):
            if kind == SVG and not SVG_TITLE.search(data[kind]):
                yield name_of(cell), "a figure without a title", remedy
            elif kind.startswith("image/") and kind != SVG:
                yield name_of(cell), f"a figure as {kind}", remedy


def moving_figures_have_a_still(page: Page) -> Iterator[Breach]:
    """A figure with a script shows a drawing with a title where no script runs."""
    for cell, output in page.outputs:
        html = output.get("data", {}).get("text/html", "")
        if "<script" in html and not STILL.search(html):
            yield (
                name_of(cell),
                "a script without a still",
                "use a function of maml_tutorial.figures",
            )


def no_dead_widget(page: Page) -> Iterator[Breach]:
    """No trace of a widget: without a kernel it would not answer."""
    for cell, output in page.outputs:
        data = output.get("data", {})
        shown = str(data.get("text/plain", ""))
        if any("jupyter.widget" in kind for kind in data) or WIDGET.match(shown):
            yield name_of(cell), "shows a widget", "run `python -m tools.notebooks normalise`"


def no_memory_address(page: Page) -> Iterator[Breach]:
    """No ``<Line2D at 0x7f…>``: it says nothing and changes on every run."""
    for cell, output in page.outputs:
        texts = [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
        if any(map(ADDRESS.search, texts)):
            yield name_of(cell), "shows an address in memory", "assign the value, or print a part"
