"""The command: `python -m tools.assignments build 1001 1002`, and `grade FOLDER`."""

import sys
from pathlib import Path

import click

from tools.assignments.build import build
from tools.assignments.grade import grade, submissions, write
from tools.assignments.jail import Guard, WeakWallsError
from tools.assignments.scheme import scheme
from tools.assignments.source import SETS

OUT = Path("_build/assignments")


@click.group()
def cli() -> None:
    """Make the problem sets of the course, and mark what comes back."""


@cli.command("build")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=0), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True)
def build_(numbers: tuple[int, ...], out: Path) -> None:
    """Make the student's and the instructor's version of all sets, for student NUMBERS."""
    for number in numbers:
        for name in SETS:
            build(name, number, out)
    (out / "instructor").mkdir(parents=True, exist_ok=True)
    (out / "instructor/marking_scheme.md").write_text(scheme(), encoding="utf-8")
    click.echo(f"hand out {out}/student/NUMBER; {out}/instructor holds all answers")


@cli.command("grade")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True)
@click.option("--weak", is_flag=True, help="Go on where this machine has no walls to offer.")
def grade_(folder: Path, out: Path, weak: bool) -> None:
    """Mark the notebooks FOLDER/NUMBER/SET.ipynb."""
    found = list(submissions(folder))
    if not found:
        raise click.ClickException(f"no NUMBER/SET.ipynb in {folder}; sets: {', '.join(SETS)}")
    marks = []
    try:
        with Guard(weak=weak) as guard:
            click.echo(f"each submission has {guard.walls}")
            for number, name, path in found:
                marks.append(grade(guard, path, number, name, out))
                mark = marks[-1]
                click.echo(f"{number} {name}: {mark.total:g} of 20, {mark.seconds:.1f} s")
                write(marks, folder / "marked")  # what is marked stays, if a later one stops this
    except WeakWallsError as error:
        click.echo(error, err=True)
        sys.exit(1)
    click.echo(f"marks: {folder}/marked/marks.csv; for the students: {folder}/marked/feedback")


if __name__ == "__main__":
    cli()
