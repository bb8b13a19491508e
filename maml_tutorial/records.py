"""Recorded results: every number the book did not compute in the cell next to it."""

import json
import math
import os
import platform
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from maml_tutorial.evaluation import Score

RECORDS = Path(__file__).parent / "data"
BENCHMARKS = RECORDS / "benchmarks"
PART = ".part"  # how the name of a file ends that is not whole yet


@dataclass(frozen=True)
class Record:
    """One run and what came of it, with all that is needed to repeat it.

    Attributes:
        name: what it is called, also the file's name.
        command: the command that makes it again.
        config: every setting of the run.
        seeds: `{"init": …, "train": …, "test": …, "curve": …}`; with `validate`, "validation"
            instead of "test".
        steps_done: outer-loop steps that were run.
        steps_planned: outer-loop steps of the preset; fewer done means an unfinished run.
        scores: `{label: {inner steps: Score}}` on query sets of unseen tasks.
        history: `(step, loss)` pairs of the training.
        seconds: wall time of the training.
        device: what it was trained on.
        versions: of Python and the packages that matter.
        curve: `(step, {name: value})` pairs: the learning curve on unseen tasks.
        peak_mb: the most memory that one process of the training held, in MiB, since it was last
            resumed; None if unknown.
        weights: the SHA-256 of the weights that were kept beside the record; "" if none were.
        scored_on: what the scores were taken on; "" in records that are older than it.
        tf32: whether the GPU was allowed to round the factors of a product to ten binary digits
            (see `rounding`); None on a CPU, and in records that are older than it.
        preset: the preset whose settings these are, changed or not; "" if it is not known.
    """

    name: str
    command: str
    config: dict[str, Any]
    seeds: dict[str, int]
    steps_done: int
    steps_planned: int
    scores: dict[str, dict[int, Score]]
    history: list[tuple[int, float]]
    seconds: float
    device: str = field(default_factory=lambda: describe_device())
    versions: dict[str, str] = field(default_factory=lambda: describe_versions())
    weights: str = ""
    curve: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    peak_mb: int | None = None
    scored_on: str = ""
    tf32: bool | None = None
    preset: str = ""


def describe_device(device: str = "cpu") -> str:
    """Name the processor in words, with the number of threads, or the GPU.

    Example:
        >>> "thread" in describe_device()
        True
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device.startswith("mps"):
        return f"{platform.machine()} GPU of a Mac"
    threads = torch.get_num_threads()
    return f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}"


def peak_kb(device: str = "cpu") -> int | None:
    """Most memory that this process has held so far, in KiB; on a GPU, that of its tensors.

    On Linux it is read where the kernel counts for this program alone: what `getrusage` gives to
    a new process begins with the memory of the one that started it.

    Returns:
        None where the system does not tell (Windows).

    Example:
        >>> 50_000 < peak_kb() < 100_000_000
        True
    """
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) // 1024
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    try:
        from resource import RUSAGE_SELF, getrusage
    except ModuleNotFoundError:
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss // 1024  # macOS counts bytes


def describe_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result, and the commit, if known.

    Example:
        >>> {"python", "maml_tutorial", "torch"} <= describe_versions().keys()
        True
    """
    packages = {name: version(name) for name in ("maml_tutorial", "torch")}
    commit = _commit()
    return {"python": platform.python_version(), **packages} | (
        {"commit": commit} if commit else {}
    )


def _commit() -> str:
    """The commit of the checkout that this file is one of, "-dirty" if it was changed; or ""."""
    here = Path(__file__)
    try:
        for words in (
            ["ls-files", "--error-unmatch", here.name],
            ["describe", "--always", "--dirty"],
        ):
            git = ["git", "-C", str(here.parent), *words]
            found = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def save_record(record: Record, folder: str | Path) -> Path:
    """Write `folder/<name>.json`, beside it first and renamed when whole.

    Returns:
        The file's path.

    Raises:
        OSError: if the folder cannot be written to; nothing half-written is left.
        ValueError: if a value is not JSON or not finite.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_record(load_record("sinusoid-k5"), Path(folder))
        ...     path.name
        'sinusoid-k5.json'
    """
    fields = asdict(record) | {"scores": _without_nan(record.scores)}
    text = json.dumps(fields, indent=1, allow_nan=False) + "\n"
    target = Path(folder) / f"{record.name}.json"
    write_whole(target, text.encode())
    return target


def _without_nan(value: Any) -> Any:
    """Nobody has a mean where every task diverged, or the interval of one task: JSON's null."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _score(values: list[Any]) -> Score:
    """A score as it was before it was written; older ones have no median."""
    found = Score(*values)
    mean, interval = (math.nan if v is None else v for v in found[:2])
    median = math.nan if math.isnan(mean) else found.median
    return found._replace(mean=mean, interval=interval, median=median)


def write_whole(target: Path, data: bytes) -> None:
    """Write a file beside its place and rename it when it is whole.

    Raises:
        OSError: if the folder cannot be written to; nothing half-written is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(PART, f".{target.name}.", target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(beside, 0o644)
        os.replace(beside, target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def clear_parts(name: str, folder: Path) -> None:
    """Take away what a process that was killed while it wrote has left half-written.

    Args:
        name: of the run; nobody else may be writing under it.
        folder: where it wrote.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / ".a-run.json.x1.part").touch()
        ...     clear_parts("a-run", Path(folder))
        ...     list(Path(folder).iterdir())
        []
    """
    for part in folder.glob(f".{name}.*{PART}"):
        part.unlink()


def list_records(folder: str | Path = RECORDS) -> list[str]:
    """Names of the records in `folder`, by default those that ship with the package.

    Example:
        >>> "sinusoid-k5" in list_records()
        True
    """
    return sorted(path.stem for path in Path(folder).iterdir() if path.suffix == ".json")


def load_record(name: str, folder: str | Path = RECORDS) -> Record:
    """Read a record by name.

    Args:
        name: such as `"sinusoid-k5"`; `list_records()` gives them all.
        folder: where to look; by default, among those that ship with the package.

    Raises:
        KeyError: if there is no such record; the error lists those there are.

    Example:
        >>> record = load_record("sinusoid-k5")
        >>> record.scores["5-shot"][1].n_tasks >= 1000
        True
    """
    if name not in list_records(folder):
        raise KeyError(f"no record {name!r}; there are: {', '.join(list_records(folder))}")
    fields = json.loads((Path(folder) / f"{name}.json").read_text(encoding="utf-8"))
    fields["scores"] = {
        label: {int(steps): _score(value) for steps, value in by_steps.items()}
        for label, by_steps in fields["scores"].items()
    }
    for pairs in ("history", "curve"):
        fields[pairs] = [tuple(pair) for pair in fields.get(pairs, [])]
    return Record(**fields)


def load_benchmark(name: str) -> Any:
    """Read what a benchmark of the repository found, and a chapter prints.

    Args:
        name: such as `"relatives"`, found by `python -m benchmarks.relatives`.

    Raises:
        KeyError: if there is none of that name; the error lists those there are.

    Example:
        >>> len(load_benchmark("relatives")["learners"][0]["runs"])
        3
    """
    if name not in list_records(BENCHMARKS):
        known = ", ".join(list_records(BENCHMARKS))
        raise KeyError(f"no benchmark {name!r}; there are: {known}")
    return json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))
