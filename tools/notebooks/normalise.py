"""Bring a notebook into one form, so that a new run changes only what really changed."""

import hashlib
import re

from nbformat import NotebookNode

from tools.notebooks.files import HASH

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"\d+%\|.*\||\bit/s\b|\bs/it\b")


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Normalise ``notebook`` in place and return it.

    Kept: cell ids, tags, sources, outputs, the hash of the code that made them.
    Dropped: every other metadata, progress bars, widget views (no kernel, no widget).
    Counts run 1…n over the executed cells. Doing it twice changes nothing.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    metadata = {"kernelspec": KERNEL}
    if HASH in notebook.metadata:
        metadata[HASH] = notebook.metadata[HASH]
    notebook.metadata = NotebookNode(metadata)
    count = 0
    for index, cell in enumerate(notebook.cells):
        cell.setdefault("id", _new_id(index, cell.source))
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": sorted(tags)} if tags else {})
        cell.pop("attachments", None)
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        cell.outputs = _outputs(cell.outputs, cell.execution_count)
    return notebook


def _new_id(index: int, source: str) -> str:
    return "c" + hashlib.sha256(f"{index}\0{source}".encode()).hexdigest()[:8]


def _outputs(outputs: list[NotebookNode], count: int | None) -> list[NotebookNode]:
    """Outputs without what passes, with neighbouring pieces of one stream joined."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                # Piece by piece: a warning right behind a progress bar must not go with it.
                output.text = _without_progress(output.text)
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
            elif output.text:
                kept.append(output)
        elif WIDGET not in output.get("data", {}):
            if "metadata" in output:
                output.metadata = NotebookNode()
            if output.output_type == "execute_result":
                output.execution_count = count
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = _final_text(output.text)
    return [output for output in kept if output.output_type != "stream" or output.text.strip()]


def _without_progress(text: str) -> str:
    """``text`` without the lines of progress bars."""
    lines = re.split(r"(?<=[\r\n])", text)
    return "".join(line for line in lines if not PROGRESS.search(line))


def _final_text(text: str) -> str:
    r"""What a terminal shows at the end, where ``\r`` overwrites its line."""
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
