"""A job: a preset's training with all that a long one needs, from checkpoints to processes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from maml_tutorial.checkpoints import load_checkpoint, save_checkpoint
from maml_tutorial.gradients import captured, compiled
from maml_tutorial.learners import MetaGradient
from maml_tutorial.models import init_params
from maml_tutorial.parallel import is_first, n_processes, total
from maml_tutorial.presets import Preset
from maml_tutorial.runs import Watch, logged, watch_unseen
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


@dataclass(frozen=True)
class Job:
    """One training of the command.

    Attributes:
        preset: the preset's name.
        run: its settings, changed as asked.
        seed: of the first weights; seeds of tasks follow from it.
        output: the folder for checkpoints, logs, weights and the record.
        options: the options that were given, as words of the command.
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
        return self.called or self.preset + ("-first-order" if self.run.first_order else "")

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's file."""
        return self.output / f"{self.name}.checkpoint"

    @property
    def seeds(self) -> dict[str, int]:
        """One seed for each use: no two draw the same tasks."""
        return {"init": self.seed, "train": self.seed + 1} | {
            "test": self.seed + 2,
            "curve": self.seed + 3,
        }

    @cached_property
    def config(self) -> dict[str, Any]:
        """What a checkpoint must agree on before it is resumed: not on how it is computed."""
        settings = {key: value for key, value in asdict(self.run).items() if key != "chunk"}
        return settings | {"name": self.preset, "seed": self.seed}

    def command(self, processes: int = 1) -> str:
        """Return the command that does this job."""
        launcher = f"torchrun --nproc-per-node {processes}" if processes > 1 else "python"
        return f"{launcher} -m maml_tutorial train {self.preset}{self.options} --seed {self.seed}"

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
        training, watch, before = self._begun(place, resume)
        began = time.perf_counter() - before
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
                seen = watch(*training.history[-1], training.params)
                training.curve += [(training.step, seen)] if seen else []
            asked = stop()
            if n_processes() > 1:
                asked = bool(total([torch.tensor(float(asked), device=place)])[0])
            if asked or training.step % self.checkpoint_every == 0:
                self._keep(training, time.perf_counter() - began)
            if asked:
                raise StoppedError(f"stopped after step {training.step}")
        return training, time.perf_counter() - began

    def _begun(self, place: torch.device, resume: bool) -> tuple[Training, Watch, float]:
        """Return the training, what watches it, and the seconds that it has taken so far."""
        model = self.run.model()
        start = self.run.learner(model).start(init_params(model, seed=self.seed))
        training = Training.begun(
            {
                name: p.detach().to(place).requires_grad_(p.requires_grad)
                for name, p in start.items()
            },
            torch.Generator(place).manual_seed(self.seeds["train"]),
            meta_lr=self.run.meta_lr,
        )
        seconds = 0.0
        if resume:
            snapshot, seconds = load_checkpoint(self.checkpoint, config=self.config)
            training.restore(snapshot)
            if is_first():
                print(f"going on after step {training.step}")
        elif self.checkpoint.exists():
            raise FileExistsError(
                f"{self.checkpoint} is of a run that was cut off: --resume goes on with it, or "
                "take it away"
            )
        watch = watch_unseen(self.run, self.seeds["curve"])
        if self.logs and is_first():
            watch = logged(watch, self.output / f"{self.name}.logs", training.step)
        return training, watch, seconds

    def _gradient(self, place: torch.device) -> MetaGradient:
        gradient = self.run.learner(self.run.model()).gradient
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
