"""What a GPU does to a meta-gradient: how far off it is, how often the same, how soon there.

    python -m benchmarks.gpu maml_tutorial/data/benchmarks/gpu.json

For each preset on Omniglot, at the first weights (seed 0) and on one meta-batch (seed 1), the
relative error ‖g − g₆₄‖ / ‖g₆₄‖, where g₆₄ is computed in float64 on a CPU. In float32 a GPU may
round the factors of products to TF32, in convolutions, in matrix products, in both, or not at all.

"again" is how far a second call is from the first, "recorded" how far a CUDA graph of it is (see
`captured`), and 0 means that each bit is the same. "nudged" is how far g₆₄ itself moves if each
weight is changed at random by such a part of itself.

The record was taken with g₆₄ and the tasks brought along, computed beforehand on another machine;
this script computes them first. The nudges were computed on a CPU later.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from maml_tutorial import Task, init_params
from maml_tutorial.gradients import captured
from maml_tutorial.learners import MetaGradient
from maml_tutorial.models import Params
from maml_tutorial.presets import PRESETS, Preset
from maml_tutorial.records import describe_device, describe_versions
from maml_tutorial.training import Training, outer_loop

NAMES = [f"omniglot-{n}" for n in ("5w1s", "20w1s", "5w1s-no-conv", "5w5s", "20w5s")]
LOOPS = NUDGED = NAMES[:2]
ROUNDING = {  # TF32 in convolutions, in matrix products
    "float32": (False, False),
    "TF32 in matrix products": (False, True),
    "TF32 in convolutions": (True, False),
    "TF32": (True, True),
}
Problem = tuple[Params, Task]


@contextmanager
def allowed(convolutions: bool, products: bool) -> Iterator[None]:
    """Allow TF32 in one, in both, or in none, for a while."""
    backends: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend, allow in zip(backends, (convolutions, products), strict=True):
            backend.allow_tf32 = allow
        yield
    finally:
        for backend, allow in zip(backends, before, strict=True):
            backend.allow_tf32 = allow


def problem_of(run: Preset) -> Problem:
    """The first weights of a run and its first tasks."""
    tasks = run.sampler()(run.meta_batch_size, torch.Generator().manual_seed(1))
    return init_params(run.model(), seed=0), tasks


def moved(problem: Problem, device: str, dtype: torch.dtype) -> Problem:
    """The same on another device or in another number format."""
    params, tasks = problem
    leaves = {k: p.detach().to(device, dtype).requires_grad_() for k, p in params.items()}
    return leaves, tasks.to(device).map(lambda t: t.to(dtype) if t.is_floating_point() else t)


def flat(gradients: Iterable[Tensor]) -> Tensor:
    """All of a gradient in a row, in float64."""
    return torch.cat([g.flatten().double().cpu() for g in gradients])


def off(gradients: Iterable[Tensor], reference: Tensor) -> float:
    """How far a gradient is from another, as a part of that one's length."""
    return ((flat(gradients) - reference).norm() / reference.norm()).item()


def timed(function: Callable[[], Any], rounds: int, device: str) -> float:
    """The median of some calls, in milliseconds."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        if device != "cpu":
            torch.cuda.synchronize()
        found.append(1e3 * (time.perf_counter() - began))
    return round(median(found), 2)


def reference_of(run: Preset, problem: Problem) -> Tensor:
    """The gradient in float64, on a CPU."""
    gradient = run.engine(run.learner_for(run.model()).gradient)
    return flat(gradient(*moved(problem, "cpu", torch.float64))[1])


def measure(run: Preset, device: str, rounds: int = 20) -> dict[str, Any]:
    """Take one gradient of a run in all ways of rounding, plain and recorded."""
    problem = problem_of(run)
    reference = reference_of(run, problem)
    at_once: MetaGradient = run.learner_for(run.model()).gradient
    in_chunks = run.engine(at_once)
    found: dict[str, Any] = {
        "CPU, float32": {"error": off(in_chunks(*problem)[1], reference)},
        "float64": {"error": off(at_once(*moved(problem, device, torch.float64))[1], reference)},
    }
    params, tasks = moved(problem, device, torch.float32)
    for name, where in ROUNDING.items():
        with allowed(*where):
            plain = flat(at_once(params, tasks)[1])
            recorded = captured(at_once)
            found[name] = {
                "error": ((plain - reference).norm() / reference.norm()).item(),
                "again": off(at_once(params, tasks)[1], plain),
                "recorded": off(recorded(params, tasks)[1], plain),
                "ms": timed(partial(at_once, params, tasks), 3, device),
                "ms recorded": timed(partial(recorded, params, tasks), rounds, device),
            }
    return found


def nudged(run: Preset, parts: Iterable[float] = (1e-7, 1e-3)) -> dict[str, float]:
    """How far the exact gradient moves in float64 if each weight moves by a part of itself."""
    params, tasks = problem_of(run)
    reference, found = reference_of(run, (params, tasks)), {}
    for part in parts:
        generator = torch.Generator().manual_seed(0)
        other = {}
        for name, p in params.items():
            noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            other[name] = p.detach().double() * (1 + part * noise)
        found[str(part)] = ((reference_of(run, (other, tasks)) - reference).norm()).item()
        found[str(part)] /= reference.norm().item()
    return found


def loop(run: Preset, device: str, rounds: int = 40) -> dict[str, float]:
    """How long a step of the training takes in full float32, and drawing its tasks."""
    sampler, generator = run.sampler(device), torch.Generator(device).manual_seed(1)
    start = moved(problem_of(run), device, torch.float32)[0]
    with allowed(convolutions=False, products=False):
        steps = outer_loop(
            Training.begun(start, generator),
            captured(run.learner_for(run.model()).gradient),
            sampler,
            meta_batch_size=run.meta_batch_size,
            meta_steps=10**6,
        )
        next(steps)
        draw = timed(lambda: sampler(run.meta_batch_size, generator), rounds, device)
        return {"draw ms": draw, "step ms": timed(lambda: next(steps), rounds, device)}


def main(path: Path, device: str = "cuda") -> None:
    """Measure it all, and write it as JSON."""
    runs = {name: PRESETS[name] for name in NAMES}
    record = {
        "device": describe_device(device),
        "versions": describe_versions() | {"cudnn": torch.backends.cudnn.version()},
        "exact": {name: measure(run, device) for name, run in runs.items()},
        "first order": {
            name: measure(replace(run, first_order=True), device) for name, run in runs.items()
        },
        "loop": {name: loop(runs[name], device) for name in LOOPS},
        "nudged": {name: nudged(runs[name]) for name in NUDGED},
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
