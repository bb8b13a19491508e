"""Notebook hygiene: a clean notebook passes, and each rule has a notebook that breaks it alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.notebooks import check_notebook, find_notebooks, read, source_hash, write
from tools.notebooks.__main__ import cli
from tools.notebooks.files import HASH
from tools.notebooks.hygiene import RULES
from tools.notebooks.normalise import KERNEL, normalise
from tools.notebooks.rules_code import expected_setup_cell, public_names
from tools.notebooks.run import NotebookFailedError, run_notebook
from tools.setup_cell import setup_cell

SVG = '<svg xmlns="http://www.w3.org/2000/svg" role="img"><title>A line</title></svg>'
TEXT, SETUP, DRAW, COUNT, ASSERT = range(5)  # the cells of the clean notebook


def clean_notebook() -> NotebookNode:
    """A notebook without a finding: text, set-up, figure, printed number, hidden assertion."""
    title = "# A page\n\nSee [this page](page.ipynb#a-page), `{braces}` and $\\mathcal{T}_{i}$.\n"
    notebook = new_notebook(
        cells=[
            new_markdown_cell(title, id="title"),
            new_code_cell(expected_setup_cell(), id="setup", metadata={"tags": ["hide-cell"]}),
            new_code_cell(
                'show(fig, alt="A line")',
                id="draw",
                outputs=[
                    new_output("display_data", {"image/svg+xml": SVG, "text/plain": "A line"})
                ],
            ),
            new_code_cell(
                "print(1 + 1)",
                id="count",
                metadata={"tags": ["nbval-check-output"]},
                outputs=[new_output("stream", name="stdout", text="2\n")],
            ),
            new_code_cell(
                f"assert 1 + 1 == 2  # {'x' * 80}", id="assert", metadata={"tags": ["remove-cell"]}
            ),
        ],
        metadata={"kernelspec": KERNEL},
    )
    for count, cell in enumerate(notebook.cells[1:], start=1):
        cell.execution_count = count
    notebook.metadata[HASH] = source_hash(notebook)
    return notebook


def recode(index: int, source: str) -> Callable[[NotebookNode], None]:
    """A breakage that gives a code cell another source, as if it had been run like that."""

    def breakage(notebook: NotebookNode) -> None:
        notebook.cells[index].source = source
        notebook.metadata[HASH] = source_hash(notebook)

    return breakage


def retext(source: str) -> Callable[[NotebookNode], None]:
    """A breakage that adds ``source`` to the first text."""

    def breakage(notebook: NotebookNode) -> None:
        notebook.cells[TEXT].source += "\n" + source

    return breakage


def give(index: int, *outputs: NotebookNode) -> Callable[[NotebookNode], None]:
    """A breakage that gives a code cell other outputs."""

    def breakage(notebook: NotebookNode) -> None:
        notebook.cells[index].outputs = list(outputs)

    return breakage


def printed(text: str, name: str = "stdout") -> NotebookNode:
    """What a cell prints."""
    return new_output("stream", name=name, text=text)


def figure(**data: str) -> NotebookNode:
    """A displayed figure, its formats by name."""
    kinds = {"svg": "image/svg+xml", "png": "image/png", "text": "text/plain"}
    return new_output("display_data", {kinds[key]: value for key, value in data.items()})


def html(text: str) -> NotebookNode:
    """A displayed piece of HTML."""
    return new_output("display_data", {"text/html": text, "text/plain": "A figure."})


def widget(**data: str) -> NotebookNode:
    """A displayed widget, or what is left of it in another program's output."""
    kinds = {"view": "application/vnd.jupyter.widget-view+json", "text": "text/plain"}
    return new_output("display_data", {kinds[key]: value for key, value in data.items()})


def heavy(notebook: NotebookNode) -> None:
    """Four outputs, each below its cap, together above the notebook's."""
    notebook.cells[COUNT].outputs = [printed("x" * 390_000, name) for name in ("stdout",) * 4]


