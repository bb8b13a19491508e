"""The order of the modules: it stands in pyproject.toml, and CONTRIBUTING.md is kept equal to it.

``python -m tools.order check`` says whether the sentence there is the right one;
``python -m tools.order write`` writes it.
"""

import re
import sys
import textwrap
import tomllib
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
PAGE = "CONTRIBUTING.md"
BEGINS = "A module imports only from its own group and those to its left:"
SENTENCE = re.compile(r"^   " + r"\s+".join(BEGINS.split()) + r"\s+`[^`]*`\.$", re.MULTILINE)


class NoSentenceError(ValueError):
    """The page does not hold the sentence."""


def rows(root: Path = ROOT) -> list[list[str]]:
    """Modules of the package in rows: each imports only from the rows before, or from its own.

    Example:
        >>> rows()[0][0], rows()[-1]
        ('tasks', ['__main__', '__init__'])
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return project["tool"]["maml_tutorial"]["order"]


def sentence(order: list[list[str]]) -> str:
    """Return the lines that say the order; modules whose name begins with `_` are left out.

    Example:
        >>> sentence([["tasks", "_cache"], ["maml", "gradients"], ["__init__"]]).split(": ")[1]
        '`tasks → maml · gradients`.'
    """
    public = ([name for name in row if not name.startswith("_")] for row in order)
    flow = " → ".join(" · ".join(row) for row in public if row)
    return textwrap.fill(
        f"{BEGINS} `{flow}`.",
        width=100,
        initial_indent="   ",
        subsequent_indent="   ",
        break_on_hyphens=False,
    )


def fresh(root: Path = ROOT) -> str:
    """Return the page with the sentence as it has to be.

    Raises:
        NoSentenceError: the page does not hold it once, as lines of its own.
    """
    text = (root / PAGE).read_text(encoding="utf-8")
    text, found = SENTENCE.subn(lambda _: sentence(rows(root)), text)
    if found != 1:
        raise NoSentenceError(
            f"{PAGE} must hold once, as lines of its own, '   {BEGINS} `…`.'; it does {found} times"
        )
    return text


@click.group()
def cli() -> None:
    """Keep the order of modules in CONTRIBUTING.md that of pyproject.toml."""


@cli.command()
def check() -> None:
    """Say whether the page holds the order of pyproject.toml."""
    try:
        is_fresh = fresh() == (ROOT / PAGE).read_text(encoding="utf-8")
    except NoSentenceError as error:
        sys.exit(str(error))
    if not is_fresh:
        sys.exit(f"{PAGE} gives the modules another order: python -m tools.order write")
    click.echo(f"{PAGE} gives the order of pyproject.toml")


@cli.command()
def write() -> None:
    """Write the order of pyproject.toml into the page."""
    try:
        (ROOT / PAGE).write_text(fresh(), encoding="utf-8")
    except NoSentenceError as error:
        sys.exit(str(error))
    click.echo(f"order: written to {PAGE}")


if __name__ == "__main__":
    cli(prog_name="python -m tools.order")
