"""Time one meta-step: this package's against a loop over the tasks, and against `higher`.

All ways compute the same exact meta-gradient, which is checked first. They take turns, so that
what else the machine does meets all alike; the median leaves out its hiccups.
"""

import json
import os
import platform
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import higher
import torch
from torch import Tensor, multiprocessing
from torch.utils.flop_counter import FlopCounterMode

from maml_tutorial import EpisodeSampler, Task, adapt, init_params, load_glyphs, make_loss
from maml_tutorial.gradients import compiled
from maml_tutorial.parallel import joined, own_share, total
from maml_tutorial.presets import PRESETS, Omniglot, Preset
from maml_tutorial.records import peak_kb, write_whole
from maml_tutorial.tasks import TaskSampler

Gradients = list[Tensor]
Step = Callable[[], Gradients]


@dataclass(frozen=True)
class Case:
    """One kind of work to be timed.

    Attributes:
        run: the settings; Omniglot's tasks are dealt from printed letters, which cost the same.
        rounds: how often each way is timed.
        compiled: whether a compiled step is timed too; it takes minutes on convolutions.
    """

    run: Preset
    rounds: int
    compiled: bool = False


CASES = {
    "sine waves, 1 step": Case(PRESETS["sinusoid-k10"], 100, compiled=True),
    "sine waves, 5 steps": Case(replace(PRESETS["sinusoid-k10"], inner_steps=5), 40, compiled=True),
    "fully connected, 5-way 1-shot": Case(PRESETS["omniglot-5w1s-no-conv"], 30, compiled=True),
    "strided conv, 5-way 1-shot": Case(PRESETS["omniglot-5w1s"], 10),
    "strided conv, 20-way 1-shot, 5 steps": Case(PRESETS["omniglot-20w1s"], 3),
}
GROWTH = {
    "inner_steps": (1, 2, 3, 5, 8),
    "meta_batch_size": (1, 2, 4, 8, 16, 32, 64),
}
GROWTH_CASES = ("sine waves, 1 step", "strided conv, 5-way 1-shot")
GROWTH_ROUNDS, GROWTH_TASKS = 5, 8
CHUNKS = (1, 2, 4, 8, 16, 32)


def tasks_of(run: Preset) -> Task:
    """Return a meta-batch such as the run trains on."""
    if isinstance(run, Omniglot):
        shape = {"n_way": run.n_way, "k_shot": run.k_shot, "k_query": run.k_shot}
        sampler: TaskSampler = EpisodeSampler(load_glyphs("train").images, **shape)
    else:
        sampler = run.sampler()
    return sampler(run.meta_batch_size, torch.Generator().manual_seed(0))


def steps_of(run: Preset, *, make_program: bool = False) -> dict[str, Step]:
    """Return the ways to compute the meta-gradient, ready to be called, in one process."""
    model, tasks = run.model(), tasks_of(run)
    params, loss_fn = init_params(model, seed=0), make_loss(model, run.loss)
    settings = {"inner_lr": run.inner_lr, "inner_steps": run.inner_steps}

    def loop() -> Gradients:
        sums = [torch.zeros_like(p) for p in params.values()]
        for task in map(Task._make, zip(*tasks, strict=True)):
            adapted = adapt(loss_fn, params, task.x_support, task.y_support, **settings)
            loss = loss_fn(adapted, task.x_query, task.y_query) / run.meta_batch_size
            gradients = torch.autograd.grad(loss, list(params.values()))
            sums = [a.add_(b) for a, b in zip(sums, gradients, strict=True)]
        return sums

    copy = run.model()
    copy.load_state_dict(params)
    sgd = torch.optim.SGD(copy.parameters(), lr=run.inner_lr)

    def with_higher() -> Gradients:
        copy.zero_grad()
        for task in map(Task._make, zip(*tasks, strict=True)):
            with higher.innerloop_ctx(copy, sgd, copy_initial_weights=False) as (fast, diffopt):
                for _ in range(run.inner_steps):
                    diffopt.step(run.loss(fast(task.x_support), task.y_support))
                loss = run.loss(fast(task.x_query), task.y_query)
                (loss / run.meta_batch_size).backward()
        return [p.grad for p in copy.parameters()]

    gradient = run.learner_for(model).gradient
    ours = run.engine(gradient)
    steps = {"ours": lambda: ours(params, tasks)[1], "loop": loop, "higher": with_higher}
    if make_program:
        program = run.engine(compiled(gradient))
        steps["ours, compiled"] = lambda: program(params, tasks)[1]
    return steps


def check(steps: dict[str, Step]) -> None:
    """See to it that all ways give the same gradient.

    Raises:
        RuntimeError: Two ways differ; they are named.
    """
    found = {name: torch.cat([g.flatten() for g in step()]) for name, step in steps.items()}
    for name, gradient in found.items():
        error = ((gradient - found["loop"]).norm() / found["loop"].norm()).item()
        if not error < 0.02:  # ReLU's kinks and batch norm's division magnify the last digits
            raise RuntimeError(f"the gradients of loop and {name} differ by {error:.1e}")


