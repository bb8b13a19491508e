"""`make publish-check` names what is left to do, in the files, in git, on GitHub, on the site."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from tools.addresses import PLACEHOLDER
from tools.publish import API, Answer, main, on_github, on_the_site, points, suggestion, unset
from tools.repository import ROOT, address, places, set_address
from tools.setup_cell import setup_cell

MINE = "https://github.com/me/my-copy"
ACTIVE = {"workflows": [{"path": ".github/workflows/book.yml", "state": "active"}]}
READY = {"has_pages": True, "has_issues": True}


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """A clone with a file of each kind that names the address; origin has all of it."""
    (tmp_path / "book").mkdir()
    for path in places(root):
        if path.parent == root:
            shutil.copy(path, tmp_path)
    notebook = new_notebook(cells=[new_code_cell(setup_cell(address(root)))])
    nbformat.write(notebook, tmp_path / "book/01.ipynb")
    set_address(MINE, tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "All")
    git(tmp_path, "remote", "add", "origin", "git@github.com:Me/my-copy.git")
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    return tmp_path


def answering(repository: object = READY, workflows: object = ACTIVE, page: str = "", site=True):
    """A web on which GitHub and the site say this; None is an address that nobody has."""

    def ask(url: str) -> Answer:
        if url.startswith(API):
            told = workflows if url.endswith("/workflows") else repository
            return Answer(404) if told is None else Answer(200, json.dumps(told).encode())
        if not site:
            return Answer(404)
        return Answer(200, b"\x89PNG" if url.endswith(".png") else b"https://me.github.io/my-copy/")

    return ask


def nobody(url: str) -> Answer:
    return Answer(0)


def left(root: Path, ask=nobody) -> list[str]:
    return [p.words for listed in points(root, ask).values() for p in listed if p.holds is False]


def test_of_a_copy_that_is_published_nothing_is_left(clone: Path) -> None:
    found = points(clone, answering())
    assert {p.holds for listed in found.values() for p in listed} == {True}, found
    assert [*found] == ["In the files", "In git", "On GitHub", "On the site"]


def test_without_a_network_what_cannot_be_known_is_to_be_looked_at(clone: Path) -> None:
    found = points(clone, nobody)
    assert left(clone) == []
    for place in ("On GitHub", "On the site"):
        assert {point.holds for point in found[place]} == {None}


def test_an_address_that_was_never_set_is_the_first_thing_and_the_only_one(clone: Path) -> None:
    set_address(f"https://github.com/{PLACEHOLDER}/maml-step-by-step", clone)
    (words,) = left(clone)
    n_files = len([path for path in places(clone) if PLACEHOLDER in path.read_text("utf-8")])
    assert words == (
        f"{n_files} files name {PLACEHOLDER}: make repository URL=https://github.com/Me/my-copy"
    )


def test_the_command_to_set_it_names_where_git_pushes_to(clone: Path) -> None:
    assert suggestion(clone).endswith("URL=https://github.com/Me/my-copy")
    git(clone, "remote", "set-url", "origin", "https://gitlab.com/me/my-copy")
    assert suggestion(clone).endswith("URL=https://github.com/me/my-copy")


def test_git_may_turn_the_address_into_another(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", MINE)
    git(clone, "config", "url.https://mirror.example.org/.insteadOf", "https://github.com/")
    assert left(clone) == []
    git(clone, "remote", "set-url", "origin", "hub:me/my-copy")
    git(clone, "config", "url.https://github.com/.insteadOf", "hub:")
    assert left(clone) == []


def test_a_file_that_the_address_did_not_reach_is_named(clone: Path) -> None:
    (clone / "new_page.md").write_text(f"[Colab](https://x.y/{PLACEHOLDER.lower()}/z)", "utf-8")
    assert any(words.startswith("new_page.md names") for words in left(clone))


def test_a_place_with_another_address_is_named(clone: Path) -> None:
    config = clone / "_config.yml"
    config.write_text(config.read_text("utf-8").replace(MINE, MINE + "-2"), "utf-8")
    assert any(words.startswith("_config.yml") for words in left(clone))


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ([["remote", "set-url", "origin", "https://github.com/you/x"]], "git clone your fork"),
        ([["remote", "remove", "origin"]], "no origin"),
        ([["switch", "-qc", "mine"]], "the branch is mine, and main is published"),
        ([["rm", "-q", "CITATION.cff"]], "1 files differ from the last commit"),
        ([["commit", "-q", "--allow-empty", "-m", "More"]], "1 commits are not on GitHub"),
    ],
)
def test_what_git_has_not_brought_to_github_is_named(clone: Path, commands, words: str) -> None:
    for command in commands:
        git(clone, *command)
    assert any(words in line for line in left(clone)), left(clone)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"repository": None}, "no public https://github.com/me/my-copy"),
        ({"workflows": {"workflows": []}}, "workflows are enabled"),
        (
            {"workflows": {"workflows": [ACTIVE["workflows"][0] | {"state": "disabled_fork"}]}},
            "workflows are enabled",
        ),
        ({"repository": READY | {"has_pages": False}}, "the source is GitHub Actions"),
        ({"repository": READY | {"has_issues": False}}, "Issues are on"),
    ],
)
def test_what_is_not_set_on_github_is_named(clone: Path, says: dict, words: str) -> None:
    named = [point for point in on_github(clone, answering(**says)) if point.holds is False]
    assert len(named) == 1 and words in named[0].words


def test_a_site_that_shows_no_book_or_another_one_is_named(clone: Path) -> None:
    assert {point.holds for point in on_the_site(clone, answering(site=False))} == {False}
    set_address(MINE, clone, "https://maml.example.org")
    another, _ = on_the_site(clone, answering())
    assert another.holds is False and "https://maml.example.org/ shows" in another.words


def test_the_command_ends_with_what_is_left(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    listed = {"In git": [*points(ROOT, nobody)["In the files"]]}
    monkeypatch.setattr("tools.publish.points", lambda ask: listed)
    with pytest.raises(SystemExit, match="^1 to do, 0 to look at"):
        main()
    assert "  to do " in capsys.readouterr().out


def test_only_files_that_the_address_reaches_name_the_placeholder(root: Path) -> None:
    reached = {path.relative_to(root).as_posix() for path in places(root)}
    assert set(unset(root)) <= reached


def test_the_steps_of_the_readme_enter_the_folder_that_they_clone(root: Path) -> None:
    text = (root / "README.md").read_text("utf-8")
    cloned = re.findall(r"git clone https://github\.com/\S+ (\S+) && cd (\S+)$", text, re.MULTILINE)
    assert len(cloned) == text.count("git clone https://") == 2
    assert all(folder == entered for folder, entered in cloned)


def test_the_workflow_that_the_check_asks_for_publishes_the_branch_of_the_buttons(
    root: Path,
) -> None:
    from tools.publish import BRANCH, WORKFLOW

    workflow = yaml.safe_load((root / WORKFLOW).read_text("utf-8"))
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    assert workflow[True]["push"]["branches"] == [BRANCH] == [config["repository"]["branch"]]


def test_binder_installs_the_package_with_the_pins_of_the_book(root: Path) -> None:
    lines = (root / ".binder/requirements.txt").read_text("utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert lines == [
        "--extra-index-url https://download.pytorch.org/whl/cpu",
        "-c ../requirements.txt",
        "-e .",
    ]
    runtime = (root / ".binder/runtime.txt").read_text("utf-8").strip()
    tests = yaml.safe_load((root / ".github/workflows/tests.yml").read_text("utf-8"))
    tested = tests["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert runtime.removeprefix("python-") in tested
