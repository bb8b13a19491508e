"""Short runs, each disturbed at a random moment, and taken up again. Written as JSON.

    python -m benchmarks.interruptions benchmarks/interruptions.json [RUNS]

A run may be killed, asked to stop by SIGTERM or Ctrl-C, find the disk full or the folder
read-only; its checkpoint may be damaged, or be another run's. Afterwards it goes on as its own
messages say. Each must end with the bytes of the weights, the scores and the learning curve of a
run that nobody disturbed, and leave nothing half-written. Needs a system that can fork (Linux,
macOS); the full disk is a limit on the size of files.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from maml_tutorial.__main__ import main as command
from maml_tutorial.records import describe_device, describe_versions, load_record

NAME, RUNS = "sinusoid-k5", 100
NOBODY = 65534  # root may write into any folder: the runs are somebody else's
OPTIONS = ("--meta-steps", "60", "--set", "n_test_tasks=20", "--checkpoint-every", "5")


class Run:
    """The command in a process of its own, forked: PyTorch is loaded once."""

    def __init__(self, folder: Path, *options: str) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self._child(writing, ["train", NAME, *OPTIONS, "--output", str(folder), *options])
        os.close(writing)
        self._said = os.fdopen(reading, errors="replace")

    def _child(self, writing: int, words: list[str]) -> None:
        status = 1
        try:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            signal.signal(signal.SIGUSR1, _fill_the_disk)
            if os.getuid() == 0:
                os.setuid(NOBODY)
            command(words)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        finally:
            sys.stdout.flush()
            os._exit(status)

    def signal(self, number: int) -> None:
        """Send a signal; a run that has ended does not mind."""
        os.kill(self.pid, number)

    def ended(self) -> tuple[int, str]:
        """Wait; return the exit status, negative after a signal, and what was said."""
        said = self._said.read()
        self._said.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), said


def _fill_the_disk(number: int, frame: object) -> None:
    """From now on this process can write nothing large."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))


def by_signal(number: int) -> Callable[[Run, Path, random.Random], None]:
    """Return what sends a signal to a run."""
    return lambda run, folder, chance: run.signal(number)


def full_disk(run: Run, folder: Path, chance: random.Random) -> None:
    """Let no file grow beyond a few thousand bytes, too few for a checkpoint."""
    run.signal(signal.SIGUSR1)


def read_only(run: Run, folder: Path, chance: random.Random) -> None:
    """Let nothing be written into the folder."""
    folder.chmod(0o555)


def damaged(run: Run, folder: Path, chance: random.Random) -> None:
    """Kill the run, and cut its checkpoint off somewhere."""
    run.signal(signal.SIGKILL)
    time.sleep(0.2)
    if (file := folder / f"{NAME}.checkpoint").exists():
        data = file.read_bytes()
        file.write_bytes(data[: chance.randrange(len(data))])


def foreign(run: Run, folder: Path, chance: random.Random) -> None:
    """Kill the run, and put the checkpoint of another in the place of its own."""
    run.signal(signal.SIGKILL)
    time.sleep(0.2)
    if (file := folder / f"{NAME}.checkpoint").exists():
        kept = torch.load(file)
        torch.save(kept | {"config": kept["config"] | {"seed": 7}}, file)


WAYS = {
    "SIGKILL": by_signal(signal.SIGKILL),
    "SIGTERM": by_signal(signal.SIGTERM),
    "Ctrl-C": by_signal(signal.SIGINT),
    "full disk": full_disk,
    "read-only folder": read_only,
    "damaged checkpoint": damaged,
    "foreign checkpoint": foreign,
}


def whole(folder: Path) -> None:
    """Read every file that stands under its own name, not under that of a part.

    Raises:
        RuntimeError: if one is half-written.
    """
    for file in folder.iterdir():
        try:
            if file.suffix == ".json":
                load_record(file.stem, folder)
            elif file.suffix == ".safetensors":
                load_file(file)
            elif file.suffix == ".checkpoint":
                torch.load(file)
            elif not file.name.startswith("."):
                raise ValueError("nobody knows it")
        except Exception as error:
            raise RuntimeError(f"{file.name} is half-written: {error}") from error


