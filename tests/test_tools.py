"""The small tools of the house: summary, lock file, PDF, public checks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from flit_core import buildapi

from tools import order
from tools.lock import constraints, pins
from tools.print_pdf import print_pdf
from tools.prose import findings
from tools.prose import main as main_prose
from tools.summary import count, main

CASES = {
    "passes": "",
    "fails": '<failure message="wrong"/>',
    "breaks": '<error message="no fixture"/>',
    "is skipped": '<skipped message="no browser"/>',
}


def report(path: Path, *names: str) -> Path:
    cases = "".join(f'<testcase name="{name}">{CASES[name]}</testcase>' for name in names)
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    return path


def test_the_summary_counts_what_passed_failed_and_was_skipped(tmp_path: Path):
    found = count(report(tmp_path / "tests.xml", *CASES))
    assert found[:3] == (1, 2, 1)


def test_the_summary_gives_each_reason_for_a_skip_and_ends_with_the_sum(tmp_path: Path, capsys):
    main(report(tmp_path / "a.xml", "passes", "is skipped"), report(tmp_path / "b.xml", "passes"))
    lines = capsys.readouterr().out.splitlines()
    assert "skipped is skipped: no browser" in lines
    assert lines[-1] == "test: 2 passed, 0 failed, 1 skipped"


def test_a_run_without_a_single_test_is_no_success(tmp_path: Path):
    with pytest.raises(ValueError, match="nothing ran"):
        count(report(tmp_path / "none.xml"))


def test_every_direct_pin_is_exact_and_says_what_it_is_for(root: Path):
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    direct = [line for line in lines if line and line[0] not in "#-"]
    assert direct
    for line in direct:
        assert "==" in line and " # " in line, line


def test_no_package_is_pinned_twice(root: Path):
    both = (root / name for name in ("requirements.txt", "constraints.txt"))
    names = [
        pin.split("==")[0].lower()
        for path in both
        for pin in pins(path.read_text(encoding="utf-8"))
    ]
    assert sorted(names) == sorted(set(names))


def test_the_lock_leaves_out_direct_pins_and_parts_of_one_platform():
    def found(name: str) -> dict:
        return {"metadata": {"name": name, "version": "1.0"}}

    names = ("torch", "Jinja2", "nvidia-cublas", "cuda-toolkit", "triton", "sphinx_design")
    lines = constraints({"install": [found(name) for name in names]}, ["torch==1.0"])
    assert lines == ["jinja2==1.0", "sphinx-design==1.0"]


def test_without_a_browser_the_pdf_says_what_to_install(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no browser on PATH .*chromium.*install"):
        print_pdf(tmp_path / "page.html", tmp_path / "book.pdf")


def test_a_browser_that_prints_nothing_leaves_the_earlier_pdf(tmp_path: Path, monkeypatch):
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "page.html").touch()
    (tmp_path / "book.pdf").write_text("earlier", encoding="utf-8")
    with pytest.raises(RuntimeError, match="printed no PDF"):
        print_pdf(tmp_path / "page.html", tmp_path / "book.pdf")
    assert (tmp_path / "book.pdf").read_text(encoding="utf-8") == "earlier"


@pytest.mark.browser
def test_a_page_becomes_a_pdf(tmp_path: Path, chromium: str):
    (tmp_path / "page.html").write_text("<h1>Learning to learn</h1>", encoding="utf-8")
    print_pdf(tmp_path / "page.html", tmp_path / "book.pdf")
    assert (tmp_path / "book.pdf").read_bytes().startswith(b"%PDF")


def test_the_ci_script_calls_the_test_command_and_requires_a_browser(root: Path, tmp_path: Path):
    (tmp_path / "repository/.ci").mkdir(parents=True)
    script = shutil.copy(root / ".ci/run", tmp_path / "repository/.ci/run")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, says in {"make": 'echo "$PWD make $* $REQUIRE_BROWSER"', "chromium": ""}.items():
        (tools / name).write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    done = subprocess.run(
        ["bash", script],
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == f"{tmp_path / 'repository'} make test 1"


@pytest.mark.parametrize("name", ["tests", "book", "colab"])
def test_a_workflow_has_jobs_that_end_and_ask_for_few_rights(root: Path, name: str):
    flow = yaml.safe_load((root / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))
    assert flow["permissions"]["contents"] == "read"
    for job in flow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert job["steps"]


def test_the_public_tests_run_on_every_python_that_is_declared(root: Path):
    flow = yaml.safe_load((root / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    pythons = flow["jobs"]["test"]["strategy"]["matrix"]["python"]
    declared = (root / "pyproject.toml").read_text(encoding="utf-8")
    allowed = (root / "tools/venv.sh").read_text(encoding="utf-8")
    for version in pythons:
        assert f"Python :: {version}" in declared
    assert f'ALLOWED="{" ".join(pythons)}"' in allowed


def test_prose_is_read_and_code_formulas_and_addresses_are_not() -> None:
    assert findings("Take the the step.") and findings("This is very unique.")
    fenced = "```\nthe the\n```\n\nTake `the the` step, $the the$, [so](the-the.md)."
    assert findings(fenced) == []
    assert findings("We cite\n\nCite it.") == []


def test_a_fault_in_the_prose_of_a_page_is_named_with_its_page(tmp_path, capsys) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "index.md").write_text("One one too many.\n", encoding="utf-8")
    assert main_prose(tmp_path) == 1
    assert "index.md: " in capsys.readouterr().out


FAULTS = {
    "unused": "const left = 1;",
    "unknown": "export const right = notDefinedAnywhere +;",
    "compared": "export const odd = (a) => a === NaN;",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_script_is_found_by_the_linter(fault: str, tmp_path: Path) -> None:
    oxlint = Path(sys.executable).with_name("oxlint")
    script = tmp_path / "figure.js"
    for source, code in (("export const right = 1;", 0), (FAULTS[fault], 1)):
        script.write_text(source + "\n", encoding="utf-8")
        done = subprocess.run([oxlint, "--deny-warnings", tmp_path], capture_output=True, text=True)
        assert done.returncode == code, done.stdout


WRONG_TYPES = {
    "untyped": "def double(x):\n    return 2 * x",
    "wrong": "def name() -> str:\n    return 1",
    "silent_none": "def twice(x: int = None) -> int:\n    return 2 * x",
    "bare": "def first(x: list) -> int:\n    return int(x[0])",
    "needless_ignore": "x: int = 1  # type: ignore",
}


def test_a_wrong_type_is_found_by_the_type_checker(root: Path, tmp_path: Path) -> None:
    for name, source in {**WRONG_TYPES, "right": "def one() -> int:\n    return 1"}.items():
        (tmp_path / f"{name}.py").write_text(source + "\n", encoding="utf-8")
    options = ["--config-file", root / "pyproject.toml", "--cache-dir", tmp_path / "cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *sorted(tmp_path.glob("*.py"))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert {line.split(".py:")[0] for line in done.stdout.splitlines() if ".py:" in line} == set(
        WRONG_TYPES
    )


def test_whoever_installs_the_package_may_check_types_against_it(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    wheel = buildapi.build_wheel(str(tmp_path))
    assert "maml_tutorial/py.typed" in ZipFile(tmp_path / wheel).namelist()


@pytest.fixture
def ordered(root: Path, tmp_path: Path) -> Path:
    """A copy of where the order of modules stands, and of the page that says it."""
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(root / name, tmp_path)
    return tmp_path


def test_a_module_that_is_moved_is_moved_on_the_page_and_nothing_else_changes(ordered: Path):
    page, project = ordered / "CONTRIBUTING.md", ordered / "pyproject.toml"
    before = page.read_text(encoding="utf-8")
    assert order.fresh(ordered) == before
    home = project.read_text(encoding="utf-8")
    project.write_text(home.replace('["maml"],', '["maml", "mine"],'), encoding="utf-8")
    after = order.fresh(ordered)
    assert "→ maml · mine →" in " ".join(after.split())
    assert after.split("`tasks ·")[0] == before.split("`tasks ·")[0]
    page.write_text(after, encoding="utf-8")
    project.write_text(home, encoding="utf-8")
    assert order.fresh(ordered) == before


def test_a_page_without_the_order_is_named(ordered: Path):
    (ordered / "CONTRIBUTING.md").write_text("Small changes are best.\n", encoding="utf-8")
    with pytest.raises(order.NoSentenceError, match="CONTRIBUTING.md must hold once"):
        order.fresh(ordered)
