"""Find, read and write notebooks, always in the same way."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
HASH = "source_hash"  # the notebook's metadata key: hash of the code that made its outputs
NOT_SOURCE = {".ipynb_checkpoints", "_build"}


def find_notebooks(paths: Iterable[Path] = ()) -> list[Path]:
    """Notebooks among ``paths`` (files, or folders in depth); all of ``book/`` without any.

    Raises:
        FileNotFoundError: A path does not exist, or is no notebook.
    """
    found: set[Path] = set()
    for path in list(paths) or [BOOK]:
        if path.is_dir():
            inside = ((p, p.relative_to(path).parts) for p in path.rglob("*.ipynb"))
            found |= {p for p, parts in inside if not NOT_SOURCE & set(parts)}
        elif path.suffix == ".ipynb" and path.is_file():
            found.add(path)
        else:
            raise FileNotFoundError(f"{path}: no notebook and no folder; give one of them")
    return sorted(found)


def read(path: Path) -> NotebookNode:
    """The notebook at ``path``, as it stands (no repair, so that `check` sees what is there)."""
    # `nbformat.read` would repair; this reader keeps missing and doubled ids visible.
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write ``notebook`` with one-space indent and a last newline; True where the file changed.

    The file is replaced in one move: a crash leaves the old notebook, never half a new one.
    """
    text = nbformat.v4.writes(notebook, ensure_ascii=False).rstrip("\n") + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
    return True


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Whether ``cell`` carries ``tag``."""
    return tag in cell.metadata.get("tags", [])


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that hold something to run."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def source_hash(notebook: NotebookNode) -> str:
    """Hash of all code after the set-up cell, in order.

    Prose may change without a new run, and so may the repository's address in the set-up cell
    (it decides no output); other code may not.
    """
    joined = "\0".join(cell.source for cell in code_cells(notebook)[1:])
    return "sha256:" + hashlib.sha256(joined.encode()).hexdigest()
