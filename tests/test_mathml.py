"""Formulas become MathML, and the font that comes with the book can set each of them."""

import sys
import unicodedata

import pytest
from book_site import ROOT, built_book
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from tools.maths_font import RANGES, characters

sys.path.insert(0, str(ROOT / "book" / "assets"))
from mathml import mathml  # noqa: E402

FONT = ROOT / "book/assets/static/fonts/stix-two-math.woff2"
# A letter that stands alone is set in italics; MathML leaves that to the browser.
ITALIC = {
    unicodedata.normalize("NFKC", chr(code)): code
    for code in (*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6E2, 0x1D71C))
}
CONVERTED = {
    r"1.5\,x": '<mn>1.5</mn><mspace width="0.16666667em"/><mi>x</mi>',
    r"\theta'": "<msup><mi>θ</mi><mo>′</mo></msup>",
    r"\mathcal{L}": "<mrow><mspace/><mi>ℒ</mi></mrow>",
    r"-\mathbb{E}": '<mo lspace="0" rspace="0">−</mo><mi>𝔼</mi>',
    r"\bigl(x": '<mo minsize="1.2em" maxsize="1.2em">(</mo><mi>x</mi>',
    r"\text{for all }x": "<mtext>for\xa0all\xa0</mtext><mi>x</mi>",
    r"a < b": "<mi>a</mi><mo>&lt;</mo><mi>b</mi>",
    # As tall as the smallest root sign, which would hang below a low letter and strike it.
    r"\sqrt n": '<msqrt><mspace width="0" height="0.72em" depth="0.2em"/><mi>n</mi></msqrt>',
    r"\tfrac12": '<mfrac displaystyle="false"><mn>1</mn><mn>2</mn></mfrac>',
}


@pytest.mark.parametrize("tex", CONVERTED)
def test_a_formula_is_converted(tex: str) -> None:
    assert mathml(tex) == f"<math>{CONVERTED[tex]}</math>"


def test_a_formula_on_its_own_line_is_a_block_with_limits_above_and_below() -> None:
    html = mathml(r"\sum_{i=1}^n x_i", display=True)
    assert html.startswith('<math display="block"><munderover><mo lspace="0">∑</mo>')


@pytest.mark.parametrize("name", ["aligned", "cases", "pmatrix"])
def test_an_environment_becomes_a_table(name: str) -> None:
    html = mathml(rf"\begin{{{name}}} a & b \\ c & d \end{{{name}}}", display=True)
    assert html.count("<mtr>") == 2 and html.count("<mtd") == 4


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\nosuchcommand", r'Unknown command "\\nosuchcommand"'),
        (r"\frac{1}", "Expected argument"),
        (r"\left( x", r'Expected closing token "\\right"'),
    ],
)
def test_a_wrong_formula_is_refused_with_its_reason(tex: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        mathml(tex)


def formulas() -> list[BeautifulSoup]:
    pages = built_book().html.rglob("*.html")
    return [
        formula
        for page in pages
        for formula in BeautifulSoup(page.read_text("utf-8"), "html.parser").find_all("math")
    ]


def test_the_font_has_every_character_of_the_books_formulas() -> None:
    drawn = set(TTFont(FONT).getBestCmap())
    needed = set()
    for formula in formulas():
        for token in formula.find_all(["mi", "mo", "mn"]):
            text = token.get_text().strip()
            alone = token.name == "mi" and len(text) == 1 and token.get("mathvariant") != "normal"
            needed |= {ITALIC.get(text, ord(text))} if alone else {ord(sign) for sign in text}
    assert len(needed) > 50
    invisible = {0x2061, 0x2062, 0x2063, 0x2064}
    assert {chr(code) for code in needed - drawn - invisible} == set()


def test_the_font_is_the_one_that_the_tool_cuts() -> None:
    font = TTFont(FONT)
    assert "MATH" in font
    missing = characters(RANGES) - set(font.getBestCmap())
    # A range of letters has holes: Unicode had given those a place before.
    assert {chr(code) for code in missing if unicodedata.category(chr(code)) != "Cn"} == set()
    assert FONT.stat().st_size < 80_000


def test_a_formula_keeps_to_the_comma_that_follows_it() -> None:
    html = "".join(page.read_text("utf-8") for page in built_book().html.glob("book/*.html"))
    assert html.count("</math></span>\u2060,") > 10
    assert "</math></span>," not in html and "</math></span>)" not in html
