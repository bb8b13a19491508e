"""MAML beside its relatives: the same tasks, the same work, the same time. Written as JSON.

    python -m benchmarks.relatives maml_tutorial/data/benchmarks/relatives.json
    python -m benchmarks.relatives maml_tutorial/data/benchmarks/relatives.json letters cavia

Two problems: 5-shot sine waves, and 5-way 1-shot letters. For each learner α is chosen among three
or more on validation tasks, after a short training with seed 9. Then three trainings with seeds 0,
1, 2 go on until both a number of gradient evaluations and a number of seconds are spent; each is
judged at both marks on the same unseen tasks. Seconds are a processor's, of one thread, so that
other work on the machine does not count; two processes share the jobs. The second command does one
learner again, when its rates have changed, and leaves the rest of the file as it is.
"""

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial import (
    MLP,
    ConvNet,
    EpisodeSampler,
    SinusoidTasks,
    correct,
    evaluate,
    init_params,
    load_glyphs,
    make_loss,
    make_predict,
    relatives,
    squared_error,
)
from maml_tutorial.learners import Learner
from maml_tutorial.params import copied
from maml_tutorial.records import describe_device, describe_versions, peak_kb
from maml_tutorial.tasks import TaskSampler
from maml_tutorial.training import DivergenceError, Training, outer_loop

SEEDS, SEARCH_SEED = (0, 1, 2), 9
TEST_STEPS = (0, 1, 5, 10)


class WithContext(nn.Module):
    """The sine-wave network with five more inputs, the same for all points of a task.

    Reference:
        Zintgraf et al. 2019, section 4.1: five context parameters beside the input.
    """

    def __init__(self, n_context: int = 5) -> None:
        super().__init__()
        self.net, self.context = MLP(n_in=1 + n_context), nn.Parameter(torch.zeros(n_context))

    def reset_parameters(self) -> None:
        """Start the context, as it starts in every task."""
        nn.init.zeros_(self.context)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a point."""
        return self.net(torch.cat([x, self.context.expand(len(x), -1)], dim=1))


class WithFilm(nn.Module):
    """The letters' network; a context scales and shifts each map behind the third block.

    Reference:
        Zintgraf et al. 2019, section 4.2: 100 context parameters, through one linear layer.
    """

    def __init__(self, hidden: int = 32, n_context: int = 100) -> None:
        super().__init__()
        self.net, self.film = ConvNet(5, hidden=hidden), nn.Linear(n_context, 2 * hidden)
        self.context = nn.Parameter(torch.zeros(n_context))

    def reset_parameters(self) -> None:
        """Start the context, as it starts in every task."""
        nn.init.zeros_(self.context)

    def forward(self, x: Tensor) -> Tensor:
        """Return one row of outputs an image."""
        scale, shift = self.film(self.context)[:, None, None].chunk(2)
        return self.net[9:]((1 + scale) * self.net[:9](x) + shift)


@dataclass(frozen=True)
class Problem:
    """Tasks, a network, and how much each learner may spend on them.

    Attributes:
        net: makes the network.
        contextual: makes CAVIA's, which has a context.
        loss: of outputs and targets.
        metric: how predictions are marked.
        better: `max` or `min` of the metric.
        samplers: deal the tasks of meta-training, validation and test.
        meta_batch_size: tasks a step.
        evaluations: gradient evaluations a task, the first mark.
        seconds: of one processor, the second mark; the search has a third of them.
        n_tasks: unseen tasks of a test.
        rates: three α for each learner, or more.
    """

    net: Callable[[], nn.Module]
    contextual: Callable[[], nn.Module]
    loss: Callable[..., Tensor]
    metric: Callable[[Tensor, Tensor], Tensor]
    better: Callable[..., Any]
    samplers: Callable[[], Mapping[str, TaskSampler]]
    meta_batch_size: int
    evaluations: int
    seconds: float
    n_tasks: int
    rates: Mapping[str, tuple[float, ...]]


def waves() -> Mapping[str, TaskSampler]:
    """There are always others: validation and test differ in the generator's seed."""
    unseen = SinusoidTasks(k_shot=5, k_query=100)
    return {"train": SinusoidTasks(k_shot=5, k_query=10), "validation": unseen, "test": unseen}


def letters() -> Mapping[str, TaskSampler]:
    """5-way 1-shot, five query images a class; the scripts of the three parts differ."""
    return {
        split: EpisodeSampler(load_glyphs(split).images, n_way=5, k_shot=1, k_query=5)
        for split in ("train", "validation", "test")
    }