def median_ms(steps: dict[Any, Step], rounds: int) -> dict[Any, float]:
    """Return each way's median milliseconds; the ways take turns."""
    times: dict[Any, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


def flops_of(step: Step) -> int:
    """Return the floating-point operations of matrix products and convolutions in a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def peak_flops() -> float:
    """Return the operations a second of a large matrix product: the most that can be hoped for."""
    a = torch.rand(2048, 2048)
    ms = median_ms({"product": lambda: [a @ a]}, rounds=10)["product"]
    return 2 * 2048**3 / (ms / 1000)


def _memory(run: Preset, way: str, threads: int, answer: Any) -> None:
    torch.set_num_threads(threads)
    step = steps_of(run)[way]
    before = peak_kb()
    step()
    step()
    answer.put(peak_kb() - before)


def peak_mb(run: Preset, way: str) -> float:
    """Return by how many MB two steps raise the peak memory of a fresh process."""
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=_memory, args=(run, way, torch.get_num_threads(), answer))
    process.start()
    process.join()
    return round(answer.get() / 1024, 1)


def _worker(run: Preset, rank: int, port: int, pipe: Any) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with joined():
        model, tasks = run.model(), own_share(tasks_of(run))
        params = init_params(model, seed=0)
        gradient = run.engine(run.learner_for(model).gradient)
        share = len(tasks.x_support) / run.meta_batch_size
        while question := pipe.recv():
            summed = total([share * g for g in gradient(params, tasks)[1]])
            pipe.send([g.numpy() for g in summed] if question == "gradients" else None)


class TwoProcesses:
    """Two processes of one thread each that share a meta-batch's tasks, used as a way.

    The gradients stay where they are: sending them here is no part of a training step.
    """

    def __init__(self, run: Preset) -> None:
        context = multiprocessing.get_context("spawn")
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        self.pipes, self.processes = [], []
        for rank in (0, 1):
            ours, theirs = context.Pipe()
            self.pipes.append(ours)
            process = context.Process(target=_worker, args=(run, rank, port, theirs), daemon=True)
            process.start()
            self.processes.append(process)

    def _ask(self, question: str | None) -> list[Any]:
        for pipe in self.pipes:
            pipe.send(question)
        return [pipe.recv() for pipe in self.pipes] if question else []

    def gradients(self) -> Gradients:
        """Take a step and return the meta-gradient that both have."""
        return [torch.from_numpy(g) for g in self._ask("gradients")[0]]

    def __call__(self) -> Gradients:
        """Take a step."""
        self._ask("step")
        return []

    def close(self) -> None:
        """End both."""
        self._ask(None)
        for process in self.processes:
            process.join()


def measure(case: Case, rounds: int, peak: float) -> dict[str, Any]:
    """Return what is found about a case: milliseconds, ratios, memory, share of the peak."""
    steps = steps_of(case.run, make_program=case.compiled)
    ways, pair = dict(steps), None
    if torch.get_num_threads() > 1:
        ways["ours, 2 processes"] = pair = TwoProcesses(case.run)
    check(steps | ({"two processes": pair.gradients} if pair else {}))
    ms = median_ms(ways, rounds)
    if pair:
        pair.close()
    flops = flops_of(steps["loop"])
    return {
        "run": asdict(case.run),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "ms": ms,
        "times faster than higher": {n: round(ms["higher"] / v, 2) for n, v in ms.items()},
        "times faster than loop": {n: round(ms["loop"] / v, 2) for n, v in ms.items()},
        "share of peak": {n: round(flops / (v / 1000) / peak, 3) for n, v in ms.items()},
        "peak MB": {n: peak_mb(case.run, n) for n in ("ours", "loop", "higher")},
    }


def growth(case: Case, setting: str, values: tuple[int, ...]) -> dict[str, list[float]]:
    """Return milliseconds of ours and of the loop as a setting grows."""
    found: dict[str, list[float]] = {setting: list(values), "ours": [], "loop": []}
    for value in values:
        run = replace(case.run, **{"meta_batch_size": GROWTH_TASKS, setting: value})
        steps = steps_of(run)
        ms = median_ms({name: steps[name] for name in ("ours", "loop")}, GROWTH_ROUNDS)
        for name in ("ours", "loop"):
            found[name].append(ms[name])
    return found


def by_chunk(case: Case, rounds: int) -> dict[str, dict[int, float]]:
    """Return time and memory of ours for each number of tasks that are differentiated together."""
    runs = {
        size: replace(case.run, chunk=size) for size in CHUNKS if size <= case.run.meta_batch_size
    }
    return {
        "ms": median_ms({size: steps_of(run)["ours"] for size, run in runs.items()}, rounds),
        "peak MB": {size: peak_mb(run, "ours") for size, run in runs.items()},
    }


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--rounds", type=click.IntRange(min=1), help="The same for all; by default each has its own."
)
@click.option(
    "--only", multiple=True, type=click.Choice([*CASES]), help="Only this; may be repeated."
)
def main(output: Path, rounds: int | None, only: tuple[str, ...]) -> None:
    """Time meta-steps and write OUTPUT (JSON)."""
    chosen = {name: case for name, case in CASES.items() if not only or name in only}
    most = torch.get_num_threads()
    cases, grown = {}, {}
    for name, case in chosen.items():
        torch.set_num_threads(min(case.run.threads, most))
        found = cases[name] = measure(case, rounds or case.rounds, peak_flops())
        click.echo(f"{name}: " + ", ".join(f"{way} {ms} ms" for way, ms in found["ms"].items()))
        if isinstance(case.run, Omniglot):
            found["by chunk"] = by_chunk(case, rounds or case.rounds)
        if name in GROWTH_CASES:
            grown[name] = {key: growth(case, key, values) for key, values in GROWTH.items()}
    torch.set_num_threads(most)
    record = {
        "what": "median ms of an exact meta-gradient; the ways take turns",
        "cases": cases,
        "growth": grown,
        "peak GFLOP/s": round(peak_flops() / 1e9),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "higher")},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "threads": most},
    }
    write_whole(output, (json.dumps(record, indent=1) + "\n").encode())
    click.echo(f"bench: {output}")


if __name__ == "__main__":
    main()
