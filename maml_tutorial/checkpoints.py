"""Checkpoints: a training that was cut off goes on, and ends where it would have ended."""

import io
from pathlib import Path
from typing import Any

import torch

from maml_tutorial.records import write_whole
from maml_tutorial.training import TrainingState


def save_checkpoint(
    state: TrainingState, path: Path, *, config: dict[str, Any], seconds: float = 0.0
) -> None:
    """Write where a training stands, beside its place first and renamed when whole.

    Args:
        state: what `meta_train` hands to its `checkpoint`.
        path: the file; an older one is replaced, and stays if the new one cannot be written.
        config: the run's settings, compared when it is resumed.
        seconds: wall time so far.

    Raises:
        OSError: if the file cannot be written; the older one, if any, is untouched.

    Example:
        >>> import tempfile
        >>> state = TrainingState(3, {"w": torch.ones(2)}, {}, torch.get_rng_state(), [], [0.5], [])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "run.checkpoint"
        ...     save_checkpoint(state, path, config={"inner_lr": 0.1})
        ...     load_checkpoint(path, config={"inner_lr": 0.1})[0].step
        3
    """
    file = io.BytesIO()
    torch.save({"config": config, "seconds": seconds, "state": state._asdict()}, file)
    write_whole(path, file.getvalue())


def load_checkpoint(path: Path, *, config: dict[str, Any]) -> tuple[TrainingState, float]:
    """Read a checkpoint of a run with these settings.

    Returns:
        The state, and the seconds of training so far.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is damaged, or belongs to a run with other settings; the error
            names those that differ.
    """
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint {path}: start without --resume")
    try:
        found = torch.load(path, weights_only=True)
        state = TrainingState(**found["state"])
        kept, seconds = found["config"], found["seconds"]
    except Exception as error:  # torch.load raises whatever the damage makes it trip over
        raise ValueError(
            f"{path} is no whole checkpoint ({type(error).__name__}): take it away and start again"
        ) from error
    differing = {
        key: (kept.get(key), config.get(key))
        for key in sorted({*kept, *config})
        if kept.get(key) != config.get(key)
    }
    if differing:
        words = ", ".join(f"{key} {old!r}, now {new!r}" for key, (old, new) in differing.items())
        raise ValueError(f"{path} belongs to a run with other settings: {words}")
    return state, seconds
