"""Execute a notebook in a fresh kernel; its file changes only when every cell ran."""

import time
from collections.abc import Callable
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools.notebooks.files import HASH, code_cells, read, source_hash, write
from tools.notebooks.normalise import normalise

CELL_SECONDS = 600  # a cell that takes longer is stuck


class NotebookFailedError(RuntimeError):
    """A cell did not run to its end."""


def execute(
    notebook: NotebookNode, path: Path, *, kernel: str = "python3", **hooks: Callable[..., None]
) -> NotebookNode:
    """Run all cells of ``notebook`` with ``path``'s folder as working directory.

    Args:
        notebook: Its outputs are made anew.
        path: Where it stands.
        kernel: Name of the kernel.
        hooks: What nbclient is to call, such as ``on_cell_executed``.

    Raises:
        NotebookFailedError: Names the notebook, the cell and the exception.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name=kernel,
        extra_arguments=["--log-level=ERROR"],  # newer kernels warn of plain TCP; it is local
        resources={"metadata": {"path": str(path.parent)}},
        **hooks,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise NotebookFailedError(
            f"{path}: cell {_failed_cell(notebook)}: {error.ename}: {error.evalue}"
        ) from error
    except (CellTimeoutError, DeadKernelError) as error:
        reason = str(error).splitlines()[0]
        raise NotebookFailedError(
            f"{path}: cell {_failed_cell(notebook)}: {type(error).__name__}: {reason}"
        ) from error
    return notebook


def run_notebook(path: Path, *, kernel: str = "python3") -> float:
    """Execute, normalise and write the notebook at ``path``; the seconds its cells took.

    Raises:
        NotebookFailedError: Names notebook, cell and exception; the file stays as it was.
    """
    start = time.perf_counter()
    notebook = execute(normalise(read(path)), path.resolve(), kernel=kernel)
    seconds = time.perf_counter() - start
    notebook.metadata[HASH] = source_hash(notebook)
    write(normalise(notebook), path)
    return seconds


def _failed_cell(notebook: NotebookNode) -> str:
    """The id of the cell that stopped the run: the one with an error, or the last that started."""
    cells = code_cells(notebook)
    for cell in cells:
        if any(output.output_type == "error" for output in cell.outputs):
            return str(cell.id)
    # A cell that was stopped has no count yet: it is the first without one.
    return str(next((cell.id for cell in cells if cell.execution_count is None), cells[-1].id))
