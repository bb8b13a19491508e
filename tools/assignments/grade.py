"""Marks for a folder of submissions: Otter's tests, asked about what comes out of a jail.

The tests run here, and the submission's functions run there. To a test, a function of a submission
is a `Remote`: called, it sends its arguments into the jail and returns the plain value that comes
back. So a submission cannot change a test, a mark or the grader: they are not in its process.
"""

import csv
import json
import re
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from course.assignments.variants import SHOWN, WITHOUT_PACKAGE, Program
from tools.assignments import wire
from tools.assignments.build import build
from tools.assignments.jail import Guard, Jail
from tools.assignments.source import SETS, questions, read

# Of work and on the clock, for one cell or one call; and for a submission as a whole.
SECONDS = {"cpu": 10.0, "wall": 30.0, "submission": 240.0}
RESTARTS = 8  # after cells or questions that kill their process
LARGEST = 4 * 2**20  # bytes of a notebook
_MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)


class FailedError(Exception):
    """A submission gave no answer: it raised, took too long, or is gone."""


class Test(NamedTuple):
    """One hidden test: what it asks, its points, whether it passed, and what Otter says."""

    asks: str
    points: float
    passed: bool
    said: str


class Mark(NamedTuple):
    """What one submission gets, without the question that is marked by hand.

    Attributes:
        number: the student's number.
        name: of the set.
        tests: by question.
        seconds: it took.
        notes: cells that failed, and the like.
    """

    number: int
    name: str
    tests: dict[str, list[Test]]
    seconds: float
    notes: list[str]

    def points(self, question: str) -> float:
        """The points of one question."""
        return sum(test.points for test in self.tests[question] if test.passed)

    @property
    def total(self) -> float:
        """All points but those given by hand."""
        return sum(self.points(question) for question in self.tests)


def code_cells(path: Path) -> list[str]:
    """Return the code of a notebook, without its magics.

    Raises:
        ValueError: if it is no notebook.
    """
    if path.is_symlink() or path.stat().st_size > LARGEST:
        raise ValueError("a link, or too large")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [c["source"] for c in cells if c["cell_type"] == "code"]
        return [_MAGIC.sub(r"\1pass", s if isinstance(s, str) else "".join(s)) for s in code]
    except (KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"no notebook: {type(error).__name__}") from error