PROBLEMS = {
    "waves": Problem(
        MLP, WithContext, mse_loss, squared_error, min, waves,
        meta_batch_size=25, evaluations=16_000, seconds=15, n_tasks=2000,
        rates={
            "maml": (0.003, 0.01, 0.03), "fomaml": (0.003, 0.01, 0.03),
            "reptile": (0.01, 0.02, 0.05), "anil": (0.01, 0.03, 0.1),
            "boil": (0.003, 0.01, 0.03), "meta_sgd": (0.003, 0.01, 0.03),
            "cavia": (0.1, 0.3, 1.0), "imaml": (0.005, 0.01, 0.02), "joint": (0.003, 0.01, 0.03),
        },
    ),
    "letters": Problem(
        partial(ConvNet, 5, hidden=32), WithFilm, cross_entropy, correct, max, letters,
        meta_batch_size=8, evaluations=2500, seconds=30, n_tasks=500,
        rates={
            "maml": (0.2, 0.4, 0.8), "fomaml": (0.1, 0.2, 0.4),
            "reptile": (0.1, 0.25, 0.5), "anil": (0.4, 2.0, 5.0),
            "boil": (0.2, 0.4, 0.8), "meta_sgd": (0.2, 0.4, 0.8),
            "cavia": (0.3, 1.0, 3.0), "imaml": (0.1, 0.2, 0.4), "joint": (0.01, 0.1, 0.4),
        },
    ),
}  # fmt: skip

# Steps of the inner loop in meta-training, and gradient evaluations a task and outer step: one for
# each time that a loss is differentiated, two for a product with its Hessian.
STEPS = {"reptile": 5, "imaml": 5}
PULL, CG_STEPS, BATCHES = 10.0, 2, 3
EVALUATIONS = {
    "maml": 4, "fomaml": 2, "reptile": 5, "anil": 4, "boil": 4, "meta_sgd": 4, "cavia": 4,
    "imaml": 5 + 1 + 1 + 2 * CG_STEPS, "joint": 1,
}  # fmt: skip


def made(problem: Problem, name: str, inner_lr: float) -> tuple[nn.Module, Learner]:
    """Return the network and the learner."""
    net = (problem.contextual if name == "cavia" else problem.net)()
    names = [n for n, _ in net.named_parameters()]
    more: dict[str, dict[str, Any]] = {
        "anil": {"head": names[-2:]},
        "boil": {"body": names[:-2]},
        "cavia": {"context": ["context"]},
        "imaml": {"pull": PULL, "cg_steps": CG_STEPS},
        "reptile": {"batches": BATCHES},
    }
    given = {"inner_lr": inner_lr, "inner_steps": STEPS.get(name, 1)} | more.get(name, {})
    return net, getattr(relatives, name)(make_loss(net, problem.loss), **given)


