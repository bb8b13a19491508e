"""From a set and a student number to two versions: a student's zip, an instructor's folder."""

import contextlib
import io
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools.assignments.source import master

DATE = (2020, 1, 1, 0, 0, 0)  # of every file in a zip: the same source, the same bytes


class Built(NamedTuple):
    """Where the two versions are.

    Attributes:
        instructor: a folder with the solved notebook and all tests.
        student: a zip with the notebook to fill in and the visible checks.
    """

    instructor: Path
    student: Path


def build(name: str, number: int, folder: Path) -> Built:
    """Make both versions of a set for one student, in `folder`."""
    import otter.assign  # takes a second, and the command's help needs none of it

    work = folder / "work" / str(number) / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    source = work / f"{name}.ipynb"
    nbformat.write(master(name, number), source)
    with contextlib.redirect_stdout(io.StringIO()):
        otter.assign.main(str(source), str(work / "dist"), no_run_tests=True, no_pdfs=True)
    instructor = folder / "instructor" / str(number) / name
    shutil.rmtree(instructor, ignore_errors=True)
    instructor.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(work / "dist/autograder", instructor)
    student = work / "dist/student"
    handed_out = student / f"{name}.ipynb"
    checks = {p.name: p.read_text(encoding="utf-8") for p in sorted(student.glob("tests/*.py"))}
    nbformat.write(_alone(nbformat.read(handed_out, 4), name, checks), handed_out)
    target = folder / "student" / str(number) / f"{name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        texts = {f"checks/{name}/{check}": text for check, text in checks.items()}
        for place, text in {f"{name}.ipynb": handed_out.read_text("utf-8"), **texts}.items():
            info = zipfile.ZipInfo(place, DATE)
            info.external_attr = 0o644 << 16
            zipped.writestr(info, text, zipfile.ZIP_DEFLATED)
    shutil.rmtree(work)
    return Built(instructor, target)


def _alone(notebook: NotebookNode, name: str, checks: dict[str, str]) -> NotebookNode:
    """Let the student's notebook write its checks, where they do not lie beside it."""
    lines = [
        "# The visible checks, where this notebook stands alone (in Colab, say).",
        "CHECKS = {}",
    ]
    lines += [f"CHECKS[{check!r}] = {text!r}" for check, text in checks.items()]
    lines += [f'os.makedirs("checks/{name}", exist_ok=True)']
    lines += ["for name, text in CHECKS.items():"]
    lines += [f'    with open(f"checks/{name}/{{name}}", "w", encoding="utf-8") as file:']
    lines += ["        file.write(text)"]
    cell = new_code_cell("\n".join(lines))
    cell["metadata"] = {"jupyter": {"source_hidden": True}, "cellView": "form"}
    at = next(i for i, c in enumerate(notebook.cells) if "otter.Notebook(" in c.source)
    starts = notebook.cells.pop(at)
    # By its path Otter would look for the notebook, which in Colab is no file.
    starts.source = f'import otter\n\ngrader = otter.Notebook(tests_dir="checks/{name}")'
    setup = next(i for i, c in enumerate(notebook.cells) if "# Set-up" in c.source)
    notebook.cells[setup + 1 : setup + 1] = [cell, starts]
    for place, one in enumerate(notebook.cells):
        one["id"] = f"cell-{place}"  # Otter draws some at random
    return notebook
