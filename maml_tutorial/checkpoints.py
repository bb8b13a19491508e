"""Checkpoints: a training that was cut off goes on, and ends where it would have ended."""

import io
from pathlib import Path
from typing import Any

import torch

from maml_tutorial.records import write_whole


def save_checkpoint(
    snapshot: dict[str, Any], path: Path, *, config: dict[str, Any], seconds: float = 0.0
) -> None:
    """Write where a training stands, beside its place first and renamed when whole.

    Args:
        snapshot: `training.snapshot()`.
        path: the file; an older one is replaced, and stays if the new one cannot be written.
        config: the run's settings, compared when it is resumed.
        seconds: wall time so far.

    Raises:
        OSError: if the file cannot be written; the older one, if any, is untouched.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "run.checkpoint"
        ...     save_checkpoint({"step": 3}, path, config={"inner_lr": 0.1})
        ...     load_checkpoint(path, config={"inner_lr": 0.1})
        ({'step': 3}, 0.0)
    """
    file = io.BytesIO()
    torch.save({"config": config, "seconds": seconds, "snapshot": snapshot}, file)
    write_whole(path, file.getvalue())


def load_checkpoint(path: Path, *, config: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Read a checkpoint of a run with these settings.

    Returns:
        The snapshot, for `training.restore`, and the seconds of training so far.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is damaged, or no checkpoint, or belongs to a run with other
            settings; the error names those that differ.
        MemoryError: if there is too little memory to read it.
    """
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint {path}: start without --resume")
    kept = _read(path)
    if not (isinstance(kept, dict) and kept.keys() >= {"config", "seconds", "snapshot"}):
        raise ValueError(
            f"{path} is no checkpoint of this command: give another --output or --name"
        )
    differing = {
        key: (kept["config"].get(key), config.get(key))
        for key in sorted({*kept["config"], *config})
        if kept["config"].get(key) != config.get(key)
    }
    if differing:
        words = ", ".join(f"{key} {old!r}, now {new!r}" for key, (old, new) in differing.items())
        raise ValueError(f"{path} belongs to a run with other settings: {words}")
    return kept["snapshot"], kept["seconds"]


def _read(path: Path) -> Any:
    """Read what `torch.save` wrote, whichever device it was made on."""
    file = io.BytesIO(path.read_bytes())  # where this fails, the file may well be whole
    try:
        return torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:  # torch.load raises whatever the damage makes it trip over
        if out_of_memory(error):
            raise MemoryError(f"{path} cannot be read: out of memory. It stays as it is") from error
        raise ValueError(
            f"{path} is no whole checkpoint ({type(error).__name__}): take it away and start again"
        ) from error


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory is short, the processor's or the GPU's.

    Example:
        >>> out_of_memory(MemoryError()), out_of_memory(ValueError("allocate"))
        (True, False)
    """
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)