def trained(
    problem: Problem, name: str, inner_lr: float, seed: int, seconds: float, evaluations: int
) -> dict[str, Any]:
    """Train until both marks are passed; keep θ at each."""
    net, learner = made(problem, name, inner_lr)
    start = learner.start(init_params(net, seed=seed))
    training = Training.begun(start, torch.Generator().manual_seed(100 + seed))
    steps = outer_loop(
        training, learner.gradient, problem.samplers()["train"],
        meta_batch_size=problem.meta_batch_size, meta_steps=10**9,
    )  # fmt: skip
    enough = -(-evaluations // EVALUATIONS[name])
    times: list[float] = []
    found: dict[str, Any] = {"learner": learner, "predict": make_predict(net)}
    spent = 0.0
    while spent < seconds or training.step < enough:
        began = time.process_time()
        try:
            next(steps)
        except DivergenceError as error:
            return found | {"diverged at step": error.step}
        times.append(time.process_time() - began)
        spent += times[-1]
        if training.step == enough:
            found["evaluations"] = copied(training.params), training.step, spent
        if spent >= seconds and "seconds" not in found:
            found["seconds"] = copied(training.params), training.step, spent
    return found | {"ms": round(1000 * statistics.median(times), 3)}


def judged(
    problem: Problem, found: dict[str, Any], mark: str, part: str, steps: tuple[int, ...], n: int
) -> dict[str, Any]:
    """Return scores on unseen tasks, by inner steps."""
    params, at, spent = found[mark]
    scores = evaluate(
        found["learner"], found["predict"], problem.metric, params, problem.samplers()[part],
        inner_steps=steps, n_tasks=n, batch_size=20 if problem.metric is correct else 100,
        generator=torch.Generator().manual_seed({"validation": 7, "test": 8}[part]),
    ).query  # fmt: skip
    rows = {
        str(k): {
            "mean": s.mean, "interval": s.interval, "median": s.median,
            "diverged": s.n_diverged / s.n_tasks,
        }
        for k, s in scores.items()
    }  # fmt: skip
    return {"steps": at, "train seconds": round(spent, 2), "scores": rows}


def search(problem: Problem, name: str, inner_lr: float) -> float | None:
    """Return the validation score after as many inner steps as in training; None: it diverged."""
    found = trained(problem, name, inner_lr, SEARCH_SEED, problem.seconds / 3, 0)
    if "seconds" not in found:
        return None
    k = STEPS.get(name, 1)
    row = judged(problem, found, "seconds", "validation", (k,), problem.n_tasks // 2)["scores"]
    row = row[str(k)]
    return row["mean"] if row["diverged"] < 0.01 else None


def peak(problem: str, name: str, inner_lr: float) -> int:
    """Return by how many KB three meta-gradients raise the peak memory of this process."""
    net, learner = made(PROBLEMS[problem], name, inner_lr)
    theta = learner.start(init_params(net, seed=0))
    sampler = PROBLEMS[problem].samplers()["train"]
    tasks = sampler(PROBLEMS[problem].meta_batch_size, torch.Generator().manual_seed(0))
    before = peak_kb() or 0
    for _ in range(3):
        learner.gradient(theta, tasks)
    return (peak_kb() or 0) - before


def job(given: tuple[str, str]) -> dict[str, Any]:
    """Search for one learner on one problem, then train and judge it with every seed."""
    of, name = given
    torch.set_num_threads(1)
    problem = PROBLEMS[of]
    tried = {rate: search(problem, name, rate) for rate in problem.rates[name]}
    good = {rate: value for rate, value in tried.items() if value is not None}
    rate = problem.better(good, key=lambda rate: good[rate])
    runs = []
    for seed in SEEDS:
        found = trained(problem, name, rate, seed, problem.seconds, problem.evaluations)
        run = {"seed": seed, "ms": found.get("ms"), "diverged": found.get("diverged at step")}
        for mark in ("evaluations", "seconds"):
            if mark in found:
                run[mark] = judged(problem, found, mark, "test", TEST_STEPS, problem.n_tasks)
        runs.append(run)
    with processes(1) as fresh:
        memory = fresh.submit(peak, of, name, rate).result()
    return {
        "problem": of, "learner": name, "inner_lr": rate, "inner_steps": STEPS.get(name, 1),
        "evaluations a step": EVALUATIONS[name], "peak MB": round(memory / 1024, 1),
        "searched": tried, "runs": runs,
    }  # fmt: skip


def processes(n: int) -> ProcessPoolExecutor:
    """Return `n` processes, a fresh one for every job."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(n, context, max_tasks_per_child=1)


def main(path: Path, jobs: list[tuple[str, str]]) -> None:
    """Do all jobs, two at a time, the long ones first; write what they found."""
    load_glyphs("train")  # once, into the cache
    found: list[dict[str, Any]] = []
    with processes(2) as pool:
        for result in pool.map(job, jobs):
            found.append(result)
            print(result["problem"], result["learner"], result["inner_lr"], flush=True)
    record = {
        "device": f"2 processes, each on {describe_device()}",
        "versions": describe_versions(),
        "marks": {
            name: {"evaluations": p.evaluations, "seconds": p.seconds, "tasks": p.n_tasks}
            for name, p in PROBLEMS.items()
        },
        "learners": found,
    }
    write(path, record)


def again(path: Path, of: str, name: str) -> None:
    """Do one job again, and put what it found in the place of its row."""
    load_glyphs("train")
    record = json.loads(path.read_text(encoding="utf-8"))
    with processes(1) as pool:
        row = pool.submit(job, (of, name)).result() | {"versions": describe_versions()}
    rows = record["learners"]
    at = [(r["problem"], r["learner"]) for r in rows].index((of, name))
    write(path, record | {"learners": [*rows[:at], row, *rows[at + 1 :]]})


def write(path: Path, record: dict[str, Any]) -> None:
    """Write the record."""
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) == 4:
        again(Path(sys.argv[1]), *sys.argv[2:])
    else:
        main(Path(sys.argv[1]), [(of, name) for of in ("letters", "waves") for name in EVALUATIONS])
