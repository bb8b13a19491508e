"""Trained weights in safetensors files; a recorded run's are checked against its record."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from maml_tutorial.models import Params
from maml_tutorial.records import RECORDS, list_records, load_record, write_whole

SUFFIX = ".safetensors"
LEARNS = "learns"  # the format itself keeps neither an order nor what is frozen


def save_weights(params: Params, path: str | Path) -> str:
    """Write parameters as a safetensors file, beside it first and renamed when whole.

    Args:
        params: `{name: tensor}`, as `meta_train(…).params`. Their order, and which of them are
            frozen, is kept. Buffers, such as running averages, are no parameters: to keep
            them, too, give `params | dict(model.named_buffers())`.
        path: the file, such as `"runs/mine.safetensors"`; `load_weights(path)` reads it.

    Returns:
        The file's SHA-256, for the run's record.

    Raises:
        ValueError: if the file's name does not end in `.safetensors`.
        OSError: if the folder cannot be written to; nothing half-written is left.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.safetensors"
        ...     digest = save_weights({"theta": torch.zeros(2)}, path)
        ...     len(digest), load_weights(path), load_weights("mine", folder)
        (64, {'theta': tensor([0., 0.])}, {'theta': tensor([0., 0.])})
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"the file's name must end in {SUFFIX}, got {path.name!r}")
    learns = {name: p.requires_grad for name, p in params.items()}
    data = save(
        {name: p.detach().cpu().contiguous() for name, p in params.items()},
        {LEARNS: json.dumps(learns)},
    )
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(name: str | Path, folder: str | Path = RECORDS) -> Params:
    """Read weights: those of a recorded run, or a file that `save_weights` wrote.

    Args:
        name: a record's name, such as `"sinusoid-k5"`, or a file, such as
            `"runs/mine.safetensors"`.
        folder: where to look for a name, a `str` or a `Path`; by default, among the records that
            ship with the package.

    Returns:
        `{name: tensor}`, leaves; those that were frozen are.

    Raises:
        KeyError: if there is neither such a record nor such a file.
        FileNotFoundError: if the record has no weights beside it, or the file is not there.
        ValueError: if the file is no safetensors file, or not the one that its record speaks of.

    Example:
        >>> params = load_weights("sinusoid-k5")
        >>> params["0.weight"].shape, params["0.weight"].requires_grad
        (torch.Size([40, 1]), True)
    """
    path = Path(name)
    if path.suffix == SUFFIX:
        return _read(path)
    file = Path(folder) / f"{name}{SUFFIX}"
    if str(name) not in list_records(folder):
        if not file.is_file():
            files = sorted({p.name.partition(".")[0] for p in Path(folder).iterdir()})
            raise KeyError(f"no record and no file {name}{SUFFIX}; there are: {', '.join(files)}")
        return _read(file)
    record = load_record(str(name), folder)
    if not record.weights or not file.is_file():
        raise FileNotFoundError(
            f"the run {name!r} was recorded without weights; make them again: {record.command}"
        )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != record.weights:
        raise ValueError(
            f"{file} is not what its record speaks of: its SHA-256 begins {digest[:12]}, the "
            f"record's {record.weights[:12]}. Fetch both again, or repeat: {record.command}"
        )
    return _read(file)


def _read(file: Path) -> Params:
    try:
        params = load(file.read_bytes())
        with safe_open(file, "pt") as opened:
            kept = json.loads((opened.metadata() or {}).get(LEARNS, "{}"))
    except SafetensorError as error:
        raise ValueError(f"{file} is no safetensors file ({error})") from error
    learns = kept or dict.fromkeys(sorted(params, key=_as_in_a_network), True)
    return {name: params[name].requires_grad_(learns[name]) for name in learns}


def _as_in_a_network(name: str) -> tuple[Any, ...]:
    """Sort by the numbers of layers, and each layer's weight before its bias."""
    *layers, leaf = name.split(".")
    return [(not part.isdigit(), int(part) if part.isdigit() else part) for part in layers], (
        leaf != "weight",
        leaf,
    )
