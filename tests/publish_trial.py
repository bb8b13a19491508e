"""Publish a copy to this computer, step by step as the README says: `make publish-trial`.

A git server here stands for GitHub (git's own `insteadOf` turns its address, so that every command
and every address is the real one), a static server for its pages. What GitHub's workflow does is
done from a fresh clone of what was pushed, in the environment that runs this trial. Colab, Binder
and GitHub's settings are not here: of a button it is tried that the file it opens was pushed.

Not part of `make test`: each address takes one build of the book, a minute or more.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import pytest
import yaml
from book_site import build, head_findings, site_findings
from bs4 import BeautifulSoup

from tools.addresses import PLACEHOLDER

ROOT = Path(__file__).resolve().parent.parent
# owner/name, SITE= or nothing, and where the book must then stand
COPIES = {
    "another name": ("Our-Course/other-name", "", "https://our-course.github.io/other-name/"),
    "root site": ("our-course/our-course.github.io", "", "https://our-course.github.io/"),
    "own domain": ("me/copy.2027", "https://maml.example.org", "https://maml.example.org/"),
}
QUICK = os.environ.get("TRIAL_COPIES", ",".join(COPIES)).split(",")
SEEN_IN_BROWSER = ("index.html", "book/01_learning_to_learn.html", "book/appendix/api.html")


class Copy(NamedTuple):
    """A copy after the README's steps."""

    repository: str
    site: str
    bare: Path  # what the git server has
    clone: Path  # what its owner has
    html: Path  # what the web server shows
    served: str  # where it shows it
    environment: dict[str, str]


def timed(step: str, *command: str | Path, **options: object) -> str:
    """Run a step, print its seconds, and return what it prints."""
    start = time.monotonic()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    print(f"  {time.monotonic() - start:6.1f} s  {step}", flush=True)
    assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def steps_of_the_readme() -> str:
    """The commands of "Publish your own copy", as they stand there."""
    text = (ROOT / "README.md").read_text("utf-8")
    section = text[text.index("\n## Publish your own copy") :].partition("\n## Licence")[0]
    (commands,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return commands


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A git server; the environment in which git takes it for GitHub."""
    folder, port = tmp_path_factory.mktemp("github"), free_port()
    settings = folder / "gitconfig"
    settings.write_text(
        f'[url "git://127.0.0.1:{port}/"]\n  insteadOf = https://github.com/\n'
        "[user]\n  name = trial\n  email = trial@localhost\n"
        "[push]\n  default = simple\n[init]\n  defaultBranch = main\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "MAKE", "MFL"))}
    environment |= {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_SYSTEM": os.devnull}
    environment.pop("INNER_GOAL", None)
    daemon = subprocess.Popen(
        ["git", "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack"]
        + ["--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}", str(folder)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(100):
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield folder, environment
    os.killpg(daemon.pid, 15)
    daemon.wait()


@pytest.fixture(scope="module")
def original(github: tuple, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a repository of one commit."""
    folder = tmp_path_factory.mktemp("original")
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "The working tree"]):
        subprocess.run(["git", *command], cwd=folder, env=github[1], check=True)
    return folder


@pytest.fixture(scope="module", params=[name for name in COPIES if name in QUICK])
def copy(
    request: pytest.FixtureRequest,
    github: tuple[Path, dict[str, str]],
    original: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Copy]:
    """The README's steps, one after the other."""
    from page_checks import served

    repository, site_given, site = COPIES[request.param]
    folder, environment = github
    work = tmp_path_factory.mktemp("work")
    print(f"\n{repository} {site_given}")
    bare = folder / f"{repository}.git"
    timed("fork", "git", "clone", "-q", "--bare", original, bare)
    python = Path(sys.executable)
    environment = environment | {"PATH": f"{python.parent}{os.pathsep}{environment['PATH']}"}
    clone = work / "maml"
    for line in steps_of_the_readme().splitlines():
        line = line.replace("me/my-copy", repository)
        if line.startswith("make repository") and site_given:
            line += f" SITE={site_given}"
        where = clone if clone.exists() else work
        timed(line, "bash", "-c", line, cwd=where, env=environment)
    fresh = work / "runner"
    timed("GitHub: checkout", "git", "clone", "-q", bare, fresh, env=environment)
    start = time.monotonic()
    os.environ["PYTHONPATH"], before = str(fresh), os.environ.get("PYTHONPATH")
    try:
        built = build(fresh, work / "built")
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    print(f"  {time.monotonic() - start:6.1f} s  GitHub: build", flush=True)
    assert built.code == 0, built.log[-4000:]
    www = work / "www"
    below = www / urlsplit(site).path.strip("/")
    below.parent.mkdir(parents=True, exist_ok=True)
    below.rmdir() if below.is_dir() else None
    below.symlink_to(built.html, target_is_directory=True)
    with served(www) as host:
        path = urlsplit(site).path
        yield Copy(repository, site, bare, clone, built.html, host + path, environment)


