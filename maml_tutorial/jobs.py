"""A job: a preset's training with all that a long one needs, from checkpoints to processes."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch.nn.utils import clip_grad_norm_

from maml_tutorial.checkpoints import load_checkpoint, save_checkpoint
from maml_tutorial.gradients import captured, compiled
from maml_tutorial.learners import MetaGradient
from maml_tutorial.models import init_params
from maml_tutorial.parallel import is_first, n_processes, total
from maml_tutorial.presets import Preset
from maml_tutorial.records import clear_parts
from maml_tutorial.runs import Log, Watch, curve_steps, log_nothing, log_to, watch_unseen
from maml_tutorial.training import Training, cosine, outer_loop, with_bar


class StoppedError(Exception):
    """A training was asked to stop, and has kept a checkpoint."""


@contextmanager
def rounding(*, tf32: bool) -> Iterator[None]:
    """Say, for a while, whether a GPU may round to TF32 what it multiplies; a CPU never does.

    TF32 keeps ten binary digits of the twenty-three that float32 has after the leading one.
    PyTorch allows it in convolutions unless it is told otherwise.

    Example:
        >>> with rounding(tf32=False):
        ...     torch.backends.cudnn.allow_tf32
        False
    """
    backends: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = tf32
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


class Pace:
    """Steps a second, since it was last asked; pauses do not count."""

    def __init__(self, step: int) -> None:
        self.step, self.began = step, time.perf_counter()

    def since(self, step: int) -> float:
        """Return the steps a second since the last call, and begin again from here."""
        now = time.perf_counter()
        pace = (step - self.step) / (now - self.began)
        self.step, self.began = step, now
        return pace

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave a while out of account."""
        stopped = time.perf_counter()
        yield
        self.began += time.perf_counter() - stopped


def gradient_norm(training: Training) -> float:
    """Return the length of the meta-gradient of the last step.

    Example:
        >>> theta = {"theta": torch.zeros(2, requires_grad=True)}
        >>> training = Training.begun(theta, torch.Generator())
        >>> training.params["theta"].grad = torch.tensor([3.0, 4.0])
        >>> gradient_norm(training)
        5.0
    """
    return float(clip_grad_norm_(training.params.values(), math.inf))  # clips nothing


def default_name(preset: str, run: Preset) -> str:
    """Return what a run is called, unless it is told otherwise: by what it differs in kind.

    Example:
        >>> from maml_tutorial.presets import PRESETS
        >>> default_name("glyphs-5w1s", PRESETS["glyphs-5w1s"])
        'glyphs-5w1s'
    """
    kind = "" if run.learner == "maml" else f"-{run.learner}"
    return preset + kind + "-first-order" * run.first_order + "-validation" * run.validate


