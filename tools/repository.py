"""The repository's address: it stands in pyproject.toml, and this keeps every other place equal.

``python -m tools.repository check`` lists each place that differs;
``python -m tools.repository set https://github.com/me/my-copy`` sets all of them. With
``--ref v1.0`` the set-up cells install what has this tag, and the Colab buttons open it, while the
repository moves on: a copy for a term.
"""

import os
import re
import sys
import tomllib
from pathlib import Path

import click

from tools.addresses import BadAddressError, forms, parse, readdress
from tools.notebooks.files import code_cells, find_notebooks, read, write
from tools.setup_cell import setup_cell

ROOT = Path(__file__).resolve().parent.parent
# Files that must name the repository, and folders whose pages may.
MUST_NAME = ("README.md", "CITATION.cff", "_config.yml")
MAY_NAME = ("CONTRIBUTING.md", "index.md")
HOME = "pyproject.toml"
# A tag, a branch or a commit, as git and a web address both take it.
REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
BRANCH = re.compile(r"^(  branch: ).*$", re.MULTILINE)  # in _config.yml
NEWEST = "main"


def address(root: Path = ROOT) -> str:
    """Return the repository's address, from its one home."""
    project = tomllib.loads((root / HOME).read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def pinned(root: Path = ROOT) -> str:
    """Return the tag or commit that set-up cells install; "" where it is the newest."""
    project = tomllib.loads((root / HOME).read_text(encoding="utf-8"))
    return project["tool"]["maml_tutorial"]["ref"]


def places(root: Path) -> list[Path]:
    """All files that name the repository, or may; its home comes last.

    So where `set_address` is cut off, the home still holds the old address, and a second run mends
    the rest.
    """
    named = [root / name for name in (*MUST_NAME, *MAY_NAME)]
    pages = [*sorted((root / "book").rglob("*.md")), *find_notebooks([root / "book"])]
    return [*(path for path in named if path.is_file()), *pages, root / HOME]


def own_addresses(root: Path) -> set[tuple[str, str]]:
    """Owner and name wherever the book speaks of itself by a key: these must all be one.

    Other repositories are named in the text too (papers' code), so an address in prose counts as
    the book's own only where it stands here as well.
    """
    own = {parse(address(root))}
    for path in places(root):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = next((cell.source for cell in code_cells(read(path))), "")
            addresses = re.findall(r'"(https://github\.com/[\w.-]+/[\w.-]+)[@"]', text)
            own |= {parse(url) for url in addresses}
        elif path.name in MUST_NAME:
            keys = r"^\s*(?:url|repository-code): *[\"']?(https://github\.com/[\w.-]+/[\w.-]+)"
            own |= {parse(url) for url in re.findall(keys, text, re.MULTILINE)}
    return own


def differences(root: Path = ROOT) -> list[str]:
    """Say of each place that differs from pyproject.toml what is wrong with it."""
    url, ref, own = address(root), pinned(root), own_addresses(root)
    found = []
    for path in places(root):
        where, text = path.relative_to(root), path.read_text(encoding="utf-8")
        for line, fresh in zip(
            text.splitlines(), readdress(text, own, parse(url)).splitlines(), strict=True
        ):
            if line != fresh:
                found.append(f"{where}: {line.strip()!r} does not name {url}")
        if path.name in MUST_NAME and url not in text:
            found.append(f"{where}: does not name {url}")
        if path.suffix == ".ipynb":
            cells = code_cells(read(path))
            if not cells or cells[0].source != setup_cell(url, ref):
                found.append(f"{where}: its first code cell is not the set-up cell for {url}")
        if path.name == "_config.yml" and f"\n  branch: {ref or NEWEST}\n" not in text:
            found.append(f"{where}: its branch is not {ref or NEWEST!r}, which Colab would open")
    return found


def set_address(url: str, root: Path = ROOT, ref: str = "") -> list[Path]:
    """Write `url`, and what to install of it, to every place; return the files that changed.

    Raises:
        BadAddressError: `url` is no GitHub repository's, or `ref` no name; nothing was written.
    """
    to, own = parse(url), own_addresses(root)
    if ref and not REF.fullmatch(ref):
        raise BadAddressError(f"{ref!r} is no tag, branch or commit; give one like REF=v1.0")
    changed = []
    for path in places(root):
        text = path.read_text(encoding="utf-8")
        fresh = readdress(text, own, to)
        if path.name == "_config.yml":
            fresh = BRANCH.sub(rf"\g<1>{ref or NEWEST}", fresh)
        elif path.name == HOME:
            fresh = re.sub(r'^ref = "[^"]*"', f'ref = "{ref}"', fresh, flags=re.MULTILINE)
        if fresh != text:
            _replace(path, fresh)
        cell = setup_cell(forms(*to)[0], ref)
        is_other_cell = path.suffix == ".ipynb" and _write_setup_cell(path, cell)
        if is_other_cell or fresh != text:
            changed.append(path)
    return changed


def _replace(path: Path, text: str) -> None:
    """Write `path` in one move, so that a crash leaves the old file and never half a new one."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _write_setup_cell(path: Path, source: str) -> bool:
    """Bring the first code cell of a notebook to the template; True where it changed."""
    notebook = read(path)
    cells = code_cells(notebook)
    if not cells or cells[0].source == source:
        return False
    cells[0].source = source
    return write(notebook, path)


@click.group()
def cli() -> None:
    """Keep the repository's address the same everywhere."""


@cli.command()
def check() -> None:
    """List each place that differs from pyproject.toml."""
    try:
        found = differences()
    except BadAddressError as error:
        sys.exit(str(error))
    if found:
        sys.exit(
            "\n".join([*found, f"{len(found)} places differ: make repository URL={address()}"])
        )
    click.echo(f"every place names {address()}")


@cli.command(name="set")
@click.argument("url")
@click.option("--ref", default="", help="A tag or commit to install and open; else the newest.")
def set_command(url: str, ref: str) -> None:
    """Set the address everywhere."""
    try:
        changed = set_address(url, ref=ref)
    except BadAddressError as error:
        sys.exit(str(error))
    for path in changed:
        click.echo(f"changed {path.relative_to(ROOT)}")
    click.echo(f"repository: {address()}" + (f" at {ref}" if ref else ""))


if __name__ == "__main__":
    cli(prog_name="python -m tools.repository")