class Session:
    """A submission at work in a jail; it starts anew where the submission kills its process."""

    def __init__(self, guard: Guard, cells: list[str], *, package: bool) -> None:
        self._guard, self._cells, self._package = guard, cells, package
        self._skip: set[int] = set()
        self._jail: Jail | None = None
        self._ends = time.monotonic() + SECONDS["submission"]
        self._starts = self._turn = 0
        self._slow = False  # was it too slow in this question?
        self.notes: list[str] = []

    def alive(self) -> None:
        """See to it that there is a process which has run the cells, before each question.

        Raises:
            FailedError: if it was started too often, or its time is over.
        """
        self._slow = False
        while self._jail is None:
            left = self._ends - time.monotonic()
            if left < 1 or self._starts > RESTARTS:
                raise FailedError("its time is over" if left < 1 else "it kills its process")
            self._starts += 1
            self._jail = self._guard.jail(package=self._package, seconds=left)
            running = -1
            try:
                self._receive(30)
                for running, source in enumerate(self._cells):
                    if running not in self._skip:
                        message = {"do": "cell", "source": source, "where": f"cell {running}"}
                        reply = self._ask(message)
                        if "error" in reply:
                            self._note(f"cell {running}: {reply['error']}")
            except FailedError as error:
                self.close()
                self._skip.add(running)
                self._note(f"cell {running} left out: {error}")

    def get(self, name: str) -> Any:
        """Return a value of the submission, by its name; None where there is none."""
        reply = self._ask({"do": "get", "name": name})
        if "error" in reply or reply.get("said") == {"missing": True}:
            return None
        return self._decode(reply["said"])

    def define(self, source: str, name: str) -> "Remote":
        """Give the submission a function to look at."""
        message = {"do": "define", "source": source, "name": name}
        return self._decode(self._ask(message)["said"])

    def call(self, function: "Remote", args: Any, kwargs: Any) -> Any:
        """Call a function of the submission.

        Raises:
            FailedError: if no answer comes, or none that can be read.
        """
        if self._slow:
            raise FailedError("took too long before, in this question")
        message = {
            "do": "call",
            "function": function.reference,
            "args": [wire.encode(a, _lent) for a in args],
            "kwargs": {name: wire.encode(v, _lent) for name, v in kwargs.items()},
        }
        reply = self._ask(message)
        if "error" in reply:
            self._slow = reply["error"] == "took too long"
            raise FailedError(str(reply["error"])[:500])
        try:
            for own, after in zip(args, reply["said"]["after"], strict=True):
                _follow(own, self._decode(after))
            return self._decode(reply["said"]["result"])
        except (KeyError, TypeError) as error:
            raise FailedError("an answer that cannot be read") from error

    def close(self) -> None:
        """End the process."""
        if self._jail:
            self._jail.close()
        self._jail = None

    def _decode(self, data: Any) -> Any:
        try:
            return wire.decode(data, lambda reference: Remote(self, reference))
        except Exception as error:  # whatever it sent, it is no answer
            raise FailedError("an answer that cannot be read") from error

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._jail is None:
            raise FailedError("its process has ended")
        self._turn += 1
        limits = {"cpu": SECONDS["cpu"], "wall": SECONDS["wall"], "turn": self._turn}
        try:
            self._jail.channel.settimeout(10)
            wire.send(self._jail.channel, {**message, **limits})
        except OSError as error:
            self.close()
            raise FailedError("its process has ended") from error
        reply = self._receive(SECONDS["wall"] + 5)
        if reply.get("turn") != self._turn:  # an answer that nobody asked for
            self.close()
            raise FailedError("it speaks out of turn")
        return reply

    def _receive(self, seconds: float) -> dict[str, Any]:
        assert self._jail
        try:
            self._jail.channel.settimeout(seconds)
            reply = wire.receive(self._jail.channel)
        except (OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError
            self.close()
            slow = isinstance(error, TimeoutError)
            raise FailedError("took too long" if slow else "its process has ended") from error
        if not isinstance(reply, dict):
            self.close()
            raise FailedError("an answer that cannot be read")
        return reply

    def _note(self, words: str) -> None:
        words = " ".join(words.split())[:300]  # of an answer, too, that may be long
        if words not in self.notes:
            self.notes.append(words)


class Remote:
    """A function of a submission, as a test sees it."""

    def __init__(self, session: Session, reference: Any) -> None:
        self._session, self.reference = session, {"handle": int(reference["handle"])}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Let the submission answer."""
        return self._session.call(self, args, kwargs)


def _lent(function: Any) -> Any:
    if isinstance(function, Remote):
        return function.reference
    raise TypeError("a test may lend the submission its own functions only")


def _follow(own: Any, after: Any) -> None:
    """Let a generator, or a tensor, of the test be what the submission has made of it."""
    import torch

    if isinstance(own, torch.Generator) and isinstance(after, torch.Generator):
        own.set_state(after.get_state())
    elif isinstance(own, dict) and isinstance(after, dict):
        for key in own.keys() & after.keys():
            _follow(own[key], after[key])
    elif isinstance(own, torch.Tensor) and isinstance(after, torch.Tensor):
        if own.shape == after.shape and own.dtype == after.dtype:
            with torch.no_grad():
                own.copy_(after)


class _Names(dict[str, Any]):
    """What a test may ask for by name: what the grader has, then the submission's own."""

    def __init__(self, session: Session, own: dict[str, Any]) -> None:
        super().__init__(own)
        self._session = session

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value by its name."""
        return self[name] if name in self else self._session.get(name)


def solved(folder: Path, name: str) -> types.SimpleNamespace:
    """Run the solved notebook here; return what it defines."""
    names: dict[str, Any] = {"__name__": "solution"}
    for source in code_cells(folder / f"{name}.ipynb"):
        if not re.search(r"^# Set-up|^import otter|^grader\.|^CHECKS", source, re.MULTILINE):
            exec(compile(source, f"solution of {name}", "exec"), names)
    return types.SimpleNamespace(**names)


def grade(guard: Guard, submission: Path, number: int, name: str, folder: Path) -> Mark:
    """Mark one notebook. `folder` takes the versions, made anew from the source."""
    from otter.test_files.exception_test import ExceptionTestFile

    began = time.monotonic()
    instructor = build(name, number, folder).instructor
    asked = [q.name for q in questions(read(name)) if not q.hand]
    files = {q: ExceptionTestFile.from_file(str(instructor / f"tests/{q}.py")) for q in asked}
    notes: list[str] = []
    try:
        cells = code_cells(submission)
    except (ValueError, OSError) as error:
        cells, notes = [], [f"not readable: {error}"]
    session = Session(guard, cells, package=name not in WITHOUT_PACKAGE)
    solution = solved(instructor, name)
    tests: dict[str, list[Test]] = {}
    try:
        for question, file in files.items():
            try:
                session.alive()
                own = {"solution": solution, **_shown(session, SHOWN.get(name, _none)(number))}
                file.run(_Names(session, own))
            except FailedError as error:
                notes.append(f"{question}: {error}")
            results = {r.test_case.name: r for r in file.test_case_results}
            tests[question] = [
                Test(
                    str(case.failure_message),
                    float(case.points or 0),
                    case.name in results and results[case.name].passed,
                    results[case.name].message or "" if case.name in results else "not asked",
                )
                for case in file.test_cases
                if case.hidden
            ]
    finally:
        session.close()
    return Mark(number, name, tests, time.monotonic() - began, session.notes + notes)


def _none(number: int) -> dict[str, Any]:
    return {}


def _shown(session: Session, values: Any) -> Any:
    if isinstance(values, Program):
        return session.define(str(values), "meta_gradient")
    if isinstance(values, dict):
        return {name: _shown(session, value) for name, value in values.items()}
    if isinstance(values, list):
        return [_shown(session, value) for value in values]
    return values


def submissions(folder: Path) -> Iterator[tuple[int, str, Path]]:
    """Find `NUMBER/SET.ipynb` in a folder, in order."""
    for path in sorted(folder.glob("*/*.ipynb")):
        if path.parent.name.isdigit() and path.stem in SETS:
            yield int(path.parent.name), path.stem, path


def write(marks: list[Mark], folder: Path) -> Path:
    """Write `marks.csv` and, for every submission, what its student may read."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "marks.csv"
    with target.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        names = [f"q{i}" for i in range(1, 6)]
        table.writerow(["number", "set", *names, "of_20", "by_hand_of_5", "seconds", "notes"])
        for mark in marks:
            points = [f"{mark.points(q):g}" for q in names]
            row = [mark.number, mark.name, *points, f"{mark.total:g}", "", f"{mark.seconds:.1f}"]
            table.writerow([*row, "; ".join(mark.notes)])
    for mark in marks:
        lines = [f"# {mark.name}, student number {mark.number}: {mark.total:g} of 20", ""]
        for question, tests in mark.tests.items():
            most = sum(test.points for test in tests)
            lines.append(f"**{question}: {mark.points(question):g} of {most:g}**\n")
            lines += [f"- {'yes' if t.passed else 'no'} ({t.points:g}): {t.asks}" for t in tests]
            lines.append("")
        lines += [f"- {note}" for note in mark.notes]
        path = folder / "feedback" / str(mark.number) / f"{mark.name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        said = {q: [t._asdict() for t in tests] for q, tests in mark.tests.items()}
        report = folder / "reports" / str(mark.number) / f"{mark.name}.json"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return target