def pushed(copy: Copy, path: str) -> bool:
    """Whether `main:path` is in the repository."""
    command = ["git", "cat-file", "-e", f"main:{path}"]
    return subprocess.run(command, cwd=copy.bare, capture_output=True).returncode == 0


def soups(copy: Copy) -> Iterator[tuple[str, BeautifulSoup]]:
    for path in sorted(copy.html.rglob("*.html")):
        page = path.relative_to(copy.html).as_posix()
        yield page, BeautifulSoup(path.read_text("utf-8"), "html.parser")


def test_nothing_that_was_pushed_or_published_names_the_placeholder(copy: Copy) -> None:
    listed = ["git", "grep", "-lIi", PLACEHOLDER, "main", "--", ".", ":!tools", ":!tests"]
    assert subprocess.run(listed, cwd=copy.bare, capture_output=True, text=True).stdout == ""
    for path in copy.html.rglob("*"):
        if path.is_file():
            assert PLACEHOLDER.lower().encode() not in path.read_bytes().lower(), path


def test_every_link_leads_somewhere(copy: Copy) -> None:
    assert site_findings(copy.html) == []
    assert head_findings(copy.html) == []


def test_every_page_has_its_buttons_and_they_open_what_was_pushed(copy: Copy) -> None:
    owner, name = copy.repository.split("/")
    colab = f"https://colab.research.google.com/github/{copy.repository}/blob/main/"
    binder = f"https://mybinder.org/v2/gh/{copy.repository}/main?urlpath=lab/tree/"
    files = f"https://github.com/{copy.repository}/blob/main/"
    opened: dict[str, set[str]] = {colab: set(), binder: set(), files: set()}
    for page, soup in soups(copy):
        text = soup.decode()
        for start in opened:
            opened[start] |= {
                unquote(p) for p in re.findall(re.escape(start) + r"([^\"<\s},]+)", text)
            }
        is_notebook = pushed(copy, page.replace(".html", ".ipynb"))
        for start in (colab, binder):
            has = any(a["href"].startswith(start) for a in soup.find_all("a", href=True))
            assert has == is_notebook, (page, start)
    for start, paths in opened.items():
        assert len(paths) > 20, start
        assert [path for path in paths if not pushed(copy, path.partition("#")[0])] == []
    assert len(opened[colab]) == len(opened[binder])


def test_a_page_that_is_shared_shows_its_picture_and_its_own_address(copy: Copy) -> None:
    for page, soup in soups(copy):
        tags = {tag.get("property"): tag.get("content") for tag in soup.head.find_all("meta")}
        assert tags["og:url"] == copy.site + page
        canonical = [link["href"] for link in soup.find_all("link", rel="canonical")]
        assert canonical in ([], [copy.site + page]), page
        assert tags["og:image"].startswith(copy.site), page
        here = tags["og:image"].replace(copy.site, copy.served, 1)
    with urlopen(here) as reply:
        assert reply.headers["Content-Type"] == "image/png" and len(reply.read()) > 1000


def test_the_pages_load_all_they_need_from_where_they_stand(copy: Copy, chromium: str) -> None:
    from page_checks import launched, loaded_page

    findings: list[str] = []
    with launched(chromium) as browser:
        for page in SEEN_IN_BROWSER:
            loaded_page(browser, copy.served + page, findings).close()
    assert findings == []


def test_the_set_up_cell_fetches_the_package_from_this_copy(copy: Copy, tmp_path: Path) -> None:
    """As Colab runs it, with the address that stands in it, from the git server."""
    import json

    notebook = json.loads((copy.clone / "book/01_learning_to_learn.ipynb").read_text("utf-8"))
    cell = next("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")
    (address,) = re.findall(r'REPOSITORY = "(.*?)"', cell)
    (install,) = re.findall(r"%pip (install .*)", cell)
    install = install.replace("{source}", address).replace('"', "")
    assert f"git+https://github.com/{copy.repository}" in install
    install = install.replace("click safetensors tqdm ", "") + f" --target {tmp_path}"
    command = [sys.executable, "-m", "pip", *install.split()]
    timed("Colab: the set-up cell", *command, env=copy.environment)
    assert (tmp_path / "maml_tutorial/data").is_dir()


def test_the_check_of_what_is_left_finds_all_done_here(copy: Copy) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.publish"],
        cwd=copy.clone,
        env=copy.environment | {"https_proxy": "http://127.0.0.1:9"},  # nobody is asked
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every file names https://github.com/" + copy.repository in done.stdout
    assert "everything is committed and pushed" in done.stdout
    assert "look  Pages: the source is GitHub Actions" in done.stdout
    config = yaml.safe_load((copy.clone / "_config.yml").read_text("utf-8"))
    assert config["html"]["baseurl"] == copy.site
