"""Build books strictly, and check the links of a built site."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
LOADED = ("script", "img", "iframe", "source", "audio", "video")  # tags whose src is fetched


class Built(NamedTuple):
    """A build's exit code, what it printed, and the folder of its pages."""

    code: int
    log: str
    html: Path


def build(source: Path, output: Path) -> Built:
    """Build a book from a clean folder with every warning an error, as `make book` does."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(source)]
    options = ["--path-output", str(output), "-W", "-n", "--keep-going"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    return Built(done.returncode, done.stdout + done.stderr, output / "_build" / "html")


@functools.cache
def built_book() -> Built:
    """Build this repository's book once; `BOOK_HTML` names a built site to use instead."""
    if site := os.environ.get("BOOK_HTML"):
        return Built(0, f"not built: BOOK_HTML is {site}", Path(site).resolve())
    folder = tempfile.TemporaryDirectory(prefix="book-")
    built_book.folder = folder  # kept until the tests end, then removed with it
    return build(ROOT, Path(folder.name))


def fixture_book(folder: Path, pages: list[Path]) -> Path:
    """Make a book of the given files with this repository's own configuration; return it."""
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copytree(ROOT / "book" / "assets", folder / "book" / "assets")
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    for page in pages:
        shutil.copy(page, folder)
    names = [page.stem for page in pages if page.suffix != ".svg"]
    (folder / "index.md").write_text("# A book of one's own\n")
    chapters = "".join(f"- file: {name}\n" for name in names)
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters:\n{chapters}")
    return folder


def site_findings(site: Path) -> list[str]:
    """Return what is wrong with a site's links: targets, anchors, ids, things from elsewhere."""
    pages = {
        path: BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for path in sorted(site.rglob("*.html"))
    }
    ids = {path: [tag["id"] for tag in soup.find_all(id=True)] for path, soup in pages.items()}
    findings = []
    for path, soup in pages.items():
        name = path.relative_to(site)
        twice = sorted({i for i in ids[path] if ids[path].count(i) > 1})
        findings += [f"{name}: the id {i} stands twice" for i in twice]
        for tag, address, loaded in addresses(soup):
            parts = urlsplit(address)
            if parts.scheme in ("data", "mailto"):
                continue
            if parts.scheme or parts.netloc:
                if loaded:
                    findings.append(f"{name}: <{tag}> loads {address} from elsewhere")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.exists():
                findings.append(f"{name}: <{tag}> leads to {address}, which is not there")
            elif anchor and target in pages and anchor not in ids[target]:
                findings.append(f"{name}: <{tag}> leads to {address}, which has no such anchor")
    return findings


def addresses(soup: BeautifulSoup) -> Iterator[tuple[str, str, bool]]:
    """Yield (tag, address, loaded with the page?) for each link of a page."""
    for tag in soup.find_all(["a", "use"], href=True):
        yield tag.name, tag["href"], False
    for tag in soup.find_all("link", href=True):
        yield "link", tag["href"], "canonical" not in tag.get("rel", [])  # that one only says
    for name in LOADED:
        for tag in soup.find_all(name, src=True):
            yield name, tag["src"], True


def head_findings(site: Path) -> list[str]:
    """Return what pages of a site lack for those who find them, share them or cite them."""
    findings, told = [], {}
    for path in sorted(site.rglob("*.html")):
        name, soup = (
            path.relative_to(site).as_posix(),
            BeautifulSoup(path.read_text("utf-8"), "html.parser"),
        )
        tags = {
            tag.get("name") or tag.get("property"): tag["content"]
            for tag in soup.head.find_all("meta", content=True)
        }
        description = tags.get("description", "")
        if not 40 <= len(description) <= 160:
            findings.append(f"{name}: a description of {len(description)} characters")
        elif description in told:
            findings.append(f"{name}: the same description as {told[description]}")
        told[description] = name
        picture = tags.get("og:image", "").rpartition("/")[2]
        if not (site / "_static" / picture).is_file():
            findings.append(f"{name}: no picture to share it by")
        if tags.get("og:description") != description or not tags.get("og:title"):
            findings.append(f"{name}: shared under other words")
        heading, entry = soup.find("h1"), soup.select_one(".cite-page pre")
        if name in ("search.html", "genindex.html"):
            continue
        title = heading.get_text().rstrip("#").strip()
        if entry is None or f"title = {{{{{title}}}}}" not in entry.get_text():
            findings.append(f"{name}: no entry to cite it by its title")
    return findings