@dataclass(frozen=True)
class Job:
    """One training of the command.

    Attributes:
        preset: the preset's name.
        run: its settings, changed as asked.
        seed: of the first weights; seeds of tasks follow from it.
        output: the folder for checkpoints, logs, weights and the record.
        options: the options that decide what comes out, as words of the command.
        called: the record's name, if it is to have one of its own.
        compiled: compile the meta-gradient first.
        logs: write logs for TensorBoard.
        checkpoint_every: steps between two checkpoints.
    """

    preset: str
    run: Preset
    seed: int
    output: Path
    options: str = ""
    called: str = ""
    compiled: bool = False
    logs: bool = False
    checkpoint_every: int = 1000

    @property
    def name(self) -> str:
        """The name of the record, the weights and the checkpoint."""
        return self.called or default_name(self.preset, self.run)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's file."""
        return self.output / f"{self.name}.checkpoint"

    @property
    def record(self) -> Path:
        """The record's file; where it is, the run is finished."""
        return self.output / f"{self.name}.json"

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.output / f"{self.name}.safetensors"

    @property
    def test_seed(self) -> int:
        """The seed of the tasks that the run is scored on."""
        return self.seeds["validation" if self.run.validate else "test"]

    @property
    def seeds(self) -> dict[str, int]:
        """One seed for each use: no two draw the same tasks."""
        uses = ("init", "train", "validation" if self.run.validate else "test", "curve")
        seeds = {use: self.seed + i for i, use in enumerate(uses)}
        # Sine waves are validated on other tasks than they are tested on.
        return seeds | {"validation": self.seed + 4} if self.run.validate else seeds

    @cached_property
    def config(self) -> dict[str, Any]:
        """What a checkpoint must agree on before it is resumed: not on how it is computed."""
        settings = {key: value for key, value in asdict(self.run).items() if key != "chunk"}
        return settings | {"name": self.preset, "seed": self.seed}

    def command(self, processes: int = 1) -> str:
        """Return the command that does this job."""
        launcher = f"torchrun --nproc-per-node {processes}" if processes > 1 else "python"
        named = f" --name {self.called}" if self.called else ""
        return (
            f"{launcher} -m maml_tutorial train {self.preset}{self.options}{named} "
            f"--seed {self.seed}"
        )

    @contextmanager
    def held(self, *, force: bool = False, resume: bool = False) -> Iterator[None]:
        """Let nobody else write under this name in this folder, and replace nothing unasked.

        Args:
            force: what is there under this name may be replaced.
            resume: the run goes on; its weights may be there already, its record may not.

        Raises:
            OSError: if another run is at it, if a run of this name is finished, if one was cut off
                and is not to go on, or if the folder cannot be written to.
        """
        if not is_first():
            yield
            return
        self.output.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.output / f".{self.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise OSError(
                f"another run is writing {self.name} into {self.output}: wait for it, or choose "
                "another --name or --output"
            ) from error
        try:
            clear_parts(self.name, self.output)
            self._refuse_to_replace(force, resume)
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: nobody else has it
            lock.release()

    def _refuse_to_replace(self, force: bool, resume: bool) -> None:
        if force:
            return
        finished = self.record.exists()
        if finished or (self.weights.exists() and not resume):
            there = self.record if finished else self.weights
            raise FileExistsError(
                f"{there} is there already: --name NAME keeps both, --force replaces it"
            )
        if self.checkpoint.exists() and not resume:
            raise FileExistsError(
                f"{self.checkpoint} is of a run that was cut off: --resume goes on with it, "
                "--force starts anew"
            )

    def trained(
        self, place: torch.device, stop: Callable[[], bool], *, resume: bool
    ) -> tuple[Training, float]:
        """Train, from the start or from the checkpoint; return the training and its seconds.

        Args:
            place: the device to train on.
            stop: asked after every step.
            resume: go on from the checkpoint.

        Raises:
            StoppedError: if `stop()` said so, in any of the processes.
            OSError: if a checkpoint is missing, in the way, or cannot be written.
            ValueError: if the checkpoint is damaged or of other settings.
        """
        training, before = self._begun(place, resume)
        watch = watch_unseen(self.run, self.seeds["curve"])
        log, watched = self._log(training.step), curve_steps(self.run.meta_steps)
        began = time.perf_counter() - before
        pace = Pace(training.step)
        steps = outer_loop(
            training,
            self._gradient(place),
            self.run.sampler(place),
            meta_batch_size=self.run.meta_batch_size,
            meta_steps=self.run.meta_steps,
            schedule=cosine if self.run.decay else lambda done: 1.0,
            log_every=max(1, self.run.meta_steps // 100),
        )
        for _ in with_bar(steps, self.run.meta_steps, done=training.step):
            if training.logged() and is_first():
                loss = {"loss": training.history[-1][1], "gradient norm": gradient_norm(training)}
                log(training.step, loss | {"steps per second": pace.since(training.step)})
            if training.step in watched and is_first():
                with pace.paused():
                    self._watch(training, watch, log)
            asked = stop()
            if n_processes() > 1:
                asked = bool(total([torch.tensor(float(asked), device=place)])[0])
            last = training.step == self.run.meta_steps
            if asked or last or training.step % self.checkpoint_every == 0:
                self._keep(training, time.perf_counter() - began)
            if asked:
                raise StoppedError(f"stopped after step {training.step}")
        return training, time.perf_counter() - began

    def _watch(self, training: Training, watch: Watch, log: Log) -> None:
        if seen := watch(training.params):
            training.curve.append((training.step, seen))
            log(training.step, seen)

    def _log(self, done: int) -> Log:
        if not (self.logs and is_first()):
            return log_nothing
        return log_to(self.output / f"{self.name}.logs", done)

    def _begun(self, place: torch.device, resume: bool) -> tuple[Training, float]:
        """Return the training, and the seconds that it has taken so far."""
        model = self.run.model()
        start = self.run.learner_for(model).start(init_params(model, seed=self.seed))
        training = Training.begun(
            {
                name: p.detach().to(place).requires_grad_(p.requires_grad)
                for name, p in start.items()
            },
            torch.Generator(place).manual_seed(self.seeds["train"]),
            meta_lr=self.run.meta_lr,
        )
        if not resume:
            return training, 0.0
        snapshot, seconds = load_checkpoint(self.checkpoint, config=self.config)
        training.restore(snapshot)
        if is_first():
            print(f"going on after step {training.step}")
        return training, seconds

    def _gradient(self, place: torch.device) -> MetaGradient:
        gradient = self.run.learner_for(self.run.model()).gradient
        if place.type == "cuda" and not self.compiled:
            gradient = captured(gradient)
        return self.run.engine(compiled(gradient) if self.compiled else gradient)

    def _keep(self, training: Training, seconds: float) -> None:
        if not is_first():
            return
        try:
            save_checkpoint(
                training.snapshot(), self.checkpoint, config=self.config, seconds=seconds
            )
        except OSError as error:
            raise OSError(
                f"{self.checkpoint} cannot be written ({error}); an earlier checkpoint, if any, "
                "is whole"
            ) from error
