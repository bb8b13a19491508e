"""Problem sets: nothing leaks to students, everyone has other numbers, the walls hold.

The whole of the made-up submissions is marked by `make course-check`.
"""

import base64
import json
import re
import socket
import zipfile
from pathlib import Path

import pytest
import torch

from course.assignments.variants import BUGS_A, BUGS_B, VARIANTS, bugs
from course.made_up import FULL, HONEST, MALICIOUS
from tools.assignments import wire
from tools.assignments.build import build
from tools.assignments.grade import FailedError, Session, grade, solved
from tools.assignments.jail import ROOT, Guard, walls_hold
from tools.assignments.source import SETS, filled, parts, questions, read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("assignments")


@pytest.fixture(scope="module")
def guard():
    if not walls_hold():
        pytest.skip("this machine has no walls to offer")
    with Guard() as one:
        yield one


def handed_out(path):
    with zipfile.ZipFile(path) as zipped:
        return {name: zipped.read(name).decode() for name in zipped.namelist()}


def secrets(name, number):
    """The lines that no student may have: of solutions, hidden tests and rubrics.

    A program that is shown with a bug shares most of its lines with the mended one.
    """
    found = {"hidden": [], "rubric": [], "solution": []}
    text = filled(read(name), VARIANTS[name](number))
    given = "\n".join(p.body for p in parts(text) if p.kind in ("text", "python", "visible"))
    for part in parts(text):
        if part.kind == "hidden":
            found["hidden"] += [part.word.partition(" ")[2], *part.body.splitlines()]
        elif part.kind == "rubric":
            found["rubric"] += re.split(r"(?<=[.;:]) ", part.body)
        elif part.kind == "solution":
            inside = False
            for line in part.body.splitlines():
                inside = (inside or "BEGIN SOLUTION" in line) and "END SOLUTION" not in line
                if inside or line.endswith("# SOLUTION"):
                    found["solution"].append(line.removesuffix("# SOLUTION"))
    kept = {kind: {s.strip() for s in lines} for kind, lines in found.items()}
    return {
        kind: {s for s in lines if len(s) > 14 and s not in given} for kind, lines in kept.items()
    }


@pytest.mark.parametrize("name", SETS)
def test_nothing_leaks_into_the_students_zip(folder, name):
    number = 1201
    both = build(name, number, folder)
    files = handed_out(both.student)
    assert sorted(files) == [*(f"checks/{name}/q{i}.py" for i in range(1, 6)), f"{name}.ipynb"]
    notebook = json.loads(files[f"{name}.ipynb"])
    texts = ["".join(cell["source"]) for cell in notebook["cells"]]
    texts += [json.dumps([cell["metadata"] for cell in notebook["cells"]])]
    texts += [json.dumps(notebook["metadata"]), *files.values()]
    everything = "\n".join(texts)
    for kind, lines in secrets(name, number).items():
        assert len(lines) >= 3
        assert not [s for s in lines if s in everything], kind
    for word in ("SOLUTION", "hidden=True", "BEGIN TEST", "failure_message", "solution."):
        assert word not in everything
    for cell in notebook["cells"]:  # what is to be filled in: names, docstrings, stubs
        if cell["cell_type"] == "code" and "otter_answer_cell" in cell["metadata"].get("tags", []):
            for line in "".join(cell["source"]).splitlines():
                assert re.fullmatch(r'(def \w+\(.*\):| {4}""".*"""|\w+ = \.\.\.| *\.\.\.|)', line)
    answers = vars(solved(both.instructor, name))
    mine = {k: v for k, v in answers.items() if k.startswith("my_") or k in ("phi", "exact")}
    numbers = [n for v in mine.values() for n in (v if isinstance(v, tuple) else (v,))]
    for n in numbers:
        if isinstance(n, float) and n != round(n, 1):
            assert f"{n:.4g}" not in everything and repr(n) not in everything
    if name == "ps3_find_the_bug":
        assert f"line_a = {answers['line_a']}" not in everything
        a, b = bugs(number)
        assert BUGS_A[a][1] not in everything and BUGS_B[b][1] not in everything
        for one in {*BUGS_A, *BUGS_B} - {
            "sum",
            "last",
            "best",
            "support",
        }:  # words of the text, too
            assert not re.search(rf"\b{one}\b", everything)


