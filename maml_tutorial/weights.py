"""Trained weights that ship with the package, each with the record of the run that made them."""

import hashlib
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from maml_tutorial.models import Params
from maml_tutorial.records import RECORDS, load_record, write_whole


def save_weights(params: Params, path: Path) -> str:
    """Write parameters as a safetensors file, beside it first and renamed when whole.

    Args:
        params: `{name: tensor}`, as `meta_train` returns them.
        path: the file, such as `runs/sinusoid-k5.safetensors`.

    Returns:
        The file's SHA-256, for the run's record.

    Raises:
        OSError: if the folder cannot be written to; nothing half-written is left.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     len(save_weights({"theta": torch.zeros(2)}, Path(folder) / "w.safetensors"))
        64
    """
    data = save({name: p.detach().cpu().contiguous() for name, p in params.items()})
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(name: str, folder: Any = RECORDS) -> Params:
    """Read the weights of a recorded run, and make sure that they are that run's.

    Args:
        name: the record's name, such as `"sinusoid-k5"`.
        folder: where to look; by default, among those that ship with the package.

    Returns:
        `{name: tensor}`, leaves that require a gradient.

    Raises:
        KeyError: if there is no such record.
        FileNotFoundError: if the record has no weights beside it.
        ValueError: if the file is not the one that the record speaks of.

    Example:
        >>> params = load_weights("sinusoid-k5")
        >>> params["0.weight"].shape, params["0.weight"].requires_grad
        (torch.Size([40, 1]), True)
    """
    record = load_record(name, folder)
    file = folder / f"{name}.safetensors"
    if not record.weights or not file.is_file():
        raise FileNotFoundError(
            f"the run {name!r} was recorded without weights; make them again: {record.command}"
        )
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != record.weights:
        raise ValueError(
            f"{file} is not what its record speaks of: its SHA-256 begins {digest[:12]}, the "
            f"record's {record.weights[:12]}. Fetch both again, or repeat: {record.command}"
        )
    try:
        return {key: p.requires_grad_() for key, p in load(data).items()}
    except SafetensorError as error:
        raise ValueError(f"{file} is no safetensors file ({error})") from error
