"""A per-user folder that keeps arrays which take seconds to make."""

import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """Return the folder to cache in: `cache_dir`, else `$MAML_TUTORIAL_CACHE`, else the user's.

    The user's folder is `$XDG_CACHE_HOME/maml_tutorial`, by default `~/.cache/maml_tutorial`.

    Example:
        >>> cache_folder("somewhere").name
        'somewhere'
    """
    chosen = cache_dir or os.environ.get("MAML_TUTORIAL_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "maml_tutorial"


def cached(name: str, make: Callable[[], Arrays], cache_dir: str | Path | None = None) -> Arrays:
    """Return the arrays kept under `name`; make and keep them where there are none.

    A damaged file is made again: every array carries a checksum. A new file is written beside its
    place and renamed, so that a reader never sees half of one.

    Args:
        name: name of the file, which says all that its contents depend on.
        make: returns the arrays; called only if they must be made.
        cache_dir: see `cache_folder`.

    Warns:
        RuntimeWarning: if the folder cannot be written to. The arrays are returned all the same.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = cached("squares", lambda: {"x": np.arange(4) ** 2}, folder)
        ...     again = cached("squares", lambda: {}, folder)
        >>> again["x"].tolist()
        [0, 1, 4, 9]
    """
    path = cache_folder(cache_dir) / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass  # there is none, or it is damaged
    arrays = make()
    try:
        _write(path, arrays)
    except OSError as error:
        warnings.warn(
            f"cannot write to the cache folder {path.parent} ({error}). Nothing is cached, so this "
            "takes as long next time. Give a folder you may write to: "
            "cache_dir=..., or the environment variable MAML_TUTORIAL_CACHE",
            RuntimeWarning,
            stacklevel=3,
        )
    return arrays


def _write(path: Path, arrays: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        beside = Path(folder) / path.name
        np.savez(beside, **arrays)
        os.replace(beside, path)
