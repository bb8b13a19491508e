"""No page of the book is heavy: what a browser loads with it, packed as a server sends it.

`pytest tests/test_page_weight.py -s` prints the table.
"""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from book_site import built_book

pytestmark = pytest.mark.browser
LIMIT = 700_000  # bytes


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    """The installed Chromium, started once."""
    from page_checks import launched

    with launched(chromium) as started:
        yield started


def weights(browser, url: str, known: dict[str, int]) -> dict[str, int]:
    """Packed size of everything that a browser loads to show a page, by file name.

    Args:
        browser: a browser.
        url: the page.
        known: packed sizes by address, so that what pages share is packed once; added to.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(url, wait_until="load")
    page.evaluate("() => document.fonts.ready.then(() => true)")
    sizes = {}
    for answer in answers:
        if answer.ok:
            if answer.url not in known:
                known[answer.url] = len(gzip.compress(answer.body(), 6))
            sizes[answer.url.rpartition("/")[2].partition("?")[0]] = known[answer.url]
    page.close()
    return sizes


def too_heavy(browser, site: Path, limit: int = LIMIT) -> list[str]:
    """Load each page of a site; print its weight and return those above the limit."""
    from page_checks import served

    heavy: list[str] = []
    known: dict[str, int] = {}
    with served(site) as address:
        for path in sorted(site.rglob("*.html")):
            name = path.relative_to(site).as_posix()
            sizes = weights(browser, f"{address}/{name}", known)
            largest = sorted(sizes, key=sizes.get)[: -5 - 1 : -1]
            parts = ", ".join(f"{file} {sizes[file] // 1000}" for file in largest)
            print(f"{sum(sizes.values()) // 1000:5} kB  {name}  ({parts})")
            if sum(sizes.values()) > limit:
                heavy.append(f"{name}: {sum(sizes.values())} bytes ({parts})")
    return heavy


def test_no_page_is_heavier_than_its_limit(browser) -> None:
    built = built_book()
    assert built.code == 0, built.log[-3000:]
    assert (built.html / "index.html").is_file()
    assert too_heavy(browser, built.html) == []


def test_a_planted_heavy_page_is_found(browser, tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(LIMIT)  # nothing packs noise
    (tmp_path / "font.woff2").write_bytes(noise)
    style = (
        "<style>@font-face { font-family: F; src: url(font.woff2) } p { font-family: F }</style>"
    )
    (tmp_path / "heavy.html").write_text(f"<!DOCTYPE html>{style}<p>Words.</p>")
    (tmp_path / "light.html").write_text(f"<!DOCTYPE html>{style}<p></p>")
    heavy = too_heavy(browser, tmp_path)
    assert len(heavy) == 1 and heavy[0].startswith("heavy.html: 700"), heavy


def test_no_page_loads_a_script_it_does_not_use() -> None:
    pages = {path: path.read_text("utf-8") for path in built_book().html.rglob("*.html")}
    assert len(pages) > 20
    uses = {  # what a page must have for a script to be of use
        "copybutton.js": ("cell_input", "highlight-bash", "highlight-bibtex"),
        "clipboard.min.js": ("cell_input", "highlight-bash", "highlight-bibtex"),
        "book.js": (
            '<div class="math',
            'class="figure-svg',
            'class="mf-still',
            "<pre",
            "pst-scrollable",
        ),
        "searchindex.js": ('id="search-results"',),
        "searchtools.js": ('id="search-results"',),
        "language_data.js": ('id="search-results"',),
    }
    for script, signs in uses.items():
        loading = {
            path for path, page in pages.items() if f"/{script}" in page or f'"{script}' in page
        }
        using = {path for path, page in pages.items() if any(sign in page for sign in signs)}
        assert loading == using, script
        assert 0 < len(using) < len(pages), script
    assert not any(
        "mathjax" in page.lower().replace("mathjax_ignore", "") for page in pages.values()
    )
