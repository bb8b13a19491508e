"""Made-up submissions get exactly the marks that the scheme says; run by `make course-check`."""

import json
import zipfile

import pytest

from course.made_up import HONEST, MALICIOUS, MadeUp
from tools.assignments import grade as grading
from tools.assignments.build import build
from tools.assignments.jail import Guard, walls_hold

TABLE: list[str] = []


@pytest.fixture(scope="module")
def guard():
    if not walls_hold():
        pytest.skip("no namespaces here")
    with Guard() as one:
        yield one
    print("\n" + "\n".join(["| submission | wanted | got | seconds |", "|:--|--:|--:|--:|", *TABLE]))


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
