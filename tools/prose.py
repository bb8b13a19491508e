"""`python -m tools.prose` reads the book's prose with proselint; `make lint` calls it.

Only prose is read: code, formulas, addresses and HTML tags are taken out of the Markdown first. A
paragraph is read at a time, so that the end of one and the start of the next are no repetition.
"""

import re
import sys
from itertools import count
from pathlib import Path

from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

from tools.notebooks import find_notebooks, read

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("index.md", "README.md", "CONTRIBUTING.md", "book/appendix/*.md")
# Matters of taste: quotes and dots stay straight, a "very" stands, and so does a "But" in front.
TASTE = {
    "typography.symbols.curly_quotes",
    "typography.symbols.ellipsis",
    "weasel_words.very",
    "misc.but",
}
NO_PROSE = re.compile(
    r"^(```|~~~).*?^\1`*$|\$\$.*?\$\$|`[^`]+`|\$[^$\n]+\$|(?<=\])\([^)\s]+\)|<[^>]+>|https?://\S+"
    r"|\d+(?:[ \u00a0\u202f]\d{3})+",
    re.DOTALL | re.MULTILINE,
)
CheckRegistry().register_many(__register__)


def paragraphs(markdown: str) -> list[str]:
    r"""Return the prose of a text, a paragraph or a table's cell at a time.

    Example:
        >>> paragraphs("# Steps\n\nOne `step`\nof $x$.\n\n| a | b |\n|--:|:-|\n| 1 | two |")
        ['# Steps', 'One «1»\nof «2».', 'a', 'b', '1', 'two']
    """
    number = count(1)
    prose = NO_PROSE.sub(lambda m: "" if m[0][0] == "<" else f"«{next(number)}»", markdown)
    found = []
    for block in re.split(r"\n\s*\n|\n(?=[-*] |\d+\. |\|)", prose):
        cells = block.split("|") if block.startswith("|") else [block]
        found += [cell.strip() for cell in cells if re.search(r"\w", cell)]
    return found


def findings(markdown: str) -> list[str]:
    """Return what proselint says about a text's prose, each with the words it is about.

    Example:
        >>> findings("The the loop runs.")
        ["There's a lexical illusion in 'The the' - a phrase is repeated. (The the loop runs.)"]
    """
    found = (
        f"{result.check_result.message} ({' '.join(paragraph.split())[:80]})"
        for paragraph in paragraphs(markdown)
        for result in LintFile("prose", paragraph).lint(DEFAULT)
        if result.check_result.check_path not in TASTE
    )
    return list(dict.fromkeys(found))  # each once, even where its check was registered twice


def main(root: Path = ROOT) -> int:
    """Print every finding with its page; return how many there are."""
    texts = {path: path.read_text("utf-8") for page in PAGES for path in sorted(root.glob(page))}
    for path in find_notebooks([root / "book"]):
        cells = (cell.source for cell in read(path).cells if cell.cell_type == "markdown")
        texts[path] = "\n\n".join(cells)
    found = [f"{p.relative_to(root)}: {f}" for p, text in texts.items() for f in findings(text)]
    print("\n".join(found) or f"prose: {len(texts)} pages are clean")
    return len(found)


if __name__ == "__main__":
    sys.exit(bool(main()))
