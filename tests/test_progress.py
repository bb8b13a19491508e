"""`progress`: what a student hands in says what `check` said, and keeps what it said before."""

import csv
from pathlib import Path

import pytest

from maml_tutorial import check
from maml_tutorial.exercises import hunt, log, progress

RIGHT = {"a": "ordinary", "b": "meta-learning", "c": "leak", "d": "leak"}


@pytest.fixture(autouse=True)
def empty_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A session of its own, in a folder of its own."""
    monkeypatch.setattr(log, "LOG", {})
    monkeypatch.chdir(tmp_path)


def rows(file: str = "progress.csv") -> dict[str, str]:
    with open(file, encoding="utf-8", newline="") as text:
        return {row["exercise"]: row["status"] for row in csv.DictReader(text)}


def test_what_was_tried_is_shown_and_written_and_what_was_not_is_left_out() -> None:
    check("1.4", RIGHT)
    check("1.1", ...)
    check("1.2", lambda n_classes, n_drawings, n_way: 0)
    table = progress()
    assert rows() == {"1.2": "hint", "1.4": "correct"}
    assert table.solved == 1
    assert repr(table).splitlines()[0] == "1 solved of 2 tried"
    assert "<td>1.4</td>" in table._repr_html_() and 'scope="col"' in table._repr_html_()
    assert all(entry.solved for entry in table.entries if entry.status == "correct")


def test_an_exercise_once_solved_stays_solved() -> None:
    check("1.4", RIGHT)
    check("1.4", RIGHT | {"d": "meta-learning"})
    assert progress().solved == 1


def test_a_later_session_keeps_what_the_file_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    check("1.4", RIGHT)
    check("1.2", lambda n_classes, n_drawings, n_way: 0)
    first = progress().entries
    monkeypatch.setattr(log, "LOG", {})
    check("1.4", RIGHT | {"d": "meta-learning"})
    check("1.3", lambda right, rounds, n_way: 1.0)
    assert progress().solved == 1
    assert rows() == {"1.2": "hint", "1.3": "hint", "1.4": "correct"}
    assert set(first) <= set(progress().entries)
    assert tuple(log.read("progress.csv")) == progress().entries


def test_hunts_stand_behind_the_exercises() -> None:
    hunt(9, line=2, item="one task")
    hunt(10, line=1)
    check("10.1", lambda: 0)
    assert list(rows_of(progress())) == ["10.1", "hunt 9", "hunt 10"]
    assert progress().solved == 1


def rows_of(table: log.Progress) -> dict[str, str]:
    return {entry.exercise: entry.status for entry in table.entries}


def test_chapters_stand_in_the_order_of_the_book() -> None:
    for number in ("10.1", "2.1", "1.2"):
        check(number, lambda: 0)
    assert list(rows_of(progress(file=None))) == ["1.2", "2.1", "10.1"]
    assert not Path("progress.csv").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name,mark\nme,1\n",
        "exercise,title,status,solved,version\n1.1,Name the parts,perfect,,0\n",
        "exercise,title,status,solved,version\n1.1,Name the parts\n",
    ],
)
def test_another_file_is_refused_and_left_as_it_is(text: str) -> None:
    Path("marks.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="marks.csv"):
        progress("marks.csv")
    assert Path("marks.csv").read_text(encoding="utf-8") == text
