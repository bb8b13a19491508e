"""The book's own Sphinx extension: no network, figures in light and dark, accessible markup.

Jupyter Book and its theme do the rest. Each part below repairs or adds one thing and says why.
"""

import re
from pathlib import Path
from typing import Any

from api_reference import setup_api
from benchmark_table import BenchmarkTable
from docutils import nodes
from icons import slim_icons
from mathml import setup_mathml
from one_shot_game import OneShotGame
from page_head import setup_page_head
from records_table import RecordsTable
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from version import setup_version

logger = logging.getLogger(__name__)


LEAST = 11  # pixels: the smallest word of a figure on a phone
SIZE = re.compile(r"""font(?:-size)?\s*(?::|=["'])[^;"'>]*?([\d.]+)px|font-size=["']([\d.]+)["']""")


def readable(svg: str) -> str:
    """Note in a drawing the width at which its smallest word is `LEAST` pixels high.

    The style sheet lets no phone show it smaller than that.

    Example:
        >>> readable('<svg viewBox="0 0 500 9"><text style="font: 10px serif">A</text></svg>')
        '<svg style="--book-readable:550px" viewBox="0 0 500 9"><text style="font: 10px serif">A</text></svg>'
    """
    sizes = [float(size or plain) for size, plain in SIZE.findall(svg)]
    box = re.search(r'viewBox="[\d.-]+[\s,]+[\d.-]+[\s,]+([\d.]+)', svg)
    if not sizes or not box:
        return svg
    note = f"--book-readable:{float(box[1]) * LEAST / min(sizes):.0f}px"
    end = svg.index(">")
    if ' style="' in svg[:end]:
        return svg.replace(' style="', f' style="{note};', 1)
    return svg.replace("<svg", f'<svg style="{note}"', 1)


def inline_svg(text: str, prefix: str, alt: str = "") -> str:
    """Return an SVG file's text ready to stand inside a page.

    Args:
        text: The file: an optional XML header, then one ``<svg>`` element.
        prefix: Put before each id, so that two figures of one page share none.
        alt: Accessible name; used where the picture has no ``<title>`` of its own.

    Returns:
        HTML: the ``<svg>`` element in ``<figure class="figure-svg">``.

    Raises:
        ValueError: Where the picture has neither a title nor an alternative text.

    Example:
        >>> svg = '<svg role="img"><path id="a"/><use href="#a"/></svg>'
        >>> print(inline_svg(svg, "f1-", "A wave"))  # doctest: +ELLIPSIS
        <figure class="figure-svg"><svg role="img"><title>A wave</title><path id="f1-a"/>...</figure>
    """
    svg = text[text.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}", svg)
    # matplotlib styles `*`: in a page that would reach everything else on it.
    svg = re.sub(r"(<style[^>]*>)\s*\*\s*{", r"\g<1>.figure-svg *{", svg)
    if "<title" not in svg:
        if not alt:
            raise ValueError("a figure has neither a <title> nor an alternative text")
        end = svg.index(">") + 1
        title = alt.replace("&", "&amp;").replace("<", "&lt;")
        svg = f"{svg[:end]}<title>{title}</title>{svg[end:]}"
    if ' role="' not in svg[: svg.index(">")]:
        svg = svg.replace("<svg", '<svg role="img"', 1)
    return f'<figure class="figure-svg">{readable(svg)}</figure>'


