"""The book builds without a warning, its links lead somewhere, and it needs no network."""

import doctest
import re
import sys
import tomllib

import pytest
import yaml
from book_site import ROOT, Built, build, built_book, fixture_book, head_findings, site_findings
from fontTools.ttLib import TTFont

from tools.repository import address, site

FIXTURES = ROOT / "tests" / "fixtures"
PLANTED = {
    "broken_link": "'nowhere.md'",
    "missing_anchor": "'no-such-part'",
    "unknown_reference": "could not find bibtex key",
    "unknown_command": r"the formula \theta + \nosuchcommand is not understood: Unknown command",
    "raising_cell": "a cell's output is an error: ZeroDivisionError: division by zero",
    "warning_cell": "stderr was found in the cell outputs",
    "nameless_figure": "neither a <title> nor an alternative text",
    "two_titles_deep": "Non-consecutive header level increase",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """One strict build of a book in which each page has one fault."""
    pages = [page for page in sorted((FIXTURES / "book").glob("*.*")) if page.stem != "faultless"]
    assert {page.stem for page in pages} == set(PLANTED)
    source, output = tmp_path_factory.mktemp("planted"), tmp_path_factory.mktemp("planted_out")
    return build(fixture_book(source, pages), output)


def toc_files() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    return [page["file"] for part in toc["parts"] for page in part["chapters"]]


def test_the_book_builds_strictly_without_a_warning() -> None:
    built = built_book()
    assert built.code == 0, built.log[-4000:]
    assert "WARNING" not in built.log and "ERROR" not in built.log, built.log[-4000:]


def test_every_link_and_anchor_of_the_site_leads_somewhere() -> None:
    assert site_findings(built_book().html) == []


def test_every_page_says_what_it_is_to_those_who_find_share_or_cite_it() -> None:
    assert head_findings(built_book().html) == []


def test_every_page_names_the_address_of_its_own_and_of_what_its_buttons_open() -> None:
    html, repository = built_book().html, address().removeprefix("https://github.com/")
    for path in html.rglob("*.html"):
        page, text = path.relative_to(html).as_posix(), path.read_text("utf-8")
        shown = re.findall(r'"og:(?:url|image)" content="(.*?)"', text)
        assert shown == [site() + page, site() + "_static/preview.png"], page
        notebook = page.replace(".html", ".ipynb")
        buttons = [
            f'"https://colab.research.google.com/github/{repository}/blob/main/{notebook}"',
            f'"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{notebook}"',
        ]
        is_notebook = (ROOT / notebook).is_file()
        assert [button in text for button in buttons] == [is_notebook] * 2, page


def test_a_page_that_does_not_is_named(tmp_path) -> None:
    page = (
        "<head><meta name='description' content='{words}'><meta property='og:title' content='T'>"
        "<meta property='og:description' content='{words}'>"
        "<meta property='og:image' content='https://a.b/_static/{picture}'></head><h1>T</h1>"
        "<details class='cite-page'><pre>title = {{{{{title}}}}}</pre></details>"
    )
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/p.png").touch()
    words = "What the page is about, in a sentence or two."
    faults = {
        "a_right": {},
        "b_brief": {"words": "Brief."},
        "c_same": {},
        "d_picture": {"picture": "q.png", "words": words + " And more."},
        "e_cited": {"title": "U", "words": words + " And other things."},
    }
    for name, fault in faults.items():
        text = page.format(**({"words": words, "picture": "p.png", "title": "T"} | fault))
        (tmp_path / f"{name}.html").write_text(text)
    assert head_findings(tmp_path) == [
        "b_brief.html: a description of 6 characters",
        "c_same.html: the same description as a_right.html",
        "d_picture.html: no picture to share it by",
        "e_cited.html: no entry to cite it by its title",
    ]


def test_every_page_of_the_contents_is_built() -> None:
    missing = [name for name in toc_files() if not (built_book().html / f"{name}.html").is_file()]
    assert missing == []


def test_every_notebook_and_appendix_stands_in_the_contents() -> None:
    sources = [*ROOT.glob("book/**/*.ipynb"), *ROOT.glob("book/**/*.md")]
    names = {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in sources
        if ".ipynb_checkpoints" not in path.parts
    }
    assert names == set(toc_files())


def test_the_first_page_gives_times_for_exactly_the_chapters_that_are_written() -> None:
    first = (ROOT / "index.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| \[.*\bmin\b.*\bs \|$", first, re.MULTILINE)
    chapters = [re.match(r"book/(\d+)_", name) for name in toc_files()]
    assert [int(row) for row in rows] == [int(found[1]) for found in chapters if found]


def test_every_page_names_its_version_at_its_foot() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name in ["index", *toc_files()]:
        page = (built_book().html / f"{name}.html").read_text("utf-8")
        foot = re.search(r'<div class="extra_footer">(.*?)</div>', page, re.DOTALL)[1]
        assert f"Version {project['version']}: <a" in foot, name


def test_figures_stand_in_the_page_itself() -> None:
    pages = [path.read_text("utf-8") for path in built_book().html.glob("book/*.html")]
    assert sum(page.count('<figure class="figure-svg">') for page in pages) > 0
    assert not any(re.search(r'<img[^>]*src="[^"]*_images/[^"]*\.svg', page) for page in pages)


def test_every_icon_that_a_page_shows_has_its_picture() -> None:
    site = built_book().html
    pages = "".join(path.read_text("utf-8") for path in site.rglob("*.html"))
    names = set(re.findall(r'<i class="[^"]*\b(fa-(?!solid|regular|brands|lg)[\w-]+)', pages))
    assert {"fa-magnifying-glass", "fa-github", "fa-download", "fa-circle-half-stroke"} <= names
    css = (site / "_static/styles/pydata-sphinx-theme.css").read_text("utf-8")
    fonts = [TTFont(path) for path in site.rglob("fa-*.woff2")]
    drawn = {code for font in fonts for code in font.getBestCmap()}
    for name in names:
        rule = re.search(rf'\.{name}:before[^{{]*{{content:"\\(\w+)"', css)
        assert rule and int(rule[1], 16) in drawn, name
    assert "fa-yahoo" not in css and len(drawn) < 200  # and no others


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


@pytest.mark.parametrize("page", PLANTED)
def test_a_planted_fault_fails_the_build(planted: Built, page: str) -> None:
    assert planted.code != 0
    lines = [line for line in planted.log.splitlines() if f"/{page}." in line]
    assert any(PLANTED[page] in line for line in lines), "\n".join(lines) or planted.log[-3000:]


def test_a_fixture_book_without_a_fault_builds(tmp_path) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.mkdir()
    built = build(fixture_book(source, [FIXTURES / "book" / "faultless.md"]), output)
    assert built.code == 0, built.log[-3000:]
    assert site_findings(built.html) == []


def test_the_link_checker_names_each_planted_fault() -> None:
    found = site_findings(FIXTURES / "book_site")
    assert found == [
        "faulty.html: the id twice stands twice",
        "faulty.html: <a> leads to gone.html, which is not there",
        "faulty.html: <a> leads to fine.html#gone, which has no such anchor",
        "faulty.html: <a> leads to #gone, which has no such anchor",
        "faulty.html: <link> loads https://example.org/a.css from elsewhere",
        "faulty.html: <script> loads //example.org/a.js from elsewhere",
        "faulty.html: <img> leads to gone.png, which is not there",
    ]


@pytest.mark.parametrize(
    "module",
    [
        "benchmark_table",
        "book_extension",
        "icons",
        "mathml",
        "one_shot_game",
        "page_head",
        "records_table",
        "version",
    ],
)
def test_the_examples_of_the_extension_hold(module: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "book" / "assets"))
    __import__(module)
    failed, attempted = doctest.testmod(sys.modules[module])
    assert attempted > 0 and failed == 0
