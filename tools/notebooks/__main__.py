"""The command line: ``python -m tools.notebooks run | normalise | check [PATHS]``."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click

from tools.notebooks.files import find_notebooks, read, write
from tools.notebooks.hygiene import check_notebook
from tools.notebooks.normalise import normalise
from tools.notebooks.run import NotebookFailedError, run_notebook

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


@click.group()
def cli() -> None:
    """Run, normalise or check notebooks; without paths, all of book/."""


@cli.command()
@PATHS
@click.option("--jobs", default=2, show_default=True, help="Notebooks run at the same time.")
@click.option("--limit", default=60.0, show_default=True, help="Seconds; above, a warning.")
def run(paths: tuple[Path, ...], jobs: int, limit: float) -> None:
    """Re-execute notebooks in place, then normalise them."""
    notebooks = _find(paths)
    workers = max(1, min(jobs, len(notebooks)))
    # Kernels side by side share the cores; without this each would take all of them.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    failed = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [(path, pool.submit(run_notebook, path)) for path in notebooks]
        for path, future in futures:
            try:
                seconds = future.result()
            except NotebookFailedError as error:
                failed += 1
                click.echo(f"failed  {error}", err=True)
            else:
                click.echo(f"{seconds:6.1f} s  {path}")
                if seconds > limit:
                    click.echo(f"warning: {path} took longer than {limit:.0f} s", err=True)
    if failed:
        sys.exit(f"{failed} of {len(notebooks)} notebooks failed; their files stay as they were.")


@cli.command(name="normalise")
@PATHS
def normalise_command(paths: tuple[Path, ...]) -> None:
    """Bring notebooks into one form, without running them."""
    for path in _find(paths):
        if write(normalise(read(path)), path):
            click.echo(f"normalised {path}")


@cli.command()
@PATHS
def check(paths: tuple[Path, ...]) -> None:
    """Check the notebooks' hygiene; each finding says how to mend it."""
    notebooks = _find(paths)
    findings = [finding for path in notebooks for finding in check_notebook(path)]
    for finding in findings:
        click.echo(finding)
    if findings:
        sys.exit(f"{len(findings)} findings; mend them as each line says.")
    click.echo(f"{len(notebooks)} notebooks are clean")


def _find(paths: tuple[Path, ...]) -> list[Path]:
    try:
        return find_notebooks(paths)
    except FileNotFoundError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    cli(prog_name="python -m tools.notebooks")
