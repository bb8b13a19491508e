"""Made-up submissions get exactly the marks that the scheme says; run by `make course-check`."""

import csv
import json
import os
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest
from click.testing import CliRunner

from course.made_up import HONEST, MALICIOUS, MadeUp
from tools.assignments import grade as grading
from tools.assignments.__main__ import cli
from tools.assignments.build import build
from tools.assignments.jail import Guard, walls_hold
from tools.assignments.source import SETS

TABLE: list[str] = []


@pytest.fixture(scope="module")
def guard():
    if not walls_hold() and "REQUIRE_WALLS" not in os.environ:
        pytest.skip("this machine has no walls to offer")
    with Guard() as one:
        yield one
    print(
        "\n" + "\n".join(["| submission | wanted | got | seconds |", "|:--|--:|--:|--:|", *TABLE])
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("assignments")


def marked(guard, folder, one: MadeUp):
    both = build(one.name, one.number, folder)
    target = folder / "in" / str(one.number) / f"{one.name}.ipynb"
    with zipfile.ZipFile(both.student) as zipped:
        handed_out = folder / "handed_out.ipynb"
        handed_out.write_bytes(zipped.read(f"{one.name}.ipynb"))
    one.write(both.instructor / f"{one.name}.ipynb", handed_out, target)
    mark = grading.grade(guard, target, one.number, one.name, folder)
    wanted = f"{sum(one.wanted):g}"
    TABLE.append(f"| {one.name[:3]}: {one.says} | {wanted} | {mark.total:g} | {mark.seconds:.1f} |")
    return mark


@pytest.mark.parametrize("one", [*HONEST, *MALICIOUS], ids=lambda one: f"{one.name[:3]} {one.says}")
def test_marks(guard, folder, one, monkeypatch):
    if one in MALICIOUS:  # how long is long is another question
        monkeypatch.setattr(grading, "SECONDS", {"cpu": 3.0, "wall": 20.0, "submission": 240.0})
    mark = marked(guard, folder, one)
    got = tuple(mark.points(f"q{i}") for i in range(1, 6))
    failed = {q: [(t.asks, t.said) for t in some if not t.passed] for q, some in mark.tests.items()}
    assert got == one.wanted, (mark.notes, json.dumps(failed, indent=1))


def test_a_folder_of_submissions(guard, folder):
    """As a teacher does it, with a notebook of no set, and somebody else's."""
    both = build("ps2_meta_gradient", 1050, folder)
    incoming = folder / "incoming"
    for path in ("1050/ps2_meta_gradient.ipynb", "1051/ps2_meta_gradient.ipynb", "1050/mine.ipynb"):
        (incoming / path).parent.mkdir(parents=True, exist_ok=True)
        (incoming / path).write_bytes((both.instructor / "ps2_meta_gradient.ipynb").read_bytes())
    command = CliRunner().invoke(cli, ["grade", str(incoming), "--out", str(folder / "out")])
    assert command.exit_code == 0, command.output
    rows = list(csv.DictReader((incoming / "marked/marks.csv").open(encoding="utf-8")))
    assert [(row["number"], row["of_20"]) for row in rows][0] == ("1050", "20")
    # All functions of the other are right; the numbers by hand are not those of 1051.
    assert (rows[1]["number"], rows[1]["of_20"]) == ("1051", "12")
    said = (incoming / "marked/feedback/1051/ps2_meta_gradient.md").read_text(encoding="utf-8")
    assert "no (2): The adapted parameters" in said and "assert" not in said


@pytest.mark.parametrize("name", SETS)
def test_as_handed_out_it_runs_to_its_end(folder, name):
    """In a kernel, with the visible checks saying what is missing, and no traceback."""
    both = build(name, 1060, folder)
    place = folder / "open" / name
    place.mkdir(parents=True)  # and nothing in it, as in Colab
    with zipfile.ZipFile(both.student) as zipped:
        notebook = nbformat.reads(zipped.read(f"{name}.ipynb").decode(), 4)
    root = str(Path(__file__).resolve().parents[1])
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": place}})
    client.execute(env={**os.environ, "PYTHONPATH": root})
    checks = [c for c in notebook.cells if c.source.startswith("grader.check(")]
    said = ["".join(str(o) for o in c.outputs) for c in checks]
    assert len(said) == 5 and all("not attempted yet" in one for one in said)
    assert not any("Traceback" in one for one in said)