class InlineFigures(SphinxPostTransform):
    """Write SVG pictures into the page itself, so that they follow its colours and fonts."""

    default_priority = 5  # right after myst_nb has chosen one form of each output
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Replace each image node that shows a local SVG file."""
        for number, image in enumerate(list(self.document.findall(nodes.image))):
            path = Path(self.env.srcdir, image["uri"].lstrip("/"))
            if path.suffix != ".svg" or not path.is_file():
                continue
            try:
                html = inline_svg(path.read_text("utf-8"), f"figure{number}-", image.get("alt", ""))
            except ValueError as error:
                logger.warning("%s (%s)", error, path.name, location=image)
            else:
                if self.app.builder.name != "html":  # one page for the PDF: no pages to lead to
                    html = re.sub(r"</?a\b[^>]*>", "", html)
                image.replace_self(nodes.raw("", html, format="html"))


def slim_site(app: Sphinx, error: Exception | None) -> None:
    """Remove what the themes copy and no page loads: source maps, templates, unused icons."""
    static = Path(app.outdir, "_static")
    for pattern in ("*.map", "*.LICENSE.txt", "*-macros.html", "fontawesome.js", "*.ttf"):
        for path in static.rglob(pattern):
            path.unlink()
    if error is None and app.builder.format == "html":
        slim_icons(Path(app.outdir))


def warn_of_errors(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a cell that raised: the build would pass otherwise."""
    for node in doctree.findall(nodes.literal_block):
        if "traceback" in node["classes"]:
            last = node.astext().strip().splitlines()[-1]
            logger.warning("a cell's output is an error: %s", last, location=node)


STILL = re.compile(r'(?<=class="mf-still">)<svg.*?</svg>', re.S)
# What may be wider than a screen: book.js sees to it.
WIDE = ('<div class="math', 'class="figure-svg', 'class="mf-still', "<pre", "pst-scrollable")


def unused_files(body: str, copy_selector: str) -> set[str]:
    """Return the names of scripts and styles that a page of this content has no use for.

    Args:
        body: The page's content, HTML.
        copy_selector: Where sphinx_copybutton puts its buttons: CSS selectors.

    Example:
        >>> sorted(unused_files("<p>Some prose.</p>", "div.cell_input pre, div.highlight-bash pre"))
        ['book.js', 'clipboard.min.js', 'copybutton.css', 'copybutton.js']
        >>> sorted(unused_files("<pre>", "div.cell_input pre, div.highlight-bash pre"))
        ['clipboard.min.js', 'copybutton.css', 'copybutton.js']
    """
    unused = set()
    boxes = [selector.split()[0].removeprefix("div.") for selector in copy_selector.split(",")]
    if not any(box in body for box in boxes):
        unused |= {"clipboard.min.js", "copybutton.js", "copybutton.css"}
    if not any(wide in body for wide in WIDE):
        unused.add("book.js")
    return unused


def repair_page(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Drop files that come twice, from elsewhere or for nothing, and mend citations' roles."""
    unused = unused_files(context.get("body", ""), app.config.copybutton_selector)
    for kind in ("script_files", "css_files"):
        seen: set[tuple] = set()
        kept = []
        for file in context.get(kind, []):
            name = str(getattr(file, "filename", file) or "")
            key = (name, getattr(file, "attributes", {}).get("body"))
            elsewhere = name.startswith(("http:", "https:", "//"))
            if key not in seen and not elsewhere and name.rpartition("/")[2] not in unused:
                kept.append(file)
            seen.add(key)
        context[kind] = kept
    if "body" in context:
        context["body"] = STILL.sub(lambda found: readable(found[0]), context["body"])
        # A name other than the words that it shows: nobody who speaks to the page could open it.
        context["body"] = context["body"].replace(' aria-label="Toggle hidden content"', "")
        # A list's children must be list items; docutils gives them a role that is out of use.
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the parts."""
    # Jupyter Book sets this value for an extension that the book does without.
    app.add_config_value("comments_config", {}, "html")
    app.add_directive("records", RecordsTable)
    app.add_directive("benchmark", BenchmarkTable)
    app.add_directive("one-shot-game", OneShotGame)
    setup_api(app)
    setup_mathml(app)
    setup_page_head(app)
    setup_version(app)
    app.add_post_transform(InlineFigures)
    app.connect("build-finished", slim_site)
    app.connect("doctree-read", warn_of_errors)
    app.connect("html-page-context", repair_page, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
