"""A command of the Makefile that fails says in its last line what failed and what to do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.order import rows

HOUSE = ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml", "README.md")


@pytest.fixture
def house(root: Path, tmp_path: Path) -> Path:
    """The files that make and .venv need, with nothing built and nothing installed."""
    for name in HOUSE:
        shutil.copy(root / name, tmp_path)
    shutil.copytree(root / "tools", tmp_path / "tools")
    return tmp_path


def make(house: Path, *goals: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in `house`, away from the settings of the make and the pip around this test."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "PIP_", "MFLAGS"))}
    kept.pop("PYTHON", None)
    kept.pop("INNER_GOAL", None)
    return subprocess.run(
        ["make", *goals],
        cwd=house,
        env=kept | {"PIP_CONFIG_FILE": os.devnull} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr).rstrip().splitlines()[-1]


def program(path: Path, script: str) -> str:
    """Write an executable shell script and return its path."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def whole_venv(house: Path, python: str) -> None:
    """Give `house` an environment that counts as whole, whose Python is the script `python`."""
    (house / ".venv/bin").mkdir(parents=True)
    program(house / ".venv/bin/python", python)
    parts = ("requirements.txt", "constraints.txt", "pyproject.toml")
    stamp = f"{house}\n" + "".join((house / name).read_text(encoding="utf-8") for name in parts)
    stamp = re.sub("^(Repository|Documentation) = .*\n", "", stamp, flags=re.MULTILINE)
    (house / ".venv/.complete").write_text(stamp, encoding="utf-8")


def test_make_alone_lists_the_commands(house: Path):
    done = make(house)
    assert done.returncode == 0
    assert "make book" in done.stdout and "make test" in done.stdout


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.14"])
def test_an_older_or_newer_python_is_named_with_the_versions_that_do(house: Path, version: str):
    python = program(house / "python-other", f"echo {version}")
    done = make(house, "book", f"PYTHON={python}")
    assert done.returncode != 0
    assert f"PYTHON={python} is {version}" in last_line(done)
    assert "3.11, 3.12 or 3.13" in last_line(done)
    assert not (house / ".venv").exists()


def test_a_python_that_does_not_run_is_named(house: Path):
    done = make(house, "book", "PYTHON=/no/such/python")
    assert "PYTHON=/no/such/python is no working Python" in last_line(done)


def test_without_any_python_the_message_says_which_to_install(house: Path, tmp_path: Path):
    tools = tmp_path / "path"
    tools.mkdir()
    for name in ("bash", "make", "cat", "mkdir", "rm", "head", "cmp", "tee", "grep"):
        (tools / name).symlink_to(shutil.which(name))
    program(tools / "python3.13", "exit 127")  # a shim that stands for nothing
    program(tools / "python3", "echo 3.8")
    done = make(house, "book", PATH=str(tools))
    assert "no Python 3.11, 3.12 or 3.13 on PATH (python3 is 3.8)" in last_line(done)


