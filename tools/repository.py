"""The addresses of repository and site: they stand in pyproject.toml; this keeps others equal.

``python -m tools.repository check`` lists each place that differs;
``python -m tools.repository set https://github.com/me/my-copy`` sets all of them. A site that is
not where GitHub shows a repository's by itself is named too:
``set https://github.com/me/my-copy https://maml.example.org``. With ``--ref=v1.0`` at the end the
set-up cells install what has this tag, and the Colab buttons open it, while the repository moves
on: a copy for a term.

Python's own library is enough for it: who publishes a copy need not install torch first.
"""

import json
import os
import re
import sys
import tomllib
from pathlib import Path

from tools.addresses import BadAddressError, forms, pages, parse, parse_site, readdress
from tools.setup_cell import setup_cell

ROOT = Path(__file__).resolve().parent.parent
# Files that must name the repository, and folders whose pages may.
MUST_NAME = ("README.md", "CITATION.cff", "_config.yml")
MAY_NAME = ("CONTRIBUTING.md", "index.md")
MUST_NAME_SITE = ("README.md", "_config.yml")
HOME = "pyproject.toml"
# A tag, a branch or a commit, as git and a web address both take it.
REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
BRANCH = re.compile(r"^(  branch: ).*$", re.MULTILINE)  # in _config.yml
NEWEST = "main"


def _urls(root: Path) -> dict[str, str]:
    return tomllib.loads((root / HOME).read_text(encoding="utf-8"))["project"]["urls"]


def address(root: Path = ROOT) -> str:
    """Return the repository's address, from its one home."""
    return _urls(root)["Repository"]


def site(root: Path = ROOT) -> str:
    """Return the address of the site that shows the book, from its one home."""
    return _urls(root)["Documentation"]


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
    below = [*sorted((root / "book").rglob("*.md")), *sorted((root / "book").rglob("*.ipynb"))]
    book = [path for path in below if ".ipynb_checkpoints" not in path.parts]
    return [*(path for path in named if path.is_file()), *book, root / HOME]


def own_addresses(root: Path) -> set[tuple[str, str]]:
    """Owner and name wherever the book speaks of itself by a key: these must all be one.

    Other repositories are named in the text too (papers' code), so an address in prose counts as
    the book's own only where it stands here as well.
    """
    own = {parse(address(root))}
    for path in places(root):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            _, _, text = _first_code_cell(path)
            addresses = re.findall(r'"(https://github\.com/[\w.-]+/[\w.-]+)[@"]', text)
            own |= {parse(url) for url in addresses}
        elif path.name in MUST_NAME:
            keys = r"^\s*(?:url|repository-code): *[\"']?(https://github\.com/[\w.-]+/[\w.-]+)"
            own |= {parse(url) for url in re.findall(keys, text, re.MULTILINE)}
    return own


def own_sites(root: Path, own: set[tuple[str, str]]) -> set[str]:
    """The site's address wherever the book speaks of it by a key, and those GitHub would give."""
    config = (root / "_config.yml").read_text(encoding="utf-8")
    named = re.findall(r"^\s*baseurl: *[\"']?(https://[^\s\"']+)", config, re.MULTILINE)
    return {site(root), *named, *(pages(*repository) for repository in own)}


def differences(root: Path = ROOT) -> list[str]:
    """Say of each place that differs from pyproject.toml what is wrong with it."""
    url, ref, own = address(root), pinned(root), own_addresses(root)
    sites, to_site = own_sites(root, own), parse_site(site(root))
    found = []
    for path in places(root):
        where, text = path.relative_to(root), path.read_text(encoding="utf-8")
        right = readdress(text, own, parse(url), sites, to_site)
        for line, fresh in zip(text.splitlines(), right.splitlines(), strict=True):
            if line != fresh:
                found.append(f"{where}: {line.strip()!r} does not name {url}")
        if path.name in MUST_NAME and url not in text:
            found.append(f"{where}: does not name {url}")
        if path.name in MUST_NAME_SITE and to_site not in text:
            found.append(f"{where}: does not name {to_site}")
        if path.suffix == ".ipynb" and _first_code_cell(path)[2] != setup_cell(url, ref):
            found.append(f"{where}: its first code cell is not the set-up cell for {url}")
        if path.name == "_config.yml" and f"\n  branch: {ref or NEWEST}\n" not in text:
            found.append(f"{where}: its branch is not {ref or NEWEST!r}, which Colab would open")
    return found


def set_address(url: str, root: Path = ROOT, site_url: str = "", ref: str = "") -> list[Path]:
    """Write `url`, and the address of its site, to every place; return the files that changed.

    Args:
        url: the repository's address.
        root: the repository's folder.
        site_url: the site's address; without one, where GitHub shows that repository's.
        ref: a tag, branch or commit that set-up cells install; without one, the newest.

    Raises:
        BadAddressError: `url` is no GitHub repository's, or `ref` no name; nothing was written.
    """
    to, own = parse(url), own_addresses(root)
    if ref and not REF.fullmatch(ref):
        raise BadAddressError(f"{ref!r} is no tag, branch or commit; give one like REF=v1.0")
    sites, to_site = own_sites(root, own), parse_site(site_url or pages(*to))
    changed = []
    for path in places(root):
        text = path.read_text(encoding="utf-8")
        fresh = readdress(text, own, to, sites, to_site)
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


def _first_code_cell(path: Path) -> tuple[dict, dict, str]:
    """A notebook, the first of its cells with something to run, and that cell's source."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and (source := "".join(cell["source"])).strip():
            return notebook, cell, source
    return notebook, {}, ""


def _write_setup_cell(path: Path, fresh: str) -> bool:
    """Bring the first code cell of a notebook to the template; True where it changed."""
    notebook, cell, source = _first_code_cell(path)
    if not cell or source == fresh:
        return False
    cell["source"] = fresh.splitlines(keepends=True)
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
    _replace(path, text + "\n")
    return True


def check() -> None:
    """List each place that differs from pyproject.toml."""
    if found := differences():
        sys.exit(
            "\n".join([*found, f"{len(found)} places differ: make repository URL={address()}"])
        )
    print(f"every place names {address()} and {site()}")


def main(arguments: list[str]) -> None:
    """Do what the command line asks for."""
    try:
        match arguments:
            case ["check"]:
                check()
            case ["set", url, *rest] if len(rest) < 3:
                refs = [word.removeprefix("--ref=") for word in rest if word.startswith("--ref=")]
                sites = [word for word in rest if not word.startswith("--ref=")]
                changed = set_address(url, site_url="".join(sites), ref="".join(refs))
                for path in changed:
                    print(f"changed {path.relative_to(ROOT)}")
                at = f" at {pinned()}" if pinned() else ""
                print(f"repository: {address()}{at}\nits site:   {site()}")
            case _:
                sys.exit(f"{__doc__}\nneither of these: {' '.join(arguments)}")
    except BadAddressError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