def disturbed(way: str, folder: Path, chance: random.Random, seconds: float) -> str:
    """Disturb a run, and let it go on until it is finished; say where it was met.

    Raises:
        RuntimeError: if a message or a file is not as promised.
    """
    run = Run(folder)
    time.sleep(chance.uniform(0, seconds))
    WAYS[way](run, folder, chance)
    status, said = run.ended()
    folder.chmod(0o777)
    record, checkpoint = folder / f"{NAME}.json", folder / f"{NAME}.checkpoint"
    if way not in ("damaged checkpoint", "foreign checkpoint"):
        whole(folder)
    if record.exists() and not checkpoint.exists():
        if status == -signal.SIGKILL:  # the last thing to go: the name's next run takes it away
            (folder / f".{NAME}.lock").unlink(missing_ok=True)
        return "after its end"
    if status == 0:
        raise RuntimeError(f"{way}: it says that it is finished, and is not: {said}")
    if status > 0 and "Traceback" in said:
        raise RuntimeError(f"{way}: no line for the error: {said}")
    if way in ("SIGTERM", "Ctrl-C") and checkpoint.exists() and status != 130 and status > 0:
        raise RuntimeError(f"{way}: ended with {status}: {said}")
    if not checkpoint.exists():
        met, options = "before a checkpoint", ()
    else:
        met, options = "with a checkpoint", ("--resume",)
        if way in ("damaged checkpoint", "foreign checkpoint"):
            before = checkpoint.read_bytes()
            status, said = Run(folder, *options).ended()
            wanted = "no whole checkpoint" if way == "damaged checkpoint" else "other settings"
            if status != 1 or wanted not in said or checkpoint.read_bytes() != before:
                raise RuntimeError(f"{way}: not refused as such: {status} {said}")
            options = ("--force",)
        if record.exists():  # it was met between the record and the end
            options = (*options, "--force")
    status, said = Run(folder, *options).ended()
    if status:
        raise RuntimeError(f"{way}: it does not go on: {status} {said}")
    return met


def same(folder: Path, other: Path) -> bool:
    """Whether two runs left the same: bytes of weights, scores, losses and curve, and no more."""
    files = [sorted(file.name for file in of.iterdir()) for of in (folder, other)]
    bytes_ = [(of / f"{NAME}.safetensors").read_bytes() for of in (folder, other)]
    one, two = (load_record(NAME, of) for of in (folder, other))
    return (
        files[0] == files[1]
        and bytes_[0] == bytes_[1]
        and (one.scores, one.history, one.curve) == (two.scores, two.history, two.curve)
    )


def measure(runs: int, seed: int = 0) -> dict:
    """Disturb so many runs, the ways in turn; return how many came out the same.

    Raises:
        RuntimeError: if a message or a file is not as promised.
    """
    chance, met, right = random.Random(seed), Counter(), Counter()
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    torch.set_num_threads(1)
    try:
        # What is imported on the way is imported here, once: not everybody may read root's Python.
        command(["train", NAME, *OPTIONS, "--output", str(root / "first")], standalone_mode=False)
        folder = _made(root / "undisturbed")
        began = time.perf_counter()
        if Run(folder).ended()[0]:
            raise RuntimeError("a run that nobody disturbs fails")
        seconds = time.perf_counter() - began
        for number in range(runs):
            way = list(WAYS)[number % len(WAYS)]
            cut = _made(root / str(number))
            met[f"{way}, {disturbed(way, cut, chance, seconds)}"] += 1
            right[way] += same(cut, folder)
            shutil.rmtree(cut)
    finally:
        shutil.rmtree(root)
    return {
        "runs": runs,
        "seed": seed,
        "the same as undisturbed": dict(right),
        "met": dict(sorted(met.items())),
        "device": describe_device(),
        "versions": describe_versions(),
    }


def _made(folder: Path) -> Path:
    """A folder that the runs may write into."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def main() -> None:
    """Disturb runs and write what came of it into the file named on the command line."""
    found = measure(int(sys.argv[2]) if len(sys.argv) > 2 else RUNS)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")
    right = sum(found["the same as undisturbed"].values())
    print(f"{right} of {found['runs']} runs ended as if nobody had disturbed them")


if __name__ == "__main__":
    main()