def test_the_first_python_that_works_and_is_allowed_is_taken(house: Path, tmp_path: Path):
    tools = tmp_path / "path"
    tools.mkdir()
    program(tools / "python3.13", "exit 127")
    program(tools / "python3.12", 'case "$2" in *version_info*) echo 3.12;; *) exit 1;; esac')
    done = make(house, "book", PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert "python3.12 has no venv module" in last_line(done)
    assert "apt-get install python3-venv" in last_line(done)


def test_without_a_network_the_message_says_so_and_no_whole_venv_is_left(house: Path):
    python = getattr(sys, "_base_executable", sys.executable)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    done = make(house, "book", f"PYTHON={python}", **nowhere)
    assert done.returncode != 0
    assert "could not reach its package index" in last_line(done)
    assert "check the network" in last_line(done)
    assert not (house / ".venv/.complete").exists()


@pytest.mark.parametrize(
    ("pip_says", "words"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying after connection broken by NewConnectionError", "check the network"),
        (
            "ERROR: none fits (from versions: 2.2.0)\nERROR: No matching distribution found",
            "no such build",
        ),
        ("Collecting networkx\nERROR: something else", "mend what it names"),
    ],
)
def test_the_reason_is_read_from_the_words_of_pip(house: Path, pip_says: str, words: str):
    whole_venv(house, f'case "$*" in *install*) echo "{pip_says}"; exit 1;; *) echo 3.12;; esac')
    (house / "requirements.txt").write_text("changed", encoding="utf-8")
    done = make(house, "setup", "PYTHON=.venv/bin/python")
    assert done.returncode != 0
    assert words in last_line(done)
    assert not (house / ".venv/.complete").exists()


def test_a_whole_venv_is_used_as_it_is(house: Path):
    whole_venv(house, "echo 3.12")
    done = make(house, "setup")
    assert done.returncode == 0, done.stderr
    assert "Installing" not in done.stdout


@pytest.mark.parametrize("changed", ["requirements.txt", "constraints.txt", "pyproject.toml"])
def test_a_venv_whose_pins_have_changed_is_brought_up_to_date(house: Path, changed: str):
    whole_venv(house, "echo 3.12")
    with (house / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    done = make(house, "setup", "PYTHON=.venv/bin/python")
    assert "Installing" in done.stdout


def test_a_half_made_venv_is_never_taken_for_whole(house: Path):
    whole_venv(house, "echo 3.12")
    (house / ".venv/.complete").unlink()
    done = make(house, "setup", f"PYTHON={program(house / 'other', 'echo 3.12; exit 0')}")
    assert "Installing" in done.stdout
    assert done.returncode != 0  # the stand-in made no environment
    assert not (house / ".venv/bin/python").exists()  # and nothing of the half-made one was kept


def test_a_venv_that_was_moved_is_made_again(house: Path, tmp_path: Path):
    whole_venv(house, "echo 3.12")
    moved = tmp_path / "moved"
    shutil.copytree(house, moved, ignore=shutil.ignore_patterns("moved"))
    done = make(moved, "setup", "PYTHON=/no/such/python")
    assert "no working Python" in last_line(done)


@pytest.mark.parametrize(
    ("goal", "fails_at", "words"),
    [
        ("lint", "ruff check", "ruff found a fault"),
        ("lint", "ruff format", "not formatted"),
        ("lint", "-m mypy", "a type is wrong"),
        ("lint", "tools.notebooks", "a notebook breaks a rule"),
        ("lint", "tools.repository", "an address differs"),
        ("lint", "tools.order", "another order"),
        ("check", "pytest", "a test failed"),
        ("notebooks", "tools.notebooks", "a notebook did not run to its end"),
        ("pdf", "print_pdf", "no PDF"),
        ("bench", "benchmarks", "the benchmark stopped"),
    ],
)
def test_the_last_line_names_the_step_that_failed(
    house: Path, goal: str, fails_at: str, words: str
):
    whole_venv(house, f'case "$*" in *"{fails_at}"*) exit 1;; *version_info*) echo 3.12;; esac')
    for name in ("codespell", "jupyter-book", "oxlint"):
        program(house / ".venv/bin" / name, "exit 0")
    done = make(house, goal)
    assert done.returncode != 0
    assert f"make {goal} failed: " in last_line(done)
    assert words in last_line(done)


def test_a_fault_in_a_script_is_named_in_the_last_line(house: Path):
    whole_venv(house, "echo 3.12")
    program(house / ".venv/bin/oxlint", "exit 1")
    assert "a script has a fault" in last_line(make(house, "lint"))


def test_a_book_that_does_not_build_is_said_to_have_warnings(house: Path):
    whole_venv(house, "echo 3.12")
    program(house / ".venv/bin/jupyter-book", "exit 1")
    done = make(house, "book")
    assert "make book failed: the book did not build without warnings" in last_line(done)


def test_a_book_that_builds_says_where_to_open_it(house: Path):
    whole_venv(house, "echo 3.12")
    program(house / ".venv/bin/jupyter-book", "exit 0")
    done = make(house, "book")
    assert done.returncode == 0
    assert str(house / "_build/html/index.html") in last_line(done)
    assert "make serve" in last_line(done)


def test_the_book_is_built_from_a_clean_folder_with_warnings_as_errors(house: Path):
    whole_venv(house, "echo 3.12")
    (house / "_build").mkdir()
    (house / "_build/stale").touch()
    program(house / ".venv/bin/jupyter-book", 'ls _build 2> /dev/null; echo "arguments: $*"')
    done = make(house, "book")
    assert "stale" not in done.stdout
    assert "arguments: build . -W -n --keep-going" in done.stdout


def test_the_check_runs_the_mathematics_and_builds_no_book(house: Path):
    whole_venv(house, 'case "$*" in *pytest*) echo "arguments: $*";; *) echo 3.12;; esac')
    for name in ("codespell", "oxlint"):
        program(house / ".venv/bin" / name, "exit 0")
    program(house / ".venv/bin/jupyter-book", "exit 1")
    (house / "tests").mkdir()
    for path in ("tests/test_maml.py", "tests/test_browser.py"):
        (house / path).touch()
    done = make(house, "check")
    assert done.returncode == 0, done.stderr
    assert "not slow tests/test_maml.py\n" in done.stdout
    assert last_line(done).startswith("check: lint is clean")


def test_the_check_names_modules_that_there_are(root: Path):
    goals = (root / "tools/goals.mk").read_text(encoding="utf-8")
    named = re.search(r"^MATHS := (.+)$", goals, re.MULTILINE)[1].split()
    assert set(named) <= {module for row in rows(root) for module in row}


def test_setting_the_address_without_one_says_how(house: Path):
    done = make(house, "repository", f"PYTHON={sys.executable}")
    assert "no URL given: make repository URL=https://github.com/me/my-copy" in last_line(done)


@pytest.mark.parametrize("goal", ["repository", "publish-check"])
def test_publishing_installs_nothing(house: Path, goal: str):
    shutil.copy(house / "README.md", house / "_config.yml")
    shutil.copy(house / "README.md", house / "CITATION.cff")
    python = program(house / "bare", f'exec "{sys.executable}" -S "$@"')  # no installed package
    done = make(house, goal, f"PYTHON={python}", URL="https://github.com/me/other")
    assert not (house / ".venv").exists()
    assert "Error" not in done.stderr.replace("] Error 1", "")
    assert ("its site:   https://me.github.io/other/" in done.stdout) == (goal == "repository")
    assert ("files name YOUR_ACCOUNT" in done.stdout) == (goal == "publish-check")


def test_another_address_installs_nothing_anew(house: Path):
    whole_venv(house, "echo 3.12")
    project = house / "pyproject.toml"
    project.write_text(project.read_text("utf-8").replace("YOUR_ACCOUNT/maml", "me/other"), "utf-8")
    done = make(house, "setup")
    assert done.returncode == 0, done.stderr
    assert "Installing" not in done.stdout


def test_clean_keeps_the_venv(house: Path):
    whole_venv(house, "echo 3.12")
    (house / "_build/html").mkdir(parents=True)
    done = make(house, "clean")
    assert done.returncode == 0
    assert not (house / "_build").exists()
    assert (house / ".venv/.complete").exists()
