"""The slides: what a notebook shows and nothing else, on 1280 × 720, for every chapter."""

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.slides import outputs
from tools.slides.__main__ import SOURCES, build, print_decks

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ROOT / "tests" / "fixtures" / "slides"
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("[0-9]*.ipynb"))
# What stands on a slide of a fixture's deck, and what a browser has to find there.
SEEN = {
    "too_wide": "cut: pre.printed",
    "too_much": "too much: ",
    "small_words": "a word of 14.0 px: whispered",
    "small_in_a_drawing": "a word of 12.0 px: small",
    "cut_words": "the edge of a drawing cuts beyond",
    "off_the_slide": "off the slide: away",
    "behind": "behind the picture: ",
    "wordy": " words",
    "poor_notes": "notes of no use",
    "faint": "light: axe color-contrast",
    "faint_in_the_dark": "dark: axe color-contrast",
    "faint_drawing": "light: words of ",
    "nameless": "light: axe button-name",
    "noisy": "console: here I am",
    "broken": "page error: nothing here",
    "from_elsewhere": "external request: http://example.org/picture.png",
}
# What its source asks for, and what the build has to say.
SAID = {
    "no such cell": '06_the_outer_loop has no cell "nowhere"',
    "no such notebook": "there is no notebook 99_nowhere",
    "no such number": "cell hand-three-ways: nothing fits by foot",
    "two numbers": "fits ['-3.84', '-4.80']",
    "no such line": "no line has by foot",
    "no such row": "no row has nobody",
    "no such code": "no line of code has nothing",
    "no drawing": "06_the_outer_loop, cell hand-three-ways shows no drawing",
    "no moving figure": "06_the_outer_loop, cell figure-graph shows no moving figure",
    "no picture of the book": "the book has no drawing nowhere.svg",
    "no gap": "to cut",
    "a typed number": "'.8' is typed",
    "a typed share": "'6 %' is typed",
    "a typed interval": "'± 2' is typed",
    "no notes": "a slide needs notes, once",
    "much code": "lines of code on a slide",
    "no formula": r"the formula \nonsense is not understood",
}


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built slides; `SLIDES_HTML` names a folder of them to use instead."""
    if built := os.environ.get("SLIDES_HTML"):
        return ROOT / built
    folder = tmp_path_factory.mktemp("slides")
    done = build(built=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    """The installed Chromium, started once."""
    from page_checks import launched

    with launched(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory):
    """Decks with a fault each, and what was said when they were built."""
    folder = tmp_path_factory.mktemp("faulty")
    done = build(FAULTS, folder)
    return folder, done


def source(chapter: str) -> str:
    return (SOURCES / f"{chapter}.md").read_text("utf-8")


def source_findings(text: str) -> list[str]:
    """What a deck lacks as a lesson, from its source."""
    slides = re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]
    kinds = [set(re.findall(r"^:::\{(\w+)\}", slide, re.MULTILINE)) for slide in slides]
    found = [] if 8 <= len(slides) <= 16 else [f"{len(slides)} slides"]
    asked = sum("predict" in kind for kind in kinds)
    found += [] if asked >= 2 else [f"{asked} questions"]
    found += [] if {"takeaway", "discuss"} <= kinds[-1] else ["no end"]
    found += [f"no {kind}" for kind in ("figure", "code") if not any(kind in k for k in kinds)]
    answers = {"figure", "printed", "table", "code", "predict"}
    for slide, kind, after in zip(slides, kinds, kinds[1:], strict=False):
        if "predict" in kind and not after & answers:
            found.append(f"no answer to {slide.splitlines()[0]}")
    minutes = sum(float(m) for m in re.findall(r"\{notes\} (\S+)", text))
    return found + ([] if 35 <= minutes <= 60 else [f"{minutes:g} minutes"])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_a_deck_that_asks_before_it_answers(chapter: str) -> None:
    # Chapter 1 has no code to show.
    found = [
        line
        for line in source_findings(source(chapter))
        if (chapter[:2], line) != ("01", "no code")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (":::{predict}", ":::{note}", "0 questions"),
        (":::{takeaway}", ":::{note}", "no end"),
        (":::{discuss}", ":::{note}", "no end"),
        (":::{code}", ":::{note}", "no code"),
        (":::{figure}", ":::{note}", "no figure"),
        ("\n## ", "\n", "1 slides"),
        ("{notes} 3", "{notes} 30", " minutes"),
        (":::{printed}", ":::{note}", "no answer to The trap"),
    ],
)
def test_a_planted_fault_of_a_lesson_is_found(old: str, new: str, said: str) -> None:
    text = source("05_the_inner_loop")
    assert source_findings(text) == [] and old in text
    assert any(said in line for line in source_findings(text.replace(old, new)))


@pytest.mark.browser
@pytest.mark.parametrize("deck", [*CHAPTERS, "index"])
def test_a_deck_is_in_order(browser, slides: Path, deck: str) -> None:
    from slide_checks import inspect

    assert inspect(browser, slides / f"{deck}.html") == []


def test_a_deck_says_of_which_course_it_is(slides: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    index = (slides / "index.html").read_text("utf-8")
    for chapter in CHAPTERS:
        assert f"version {project['version']} · CC BY 4.0<" in (
            slides / f"{chapter}.html"
        ).read_text("utf-8")
        assert f'href="{chapter}.html"' in index


@pytest.mark.browser
def test_a_moving_figure_has_the_keys_while_a_hand_is_on_it(browser, slides: Path) -> None:
    from slide_checks import opened

    findings: list[str] = []
    page = opened(browser, slides / "06_the_outer_loop.html", findings)
    at = page.evaluate(
        "() => Reveal.getSlides().findIndex(s => s.querySelector('.moving'))",
    )
    page.evaluate(f"Reveal.slide({at}, 0)")
    here = f"Reveal.getIndices().h === {at}"
    for part in ("input[type=range]", ".mf-handle"):
        page.locator(f".present {part}").first.focus()
        before = page.locator(".present .mf-stage").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.evaluate(here), part
        assert page.locator(".present .mf-stage").inner_text() != before, part
    handle = page.locator(".present .mf-handle").first.bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    before = page.locator(".present .mf-stage").inner_html()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 40, steps=4)
    page.mouse.up()
    moved = page.locator(".present .mf-handle").first.bounding_box()
    assert abs(moved["x"] - handle["x"] - 60) < 16  # the point stays under the pointer
    assert page.locator(".present .mf-stage").inner_html() != before and page.evaluate(here)
    page.locator(".present .mf-handle").first.focus()
    page.keyboard.press("PageDown")  # a clicker
    assert page.evaluate(f"Reveal.getIndices().h === {at + 1}")
    page.evaluate(f"Reveal.slide({at}, 0)")
    page.locator(".present .mf-handle").first.focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(f"Reveal.getIndices().h === {at + 1}")
    page.close()
    assert findings == []


@pytest.mark.browser
def test_a_key_turns_the_light_off(browser, slides: Path) -> None:
    from slide_checks import opened

    page = opened(browser, slides / "index.html", [])
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.keyboard.press("d")
    assert page.evaluate(paper) != light
    page.keyboard.press("d")
    assert page.evaluate(paper) == light
    page.close()


@pytest.mark.browser
def test_the_speaker_sees_the_notes(browser, slides: Path) -> None:
    from slide_checks import opened

    page = opened(browser, slides / "06_the_outer_loop.html", [])
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    notes = popup.value
    notes.wait_for_function("document.body.innerText.includes('five cards taught her')")
    notes.close()
    page.close()


@pytest.mark.browser
def test_a_printed_deck_has_a_page_for_each_slide(browser, slides: Path, tmp_path: Path) -> None:
    from pypdf import PdfReader

    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / "_static").symlink_to(slides / "_static")
    shutil.copy(slides / "05_the_inner_loop.html", folder)
    (pdf,) = print_decks(browser, [folder / "05_the_inner_loop.html"])
    pages, lefts = [], []

    def where(text: str, matrix: list[float], place: list[float], *_: object) -> None:
        if text.strip():
            lefts.append(place[4] * matrix[0] + matrix[4])

    for page in PdfReader(pdf).pages:
        pages.append(page.extract_text(visitor_text=where))
    titles = re.findall(r"^#+ (.+)$", source("05_the_inner_loop"), re.MULTILINE)
    assert len(pages) == len(titles)
    for title, page in zip(titles, pages, strict=True):
        assert title.split()[0].replace("’", "'") in page.replace("’", "'"), title
    assert "overwrites nothing" in " ".join(pages[-1].split())
    margin = 48 * 72 / 96  # points: it is kept on paper, in front of every heading
    assert sum(abs(left - margin) < 1 for left in lefts) >= len(pages)


@pytest.fixture(scope="module")
def seen(browser, faulty) -> list[str]:
    """What is found in a deck of faults, one a slide."""
    from slide_checks import inspect

    return inspect(browser, faulty[0] / "seen.html")


@pytest.mark.browser
@pytest.mark.parametrize("fault", SEEN)
def test_a_planted_fault_is_seen(seen: list[str], fault: str) -> None:
    assert any(SEEN[fault] in line for line in seen), seen


@pytest.mark.browser
def test_a_faultless_deck_has_no_findings(browser, faulty) -> None:
    from slide_checks import inspect

    assert inspect(browser, faulty[0] / "faultless.html") == []
    assert "faultless.md" not in faulty[1].stderr and "seen.md" not in faulty[1].stderr


@pytest.mark.parametrize("fault", SAID)
def test_a_planted_fault_is_said(faulty, fault: str) -> None:
    assert faulty[1].returncode != 0
    assert SAID[fault] in faulty[1].stderr, faulty[1].stderr


def test_a_number_keeps_its_sign() -> None:
    assert outputs.number("06_the_outer_loop", "hand-three-ways", r"hand +(\S+)") == "−3.84"