# Each breakage, and the one rule that must see it.
BREAKAGES: list[tuple[str, str, Callable[[NotebookNode], object]]] = [
    ("notebook-metadata", "colab", lambda nb: nb.metadata.update(colab={"provenance": []})),
    ("cell-metadata", "collapsed", lambda nb: nb.cells[DRAW].metadata.update(collapsed=True)),
    ("known-tags", "typo", lambda nb: nb.cells[DRAW].metadata.update(tags=["remove_cell"])),
    ("unique-ids", "doubled", lambda nb: nb.cells[DRAW].update(id="count")),
    ("unique-ids", "missing", lambda nb: nb.cells[DRAW].pop("id")),
    ("notebook-size", "heavy", heavy),
    ("output-belongs-to-source", "edited", lambda nb: nb.cells[COUNT].update(source="print(2)")),
    ("output-belongs-to-source", "no hash", lambda nb: nb.metadata.pop(HASH)),
    ("setup-cell-first", "another address", recode(SETUP, "%pip install torch")),
    ("setup-cell-first", "second install", recode(ASSERT, "%pip install torch")),
    ("all-executed", "not run", lambda nb: nb.cells[ASSERT].update(execution_count=None)),
    ("all-executed", "out of order", lambda nb: nb.cells[ASSERT].update(execution_count=9)),
    ("all-executed", "empty", lambda nb: nb.cells.append(new_code_cell("", id="empty"))),
    ("no-missing-output", "cleared", give(COUNT)),
    ("no-untested-twin", "function", recode(ASSERT, "def adapt(params):\n    return params")),
    ("no-untested-twin", "class", recode(ASSERT, "class EpisodeSampler:\n    pass")),
    ("code-fits-the-page", "long", recode(COUNT, f"print(1 + 1)  # {'x' * 64}")),
    ("code-fits-the-page", "folded", recode(DRAW, f"show(fig, alt={'A line of ' * 7!r})")),
    ("one-title", "none", lambda nb: nb.cells[TEXT].update(source="## A page")),
    ("one-title", "two in a cell", retext("# Another")),
    (
        "one-title",
        "two cells",
        lambda nb: nb.cells.append(new_markdown_cell("# More", id="more")),
    ),
    ("one-title", "code first", lambda nb: nb.cells.pop(TEXT)),
    ("no-myst", "fence directive", retext("```{note}\nText\n```")),
    ("no-myst", "colon directive", retext(":::note\nText\n:::")),
    ("no-myst", "role", retext("After {cite:t}`finn2017`.")),
    ("no-myst", "target", retext("(a-target)=\n")),
    ("links-exist", "page", retext("See [chapter 99](99_nothing.ipynb).")),
    ("links-exist", "html", retext('<a href="../nothing.md">it</a>')),
    ("images-have-alt", "markdown", retext("![](page.ipynb)")),
    ("images-have-alt", "html", retext('<img src="page.ipynb" alt="">')),
    ("no-machine-paths", "printed", give(COUNT, printed("saved in /home/ada/run.json\n"))),
    ("no-machine-paths", "code", recode(ASSERT, 'data = open("/tmp/data.json")')),
    ("no-machine-paths", "file address", retext("From file:///home/me/data.")),
    ("no-error", "raised", give(ASSERT, new_output("error", ename="ValueError", evalue="no"))),
    ("no-stderr", "warning", give(ASSERT, printed("UserWarning: old\n", "stderr"))),
    ("output-size", "long", give(COUNT, printed("x" * 400_001))),
    ("figures-are-titled-svg", "png", give(DRAW, figure(png="iVBORw0KGgo=", text="x"))),
    ("figures-are-titled-svg", "no title", give(DRAW, figure(svg="<svg></svg>", text="x"))),
    ("figures-are-titled-svg", "empty", give(DRAW, figure(svg="<svg><title> </title></svg>"))),
    (
        "moving-figures-have-a-still",
        "none",
        give(DRAW, html('<div class="maml-figure"><script>1</script></div>')),
    ),
    (
        "moving-figures-have-a-still",
        "nameless",
        give(DRAW, html('<div class="mf-still"><svg><path/></svg></div><script>1</script>')),
    ),
    ("no-dead-widget", "view", give(DRAW, widget(view="{}", text="x"))),
    ("no-dead-widget", "words", give(DRAW, widget(text="interactive(children=(IntSlider(1)"))),
    ("no-memory-address", "plain", give(DRAW, figure(svg=SVG, text="<Line2D at 0x7f31c0a0>"))),
    ("no-memory-address", "printed", give(COUNT, printed("<f at 0x7f31c0a0>\n"))),
]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clean notebook as a file, beside a package that has `adapt` and `EpisodeSampler`."""
    names = frozenset({"adapt", "EpisodeSampler"})
    monkeypatch.setattr("tools.notebooks.rules_code.public_names", lambda: names)
    path = tmp_path / "page.ipynb"
    write(clean_notebook(), path)
    return path


def save(notebook: NotebookNode, path: Path) -> None:
    """Write as an editor would, flaws and all."""
    path.write_text(json.dumps(notebook))


def test_a_clean_notebook_has_no_finding(page: Path) -> None:
    assert check_notebook(page) == []


@pytest.mark.parametrize(
    ("rule", "breakage"),
    [pytest.param(rule, breakage, id=f"{rule}: {name}") for rule, name, breakage in BREAKAGES],
)
def test_a_breakage_is_found_by_its_rule_alone(
    page: Path, rule: str, breakage: Callable[[NotebookNode], object]
) -> None:
    notebook = clean_notebook()
    breakage(notebook)
    save(notebook, page)
    findings = check_notebook(page)
    assert {finding.rule for finding in findings} == {rule}, findings
    assert all(finding.remedy for finding in findings)


def test_every_rule_has_a_breakage() -> None:
    assert {rule for rule, _, _ in BREAKAGES} == set(RULES)


def test_text_may_show_code_that_would_break_a_rule_outside_it(page: Path) -> None:
    notebook = clean_notebook()
    retext("```python\n# a comment, no heading\n[x](nowhere.md)\n```")(notebook)
    save(notebook, page)
    assert check_notebook(page) == []


def test_an_address_of_the_web_is_no_path_of_a_machine(page: Path) -> None:
    notebook = clean_notebook()
    retext("[there](https://example.org/home/ada) and half/home/ and ~/tmp/")(notebook)
    save(notebook, page)
    assert check_notebook(page) == []


def test_a_twin_may_have_a_public_name(page: Path) -> None:
    notebook = clean_notebook()
    recode(ASSERT, "def adapt(params):\n    return params")(notebook)
    notebook.cells[ASSERT].metadata["tags"] = ["twin"]
    save(notebook, page)
    assert check_notebook(page) == []


def test_prose_may_change_without_a_new_run_and_so_may_the_repositorys_address() -> None:
    notebook = clean_notebook()
    before = source_hash(notebook)
    notebook.cells[TEXT].source = "# Another title"
    notebook.cells[SETUP].source = "# another address"
    assert source_hash(notebook) == before


def test_the_public_names_are_read_from_the_package() -> None:
    import maml_tutorial

    exported = {name for name in vars(maml_tutorial) if not name.startswith("_")}
    modules = {path.stem for path in Path(maml_tutorial.__file__).parent.iterdir()}
    assert public_names() == exported - modules | (public_names() & modules)


def test_the_command_names_file_cell_rule_and_remedy_and_fails(page: Path) -> None:
    notebook = clean_notebook()
    give(COUNT)(notebook)
    save(notebook, page)
    result = CliRunner().invoke(cli, ["check", str(page)])
    assert result.exit_code == 1
    assert f"{page}: cell count: its output is missing [no-missing-output]: run" in result.output


def test_a_path_that_is_not_there_is_named() -> None:
    result = CliRunner().invoke(cli, ["check", "nowhere.ipynb"])
    assert result.exit_code == 1 and "nowhere.ipynb" in result.output


def test_the_books_notebooks_are_clean() -> None:
    assert [str(finding) for path in find_notebooks() for finding in check_notebook(path)] == []


@pytest.mark.parametrize("account", ["me", "a-name-of-thirty-nine-letters-as-allowed"])
def test_ruff_leaves_the_set_up_cell_alone_whatever_the_address(
    tmp_path: Path, root: Path, account: str
) -> None:
    source = setup_cell(f"https://github.com/{account}/maml-step-by-step")
    path = tmp_path / "page.ipynb"
    write(new_notebook(cells=[new_code_cell(source, id="setup")]), path)
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--config", root / "pyproject.toml"]
    done = subprocess.run([*ruff, path], capture_output=True, text=True)
    assert done.returncode == 0 and "1 file already formatted" in done.stdout, done.stdout


# --- normalise ------------------------------------------------------------------------------


def test_normalising_twice_changes_nothing_more(page: Path) -> None:
    notebook = read(page)
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    notebook.cells[DRAW].metadata.update(
        tags=["b", "a"], execution={"iopub.execute_input": "12:00"}
    )
    notebook.cells[DRAW].pop("id")
    save(notebook, page)
    assert write(normalise(read(page)), page)
    assert not write(normalise(read(page)), page)
    cell = read(page).cells[DRAW]
    assert cell.metadata == {"tags": ["a", "b"]} and cell.id
    assert set(read(page).metadata) == {"kernelspec", HASH}


def test_the_file_ends_in_a_newline_and_is_indented_by_one_space(page: Path) -> None:
    text = page.read_text()
    assert text.startswith('{\n "cells": [\n  {') and text.endswith("}\n")


def test_pieces_of_a_stream_are_joined_and_passing_output_goes(page: Path) -> None:
    notebook = read(page)
    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "Bar()"}
    notebook.cells[COUNT].outputs = [
        printed("step 1\rstep 2\r"),
        printed("\rstep 3\n"),
        printed(" 30%|███   | 3/10 [00:01<00:02, 3.0it/s]", "stderr"),
        new_output("display_data", widget),
        printed("UserWarning: stays\n", "stderr"),
    ]
    outputs = normalise(notebook).cells[COUNT].outputs
    assert [(o.name, o.text) for o in outputs] == [
        ("stdout", "step 3\n"),
        ("stderr", "UserWarning: stays\n"),
    ]


def test_counts_run_from_one_over_the_executed_cells() -> None:
    notebook = clean_notebook()
    for cell, count in zip(notebook.cells[1:], (7, None, 9, 12), strict=True):
        cell.execution_count = count
    counts = [cell.execution_count for cell in normalise(notebook).cells[1:]]
    assert counts == [1, None, 2, 3]


# --- run ------------------------------------------------------------------------------------


@pytest.fixture
def runnable(page: Path) -> Path:
    """The clean notebook with a figure that needs no module, and a file beside it to be read."""
    notebook = read(page)
    notebook.cells[DRAW].source = 'print(open("beside.txt").read())'
    save(notebook, page)
    (page.parent / "beside.txt").write_text("read beside the notebook")
    return page


@pytest.mark.slow
def test_a_run_happens_in_the_notebooks_folder_and_leaves_a_clean_notebook(runnable: Path) -> None:
    result = CliRunner().invoke(cli, ["run", str(runnable), "--limit", "0"])
    assert result.exit_code == 0, result.output
    assert f" s  {runnable}" in result.output and "took longer than 0 s" in result.output
    assert check_notebook(runnable) == []
    assert "read beside the notebook" in runnable.read_text()


@pytest.mark.slow
def test_a_failed_run_names_cell_and_exception_and_leaves_the_file_as_it_was(
    runnable: Path,
) -> None:
    notebook = read(runnable)
    notebook.cells[COUNT].source = "1 / 0"
    save(notebook, runnable)
    before = runnable.read_bytes()
    with pytest.raises(NotebookFailedError, match="cell count: ZeroDivisionError: division by"):
        run_notebook(runnable)
    assert runnable.read_bytes() == before
    assert not list(runnable.parent.glob(".*.part"))


def test_checkpoints_and_built_pages_are_no_notebooks_of_ours(page: Path) -> None:
    for folder in (".ipynb_checkpoints", "_build"):
        (page.parent / folder).mkdir()
        shutil.copy(page, page.parent / folder)
    assert find_notebooks([page.parent]) == [page]
