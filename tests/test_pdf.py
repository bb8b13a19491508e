"""The printed book: a title page, contents with the right pages, nothing cut, no empty halves."""

import re
import shutil
from pathlib import Path

import pytest

from tools import print_pdf as printing
from tools.print_pdf import print_pdf, with_title_page

pytestmark = pytest.mark.browser
LONG = "result = " + " + ".join(f"value_{n:02}" for n in range(16)) + "  # the line's end"
PROSE = "<p>One sentence follows another here, as sentences do.</p>" * 13
LISTING = "\n".join(f"step_{n:02} = descend(step_{n - 1:02})" for n in range(1, 50))
MOVING = """<div class="maml-figure" data-state="live"><div class="mf-still">
<svg viewBox="0 0 90 20" style="width: 9cm"><text y="15">a drawn still</text></svg></div>
<div class="mf-stage"><button>Play</button></div></div>"""


def code(source: str) -> str:
    return (
        '<div class="cell"><div class="cell_input"><div class="highlight-python"><div class='
        f'"highlight"><pre>{source}</pre></div></div></div></div>'
    )


@pytest.fixture(scope="module")
def book(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of two chapters on one page, in the book's own style."""
    folder = tmp_path_factory.mktemp("printed")
    shutil.copy(root / "book/assets/static/book.css", folder)
    shutil.copy(root / "maml_tutorial/figures/figures.css", folder)
    entries = "".join(
        f'<li><a class="nav-link" href="#document-{name}">{title}</a></li>'
        for name, title in (("first", "1 · Alpha"), ("second", "2 · Beta"))
    )
    chapters = (
        f'<span id="document-first"></span><section id="first"><h2>1 · Alpha</h2>{code(LONG)}'
        f"{PROSE}<p>Before the listing.</p>{code(LISTING)}</section>"
        f'<span id="document-second"></span><section id="second"><h2>2 · Beta</h2>{MOVING}'
        "</section>"
    )
    # As jupyter-book's theme has it: listings that no page may cut.
    theme = "@media print { div.cell_input, .highlight { display: flex; break-inside: avoid } }"
    (folder / "index.html").write_text(
        f'<!DOCTYPE html><html data-theme="light"><title>Book</title><style>{theme}</style>'
        '<link rel="stylesheet" href="book.css"><link rel="stylesheet" href="figures.css">'
        '<div id="jb-print-docs-body" class="onlyprint"><h1>A book</h1><div id="jb-print-toc">'
        f"<h2>Contents</h2><nav><ul>{entries}</ul></nav></div></div>"
        '<article class="bd-article"><section><h1>A book</h1><p>It opens.</p>'
        f'<div class="toctree-wrapper">{chapters}</div></section></article>'
        '<p class="component-author">By its author</p></html>'
    )
    return folder / "index.html"


def pages(pdf: Path) -> list[str]:
    """The text of each page, on one line."""
    from pypdf import PdfReader

    return [" ".join(page.extract_text().split()) for page in PdfReader(pdf).pages]


def findings(pdf: Path) -> list[str]:
    """What is wrong with the printed book."""
    texts = pages(pdf)
    contents = next((text for text in texts if "Contents" in text), "")
    found = [] if "By its author" in texts[0] and "Contents" not in texts[0] else ["no title page"]
    for title in ("1 · Alpha", "2 · Beta"):
        begins = [n for n, text in enumerate(texts, 1) if title in text and text != contents]
        named = re.search(rf"{title} (\d+)", contents)
        if not named or begins != [int(named[1])]:
            found.append(f"{title} begins on {begins}, the contents say {named and named[1]}")
    unnumbered = [
        n for n, text in enumerate(texts, 1) if n > 1 and str(n) not in (text.split() or [""])[0]
    ]
    whole = "".join(" ".join(texts).split())
    found += [f"page {n} has no number" for n in unnumbered]
    found += [] if "".join(LONG.split()) in whole else ["a line of code is cut"]
    before = next(text for text in texts if "Before the listing." in text)
    found += [] if "step_01 = descend(step_00)" in before else ["a page is left half empty"]
    found += [] if "adrawnstill" in whole and "Play" not in whole else ["no still"]
    return found


def test_the_printed_book_is_in_order(book: Path, chromium: str) -> None:
    pdf = book.with_name("book.pdf")
    print_pdf(book, pdf)
    assert findings(pdf) == []
    assert sorted(path.name for path in book.parent.glob(".*")) == []  # and nothing is left behind


def test_planted_faults_are_found(book: Path, chromium: str, monkeypatch) -> None:
    pdf, html = book.with_name("wrong.pdf"), book.read_text()
    monkeypatch.setattr(printing, "pages_of", lambda pdf, html: {})
    # Style sheets that undo what the book's own does for paper.
    undone = (
        "@media print { .mf-still { display: none !important }"
        ".mf-stage { display: grid !important }"
        "div.highlight pre { white-space: pre; overflow: hidden; } }"
        "@page { @bottom-center { content: none !important } }"
        "div.highlight pre { break-inside: avoid !important }"
    )
    wrong = book.with_name("wrong.html")
    wrong.write_text(html.replace("<article", f"<style>{undone}</style><article"))
    print_pdf(wrong, pdf)
    found = " ".join(findings(pdf))
    for fault in (
        "the contents say 000",
        "page 2 has no number",
        "half empty",
        "no still",
        "is cut",
    ):
        assert fault in found, (fault, found)


def test_only_a_book_gets_a_title_page() -> None:
    assert with_title_page("<h1>A page</h1>", {}) == "<h1>A page</h1>"