@pytest.mark.parametrize("name", SETS)
def test_two_students_have_other_numbers(folder, name):
    first, second = (handed_out(build(name, n, folder).student) for n in (1202, 1203))
    assert first != second
    assert first == handed_out(build(name, 1202, folder).student)
    values = [json.dumps({**VARIANTS[name](n), "number": 0}) for n in range(1300, 1400)]
    alike = 30 if name == "ps3_find_the_bug" else 90
    assert len(set(values)) >= alike * 0.85, len(set(values))


def test_every_bug_is_planted_for_somebody():
    met = [bugs(number) for number in range(1300, 1500)]
    assert {a for a, _ in met} == set(BUGS_A) and {b for _, b in met} == set(BUGS_B)


@pytest.mark.parametrize("name", SETS)
def test_points(name):
    asked = questions(read(name))
    assert [q.name for q in asked] == [f"q{i}" for i in range(1, 7)]
    assert sum(q.points for q in asked) == 25
    assert tuple(q.points for q in asked if not q.hand) == FULL[name]


def test_the_scheme_says_what_each_mistake_costs():
    text = (ROOT / "course/assignments/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.+?) \| (\d+) \|$", text, re.MULTILINE)
    wanted = [
        (one.name[2], one.says, f"{20 - sum(one.wanted):g}")
        for one in HONEST
        if one.says not in ("all solved", "as handed out", "half done")
    ]
    assert rows == wanted


def test_a_value_that_lies_is_no_value():
    def packed(shape, raw):
        return {"tensor": ["float32", shape, base64.b64encode(raw).decode()], "grad": False}

    for data in (packed([10**12], b""), packed([2], b"1234"), packed([-1], b"1234"), {"tensor": 1}):
        with pytest.raises((ValueError, TypeError)):
            wire.decode(data, None)
    x = torch.arange(6).view(2, 3)
    back = wire.decode(json.loads(json.dumps(wire.encode({"a": (x, [1.5, ...])}, None))), None)
    assert torch.equal(back["a"][0], x) and back["a"][1] == [1.5, ...]
    found = wire.decode(wire.encode(object(), None), None)
    assert found != found and found != 1


def test_what_is_seen_from_inside(guard):
    listening = socket.create_server(("127.0.0.1", 0))
    probe = PROBE.replace("PORT", str(listening.getsockname()[1]))
    session = Session(guard, [probe], package=True)
    try:
        session.alive()
        assert session.get("seen") == {
            "repository": ["maml_tutorial"],
            "written": False,
            "network": False,
            "first": False,
            "root": False,
            "package": True,
        }
        assert session.get("left") == []
    finally:
        session.close()
        listening.close()
    with pytest.raises(FailedError):
        session.get("seen")


PROBE = f"""
import os, socket, importlib.util
def may(do):
    try:
        do()
    except (OSError, PermissionError):
        return False
    return True
root = {str(ROOT)!r}
seen = {{
    "repository": sorted(n for n in os.listdir(root) if n != ".venv"),
    "written": may(lambda: open(root + "/maml_tutorial/x.py", "w")),
    "network": may(lambda: socket.create_connection(("127.0.0.1", PORT), 1)),
    "first": may(lambda: os.kill(1, 9)),
    "root": os.getuid() == 0,
    "package": importlib.util.find_spec("maml_tutorial") is not None,
}}
left = [
    os.path.join(top, file)
    for top, _, files in os.walk(root)
    for file in files
    if "site-packages" not in top and ("assignments" in top or file.startswith("ps"))
]
"""
SOME = ("late binding", "patches", "leaves with")


@pytest.mark.parametrize(
    "one",
    [m for m in (*HONEST, *MALICIOUS) if m.name == "ps1_sampler" and m.says.startswith(SOME)],
    ids=lambda one: one.says,
)
def test_some_made_up_submissions(guard, folder, one):
    both = build(one.name, one.number, folder)
    stubs: Path = folder / "stubs.ipynb"
    stubs.write_text(handed_out(both.student)[f"{one.name}.ipynb"], encoding="utf-8")
    target = folder / "in" / str(one.number) / f"{one.name}.ipynb"
    one.write(both.instructor / f"{one.name}.ipynb", stubs, target)
    mark = grade(guard, target, one.number, one.name, folder)
    assert tuple(mark.points(f"q{i}") for i in range(1, 6)) == one.wanted, mark.notes
