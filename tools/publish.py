"""What is still to do before a copy of the book is published: `make publish-check`.

It looks through the files and git, then asks GitHub, and the site, what anybody may ask without an
account. What it could not find out, it lists to be looked at by hand. Python's own library is
enough for it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tools.addresses import PLACEHOLDER, BadAddressError, parse, parse_site
from tools.repository import ROOT, address, differences, site

API = "https://api.github.com/repos"
PICTURE = "_static/preview.png"
BRANCH, WORKFLOW = "main", ".github/workflows/book.yml"  # what publishes, and from where
# The tools and their tests speak of the placeholder itself.
MAY_HOLD = ("tools/", "tests/")


class Point(NamedTuple):
    """One thing that must be so.

    Attributes:
        holds: whether it is; None where that could not be found out.
        words: what is so, or what to do.
    """

    holds: bool | None
    words: str


class Answer(NamedTuple):
    """What came back from an address; status 0 where there was no way to it."""

    status: int
    body: bytes = b""


Ask = Callable[[str], Answer]


def ask(url: str) -> Answer:
    """Fetch an address, without an account."""
    try:
        with urlopen(Request(url, headers={"User-Agent": "maml-tutorial"}), timeout=10) as reply:
            return Answer(reply.status, reply.read())
    except HTTPError as error:
        return Answer(error.code)
    except OSError:
        return Answer(0)


def git(root: Path, *arguments: str) -> str:
    """What git prints; nothing where it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    return done.stdout.rstrip("\n") if done.returncode == 0 else ""


def origin(root: Path) -> tuple[str, str] | None:
    """Owner and name of the repository on GitHub that git pushes to; None where there is none."""
    # As it was given, and as git's settings (`insteadOf`) may turn it.
    asked = (["config", "remote.origin.url"], ["remote", "get-url", "origin"])
    for arguments in asked:
        with suppress(BadAddressError):
            return parse(git(root, *arguments))
    return None


def suggestion(root: Path) -> str:
    """The command that sets the address, with that of `origin` where it is on GitHub."""
    owner, name = origin(root) or ("me", "my-copy")
    return f"make repository URL=https://github.com/{owner}/{name}"


def unset(root: Path) -> list[str]:
    """Files that hold the placeholder, though only the tools and their tests may."""
    found = git(root, "grep", "-lIi", "--untracked", PLACEHOLDER).splitlines()
    return [name for name in found if not name.startswith(MAY_HOLD)]


def in_the_files(root: Path) -> Iterator[Point]:
    """Whether every file names this copy."""
    left = unset(root)
    if PLACEHOLDER in address(root):
        yield Point(False, f"{len(left)} files name {PLACEHOLDER}: {suggestion(root)}")
        return
    for name in left:
        yield Point(False, f"{name} names {PLACEHOLDER}: put {address(root)} there")
    for words in differences(root):
        yield Point(False, words)
    if not left and not differences(root):
        yield Point(True, f"every file names {address(root)}, its site {site(root)}")


def in_git(root: Path) -> Iterator[Point]:
    """Whether what is here is what GitHub has, as far as git knows."""
    pushes_to = origin(root)
    if pushes_to and "/".join(pushes_to).lower() == "/".join(parse(address(root))).lower():
        yield Point(True, "this is a clone of it")
    else:
        to = git(root, "remote", "get-url", "origin")
        there = f"git pushes to {to}" if to else "git has nowhere to push to (no origin)"
        yield Point(False, f"{there}: git clone your fork, or {suggestion(root)}")
    branch = git(root, "branch", "--show-current")
    yield Point(
        branch == BRANCH,
        f"the branch is {BRANCH}"
        if branch == BRANCH
        else f"the branch is {branch or 'none'}, and {BRANCH} is published: git switch {BRANCH}",
    )
    changed = git(root, "status", "--porcelain").splitlines()
    ahead = git(root, "rev-list", "--count", f"origin/{BRANCH}..HEAD") or "all"
    if changed:
        yield Point(False, f"{len(changed)} files differ from the last commit: commit, then push")
    elif ahead != "0":
        yield Point(False, f"{ahead} commits are not on GitHub: git push")
    else:
        yield Point(True, "everything is committed and pushed")


def on_github(root: Path, ask: Ask) -> Iterator[Point]:
    """Whether GitHub is set to publish: what only its owner can set, in a browser."""
    url = address(root)
    owner, name = parse(url)
    answer = ask(f"{API}/{owner}/{name}")
    told = json.loads(answer.body) if answer.status == 200 else {}
    if answer.status == 404:
        yield Point(False, f"GitHub has no public {url}: fork it, or make it public")
    workflows = ask(f"{API}/{owner}/{name}/actions/workflows") if told else Answer(0)
    states = None
    if workflows.status == 200:
        rows = json.loads(workflows.body)["workflows"]
        states = {row["path"]: row["state"] for row in rows}
    active = None if states is None else states.get(WORKFLOW) == "active"
    yield Point(active, f"Actions: workflows are enabled ({url}/actions)")
    yield Point(
        told.get("has_pages"), f"Pages: the source is GitHub Actions ({url}/settings/pages)"
    )
    yield Point(
        told.get("has_issues"),
        f"Features: Issues are on, where the book's issue button leads ({url}/settings)",
    )


def on_the_site(root: Path, ask: Ask) -> Iterator[Point]:
    """Whether the book answers at its address."""
    where = parse_site(site(root))
    home, picture = ask(where), ask(where + PICTURE)
    shows = None if home.status == 0 else where.encode() in home.body
    yield Point(shows, f"{where} shows this book")
    here = None if picture.status == 0 else picture.body[1:4] == b"PNG"
    yield Point(here, f"the picture for previews is at {where}{PICTURE}")


def points(root: Path = ROOT, ask: Ask = ask) -> dict[str, list[Point]]:
    """Return all there is to see to, by where it is."""
    found = {"In the files": [*in_the_files(root)]}
    if PLACEHOLDER not in address(root):
        found["In git"] = [*in_git(root)]
        found["On GitHub"] = [*on_github(root, ask)]
        found["On the site"] = [*on_the_site(root, ask)]
    return found


def main(ask: Ask = ask) -> None:
    """Print the list; exit with what is left where something is."""
    try:
        found = points(ask=ask)
    except BadAddressError as error:
        sys.exit(str(error))
    marks = {True: "ok    ", False: "to do ", None: "look  "}
    for place, listed in found.items():
        print(place)
        for point in listed:
            print(f"  {marks[point.holds]}{point.words}")
    every = [point for listed in found.values() for point in listed]
    to_do = sum(point.holds is False for point in every)
    unknown = sum(point.holds is None for point in every)
    if to_do:
        sys.exit(f"{to_do} to do, {unknown} to look at by hand (no answer): see the list above")
    print(f"publish-check: nothing left to do, {unknown} to look at by hand")


if __name__ == "__main__":
    print(suggestion(ROOT)) if sys.argv[1:] == ["suggestion"] else main()
