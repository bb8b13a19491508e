"""Find claims in prose: sentences with a number of weight, or with a word that compares."""

import re
from collections.abc import Iterable, Iterator

COMPARES = re.compile(
    r"\b(?:better|worse|best|worst|faster|slower|cheaper|dearer|higher|lower|highest|lowest|larger|"
    r"smaller|largest|smallest|fewer|ahead of|twice|half|tenfold|most of|nearly all|always|never|"
    r"no matter|however (?:many|much|often)|at least|at most|less than|more than|longer than|"
    r"beats?|wins?|loses?|steeper|flatter|closer|farther|further than)\b",
    re.I,
)
# No claims: addresses, chapters, years, "5-way", "never seen", a box's times (see `times`).
NAMES = re.compile(
    r"\]\([^)]*\)|<[^>]*>|https?://\S+|`[^`]*`|"
    r"\b(?:chapters?|exercises?|sections?|figures?|tables?|equations?|parts?|python|torch|"
    r"questions?|rows?|lines?|cells?|seeds?|version|§)"
    r"\s*\d[\d.]*(?:(?:,| and| or| to|–|-)\s*\d[\d.]*)*|CC BY 4\.0|"
    r"\*\*Time\*\*.*|\b\d:\d\d\b|\b(?:19|20)\d\d\b|\d+-(?:way|shot)|^#+.*$|^\s*\d+\.\s|\*\*\d+\.|"
    r"\bnever (?:been )?(?:seen?|met|heard|looked|shown|trained|called|built)\b",
    re.I | re.M,
)
GROUPED = r"\d{1,3}(?:(?:[ \u00a0\u202f]|\\,|\{,\}|,)\d{3})+(?!\d)"  # 50 000, in text and formula
NUMBER = re.compile(rf"(?<![\w.])(?:{GROUPED}|\d+(?:\.\d+)?)")
LITERAL = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?")
PERCENT = re.compile(r"(?:\s|\\,|\u202f|\u00a0)*\\?%")
TIMES = re.compile(r"\s*(?:×|times\b|\\times)")
NO_PROSE = re.compile(
    r"(?s:^ *(```|~~~).*?^ *\1|\$\$.*?\$\$|<style.*?</style>|<!--.*?-->|"
    r"<(?:picture|source|img)\b[^>]*>)|^:::+.*$",
    re.MULTILINE,
)
A_COUNT = 12  # whole numbers up to here count things in sight


def passages(markdown: str) -> list[str]:
    """Return the paragraphs, lists and tables of a text, without its code and formulas."""
    return re.split(r"\n\s*\n", NO_PROSE.sub("", markdown))


def sentences(passage: str) -> Iterator[str]:
    r"""Yield the sentences of a passage, and the rows of its table.

    Example:
        >>> list(sentences("It falls. By 2.5!\n| a | b |\n|---|---|\n| 1 | 2 |"))
        ['It falls.', 'By 2.5!', '| a | b |', '| 1 | 2 |']
    """
    for block in re.split(r"\n(?=[-*] |\d+\. |\||#)", passage):
        if re.search(r"\w", block):
            ends = r"(?<=[.?!:;])\s+(?=[A-Z*(\[$“\"])"
            parts = [block] if block.lstrip().startswith("|") else re.split(ends, block)
            yield from (" ".join(part.split()) for part in parts)


def numbers(sentence: str) -> list[str]:
    """Return the numbers of a sentence that are more than a name or a count of things in sight.

    Example:
        >>> numbers("In chapter 4, two of 3 starts reach 2.55, or 60 %, of 50 000 waves.")
        ['2.55', '60 %', '50 000']
    """
    plain = NAMES.sub(" ", sentence)
    found = []
    for match in NUMBER.finditer(plain):
        rest = plain[match.end() :]
        percent, times = PERCENT.match(rest), TIMES.match(rest)
        size, decimals = read(match[0])
        if decimals or size > A_COUNT or percent or (times and size > 2):
            found.append(match[0] + (" %" if percent else ""))
    return found


def compares(sentence: str) -> bool:
    """Say whether a sentence holds one thing against another, or claims something of all cases.

    Example:
        >>> compares("MAML is the better of the two."), compares("Two networks are trained.")
        (True, False)
    """
    return bool(COMPARES.search(NAMES.sub(" ", sentence)))


def read(number: str) -> tuple[float, int]:
    """Return a number of the prose, and with how many decimals it is given.

    Example:
        >>> read("50 000"), read("2.50"), read("60 %")
        ((50000.0, 0), (2.5, 2), (60.0, 0))
    """
    plain = re.sub(r"[^\d.]", "", number)
    return float(plain), len(plain.partition(".")[2])


def literals(text: str) -> Iterator[float]:
    """Yield the numbers of code or of an output, without their signs.

    Example:
        >>> list(literals("x = -0.5e1; n = 50_000  # 1 040 waves"))
        [5.0, 50000.0, 1.0, 40.0, 1040.0]
    """
    for literal in LITERAL.findall(text):
        yield float(literal.replace("_", ""))
    for grouped in re.findall(GROUPED, text):
        yield read(grouped)[0]


def stands_in(number: str, candidates: Iterable[float]) -> bool:
    """Say whether a candidate rounds to a number of the prose: for per cent, also a share.

    Example:
        >>> stands_in("0.57", [0.5727]), stands_in("57 %", [0.5727]), stands_in("0.58", [0.5727])
        (True, True, False)
    """
    wanted, decimals = read(number)
    percent = "%" in number
    near = 0.5000001 * 10**-decimals if decimals or percent else 1e-9
    return any(
        abs(c - wanted) <= near or (percent and abs(100 * c - wanted) <= near) for c in candidates
    )
