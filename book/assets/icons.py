"""Icons cut down to those that the pages show: the theme brings two thousand, in 300 kB."""

import re
from collections.abc import Iterable
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font, save_font

RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"[^"]*"\}')
NAME = re.compile(r"\bfa-[\w-]+")
CODE = re.compile(r"\\([ef][0-9a-f]{3})\b")  # private characters, as CSS writes them


def without_unused(css: str, names: Iterable[str]) -> str:
    r"""Return a style sheet without the rules of icons whose name is not among `names`.

    Example:
        >>> css = r'.fa-sun:before{content:"\f185"}.fa-yak:before,.fa-gnu:before{content:"\f7a0"}'
        >>> print(without_unused(css, {"fa-sun"}))
        .fa-sun:before{content:"\f185"}
    """
    names = set(names)
    return RULE.sub(lambda rule: rule[0] if names & set(NAME.findall(rule[1])) else "", css)


def slim_icons(site: Path) -> None:
    """Leave in a built site's styles and icon fonts only what its pages and scripts name."""
    texts = [*site.rglob("*.html"), *site.rglob("*.js")]
    names = {name for path in texts for name in NAME.findall(path.read_text("utf-8"))}
    codes = set()
    for path in site.rglob("*.css"):
        css = path.read_text("utf-8")
        slim = without_unused(css, names)
        if slim != css:
            path.write_text(slim, "utf-8")
        codes |= {int(code, 16) for code in CODE.findall(slim)}
    options = Options(flavor="woff2", layout_features=[], hinting=False)
    for path in site.rglob("fa-*.woff2"):
        font = load_font(str(path), options)
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=codes)
        subsetter.subset(font)
        save_font(font, str(path), options)
