"""Every page of the book, as a reader's browser shows it: without a network, at two widths."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from book_site import ROOT, built_book

pytestmark = pytest.mark.browser
PAGES = ROOT / "tests" / "fixtures" / "book_pages"
PLANTED = {
    "external_image": "external request: https://example.org/picture.png",
    "missing_script": "failed request: 404",
    "console_error": "console: this went wrong",
    "page_error": "page error: nothing here",
    "sideways": "375 px: scrolls sideways by",
    "faint_text": "axe color-contrast (serious)",
    "faint_in_the_dark": "1280 px, dark: axe color-contrast (serious)",
    "nameless_button": "axe button-name (critical)",
    "other_name": "axe label-content-name-mismatch (serious)",
    "raw_formula": r"maths not rendered: A formula: \(",
    "formula_without_mathml": 'maths not rendered: <span class="math"><code>',
    "formula_error": 'maths not rendered: <span class="math"><math><merror>',
    "empty_formula": 'maths not rendered: <span class="math"><math></math>',
    "cut_on_a_desktop": "1280 px: cut: pre by",
    "cut_on_a_phone": "375 px: cut without a sign: pre by",
    "faded": "375 px: faded, and nothing is cut: p.book-cut: All of it",
    "cut_table": "375 px: a table is cut: div.wide by",
    "cut_words": "its edge cuts support: A curve",
    "small_words": "375 px: 1 words below 11 px, such as loss: A curve",
    "faint_words": "1280 px, light: words of 3.9:1 (rgb(213, 94, 0)) MAML: A curve",
    "faint_line_in_the_dark": "1280 px, dark: a line of 2.1:1 (rgb(0, 114, 178) at 0.65)",
    "stuck_in_light": "the page does not turn dark with the system",
}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    """The installed Chromium, started once."""
    from page_checks import launched

    with launched(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def book(chromium: str) -> Iterator[str]:
    """Address of a local server that shows the built book."""
    from page_checks import served

    built = built_book()
    assert built.code == 0, built.log[-3000:]
    with served(built.html) as address:
        yield address


def pages() -> list[str]:
    """Addresses of all pages, from the book's contents: known before the book is built."""
    import yaml

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    return [f"{name}.html" for name in (toc["root"], *files, "search", "genindex")]


def test_no_page_of_the_site_is_left_out() -> None:
    site = built_book().html
    assert {path.relative_to(site).as_posix() for path in site.rglob("*.html")} == set(pages())


@pytest.mark.parametrize("page", pages())
def test_a_page_is_in_order_without_a_network(browser, book: str, page: str) -> None:
    from page_checks import inspect

    assert inspect(browser, f"{book}/{page}") == []


@pytest.mark.parametrize("page", pages())
def test_a_page_opens_from_the_disk_as_well(browser, page: str) -> None:
    from page_checks import UNRENDERED_MATHS, loaded_page

    findings: list[str] = []
    opened = loaded_page(browser, (built_book().html / page).as_uri(), findings)
    assert opened.locator("main").inner_text().strip()
    assert opened.evaluate(UNRENDERED_MATHS) == []
    opened.close()
    assert findings == []


def test_the_rules_of_accessibility_are_those_that_the_fixtures_name(browser) -> None:
    from page_checks import AXE_SOURCE

    page = browser.new_page()
    page.evaluate(AXE_SOURCE)
    version = page.evaluate("axe.version")
    page.close()
    assert f"axe-core {version}," in (ROOT / "tests/fixtures/axe/README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PLANTED)
def test_a_planted_fault_is_found(browser, page: str, tmp_path: Path) -> None:
    from page_checks import inspect, served

    shutil.copy(PAGES / f"{page}.html", tmp_path)
    with served(tmp_path) as address:
        findings = inspect(browser, f"{address}/{page}.html")
    assert any(PLANTED[page] in line for line in findings), findings


def test_a_planted_heavy_page_is_found(browser, tmp_path: Path) -> None:
    from page_checks import HEAVIEST, inspect, served

    noise = random.Random(0).randbytes(HEAVIEST)  # nothing packs noise
    (tmp_path / "font.woff2").write_bytes(noise)
    style = (
        "<style>@font-face { font-family: F; src: url(font.woff2) } p { font-family: F }</style>"
    )
    (tmp_path / "heavy.html").write_text(f"<!DOCTYPE html>{style}<p>Words.</p>")
    (tmp_path / "light.html").write_text(f"<!DOCTYPE html>{style}<p></p>")
    with served(tmp_path) as address:
        heavy, light = (inspect(browser, f"{address}/{name}.html") for name in ("heavy", "light"))
    assert any(line.startswith("heavy: 700") and "font.woff2" in line for line in heavy), heavy
    assert not any(line.startswith("heavy") for line in light), light


def test_a_faultless_page_has_no_findings(browser, tmp_path: Path) -> None:
    from page_checks import inspect

    assert inspect(browser, (PAGES / "faultless.html").as_uri()) == []
