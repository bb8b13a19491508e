"""Learners that read their points beside those that take gradient steps, in and out of range.

    python -m benchmarks.in_context maml_tutorial/data/benchmarks/in_context.json

5-shot sine waves. MAML (exact), Meta-SGD and CAVIA move weights or a context by gradient steps; a
deep set and a small transformer read the points and move nothing. Adam's rate is chosen among two
for each, on validation waves, after a short training with seed 9; the inner rates are those that
`benchmarks.relatives` chose. Then three trainings with seeds 0, 1, 2 go on until both a number of
waves and a number of seconds are spent; each is judged at both marks on the same unseen waves, as
trained and in seven other worlds. Seconds are a processor's, of one thread, so that other work on
the machine does not count.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmarks.relatives import WithContext, processes
from maml_tutorial import (
    MLP,
    Learner,
    Score,
    SinusoidTasks,
    Task,
    cavia,
    evaluate,
    init_params,
    make_loss,
    make_predict,
    maml,
    meta_sgd,
    score,
    squared_error,
)
from maml_tutorial.evaluation import dealt
from maml_tutorial.learners import gradient_of
from maml_tutorial.models import Params
from maml_tutorial.params import copied
from maml_tutorial.records import describe_device, describe_versions
from maml_tutorial.training import Training, outer_loop

SEEDS, SEARCH_SEED = (0, 1, 2), 9
META_BATCH_SIZE, N_WAVES, SECONDS, N_TASKS = 25, 50_000, 6.0, 500
META_LRS = (1e-3, 3e-3)
WORLDS: Mapping[str, dict[str, Any]] = {
    "as trained": {},
    "1 point": {"k_shot": 1},
    "2 points": {"k_shot": 2},
    "10 points": {"k_shot": 10},
    "20 points": {"k_shot": 20},
    "other phases": {"phase": (math.pi, 2 * math.pi)},
    "larger waves": {"amplitude": (5.0, 10.0)},
    "x in 5 to 10": {"x_range": (5.0, 10.0)},
}


class DeepSet(nn.Module):
    """Embed each point, take the mean, and answer from it and x.

    Reference:
        Zaheer et al. 2017; with a network behind the mean, Garnelo et al. 2018.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.zeros(1, 2), requires_grad=False)
        self.embed = MLP((width, width), n_in=2, n_out=width)
        self.answer = MLP((width, width), n_in=1 + width)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a query input."""
        summary = self.embed(self.points).mean(dim=-2, keepdim=True)
        beside = summary.expand(*x.shape[:-1], -1)
        return self.answer(torch.cat([x, beside], dim=-1))


class Attention(nn.Module):
    """Each place looks at the first `k` places, takes what it needs, and thinks it over.

    Reference:
        Vaswani et al. 2017, one head, norms before each part.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.think = MLP((2 * width,), n_in=width, n_out=width)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, places: Tensor, k: int) -> Tensor:
        """Return the places, changed."""
        z = self.before(places)
        points = z[..., :k, :]
        likeness = self.ask(z) @ self.key(points).mT / z.shape[-1] ** 0.5
        places = places + likeness.softmax(dim=-1) @ self.value(points)
        return places + self.think(self.between(places))


class Transformer(nn.Module):
    """The support points and the query inputs as places, which look at the support points."""

    def __init__(self, width: int = 32, layers: int = 2) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.zeros(1, 2), requires_grad=False)
        self.point, self.query = nn.Linear(2, width), nn.Linear(1, width)
        self.layers = nn.ModuleList(Attention(width) for _ in range(layers))
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one output a query input."""
        k = self.points.shape[-2]
        places = torch.cat([self.point(self.points), self.query(x)], dim=-2)
        for layer in self.layers:
            places = layer(places, k)
        return self.head(places[..., k:, :])


def reading(net: nn.Module) -> Learner:
    """Return a learner that moves no weight: φ is θ with the support points beside it."""
    predict = make_predict(net)

    def learn(params: Params, x: Tensor, y: Tensor, *, inner_steps: int = 0) -> Params:
        return params | {"points": torch.cat([x, y], dim=-1)}

    def loss(params: Params, tasks: Task) -> Tensor:
        phi = learn(params, tasks.x_support, tasks.y_support)
        return mse_loss(predict(phi, tasks.x_query), tasks.y_query)

    return Learner(learn, gradient_of(loss))


def made(name: str) -> tuple[nn.Module, Learner]:
    """Return the network and the learner."""
    nets = {"deep set": DeepSet, "transformer": Transformer, "CAVIA": WithContext}
    net: nn.Module = nets.get(name, MLP)()
    if name in READERS:
        return net, reading(net)
    loss_fn = make_loss(net, mse_loss)
    return net, {
        "MAML": lambda: maml(loss_fn, inner_lr=0.01),
        "Meta-SGD": lambda: meta_sgd(loss_fn, inner_lr=0.03),
        "CAVIA": lambda: cavia(loss_fn, context=["context"], inner_lr=0.3),
    }[name]()


READERS = ("deep set", "transformer")
MOVE = {"MAML": 1761, "Meta-SGD": 1761, "CAVIA": 5, "deep set": 0, "transformer": 0}


def trained(name: str, meta_lr: float, seed: int, seconds: float, n_waves: int) -> dict[str, Any]:
    """Train until both marks are passed; keep θ at each."""
    net, learner = made(name)
    theta = learner.start(init_params(net, seed=seed))
    generator = torch.Generator().manual_seed(100 + seed)
    training = Training.begun(theta, generator, meta_lr=meta_lr)
    steps = outer_loop(
        training, learner.gradient, SinusoidTasks(5, 10),
        meta_batch_size=META_BATCH_SIZE, meta_steps=10**9,
    )  # fmt: skip
    enough = -(-n_waves // META_BATCH_SIZE)
    times: list[float] = []
    found: dict[str, Any] = {"learner": learner, "predict": make_predict(net)}
    spent = 0.0
    while spent < seconds or training.step < enough:
        began = time.process_time()
        next(steps)
        times.append(time.process_time() - began)
        spent += times[-1]
        if training.step == enough:
            found["waves"] = copied(training.params), training.step, spent
        if spent >= seconds and "seconds" not in found:
            found["seconds"] = copied(training.params), training.step, spent
    found["learned"] = sum(
        p.numel() for n, p in training.params.items() if p.requires_grad and n != "context"
    )
    return found | {"ms": round(1000 * statistics.median(times), 3)}


def row(s: Score) -> dict[str, float | None]:
    """Return a score as JSON has it."""
    values = {"mean": s.mean, "interval": s.interval, "median": s.median}
    finite = {n: None if v is None or math.isnan(v) else round(v, 5) for n, v in values.items()}
    return finite | {"diverged": s.n_diverged / s.n_tasks}


def judged(name: str, found: dict[str, Any], mark: str, n_tasks: int) -> dict[str, Any]:
    """Return scores on unseen waves, by world and inner steps."""
    params, at, spent = found[mark]
    steps = (0,) if name in READERS else (0, 1, 10)
    worlds = {}
    for world, change in WORLDS.items():
        scores = evaluate(
            found["learner"], found["predict"], squared_error, params,
            SinusoidTasks(**{"k_shot": 5, "k_query": 100} | change), inner_steps=steps,
            n_tasks=n_tasks, batch_size=500, generator=torch.Generator().manual_seed(8),
        ).query  # fmt: skip
        worlds[world] = {str(k): row(s) for k, s in scores.items()}
    return {"steps": at, "train seconds": round(spent, 2), "worlds": worlds}


def search(name: str, meta_lr: float, seconds: float, n_tasks: int) -> float:
    """Return the validation error as in training: after a step, or after reading."""
    found = trained(name, meta_lr, SEARCH_SEED, seconds, 0)
    k = 0 if name in READERS else 1
    return evaluate(
        found["learner"], found["predict"], squared_error, found["seconds"][0],
        SinusoidTasks(5, 100), inner_steps=(k,), n_tasks=n_tasks, batch_size=250,
        generator=torch.Generator().manual_seed(7),
    ).query[k].mean  # fmt: skip


def least_squares(x_support: Tensor, y_support: Tensor, x_query: Tensor) -> Tensor:
    """Fit a·sin x + b·cos x to stacked support sets: the shortest (a, b) of those that fit."""

    def features(x: Tensor) -> Tensor:
        return torch.cat([x.double().sin(), x.double().cos()], dim=-1)

    return features(x_query) @ torch.linalg.pinv(features(x_support)) @ y_support.double()


def references(n_tasks: int) -> dict[str, Any]:
    """Return what costs nothing: always zero, and least squares that knows the family."""
    found = {}
    for world, change in WORLDS.items():
        sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 100} | change)
        zero, fitted = [], []
        for tasks in dealt(sampler, n_tasks, torch.Generator().manual_seed(8), 250):
            zero.append(tasks.y_query.square().mean(dim=(1, 2)))
            answers = least_squares(tasks.x_support, tasks.y_support, tasks.x_query)
            fitted.append((answers - tasks.y_query).square().mean(dim=(1, 2)))
        found[world] = {
            "zero": row(score(torch.cat(zero))),
            "least squares": row(score(torch.cat(fitted))),
        }
    return found


def seeded(
    name: str, meta_lr: float, seed: int, seconds: float, n_waves: int, n_tasks: int
) -> tuple[int, dict[str, Any]]:
    """Train and judge with one seed; return how many numbers were learned, and the run."""
    found = trained(name, meta_lr, seed, seconds, n_waves)
    marks = {mark: judged(name, found, mark, n_tasks) for mark in ("waves", "seconds")}
    return found["learned"], {"seed": seed, "ms": found["ms"]} | marks


def alone(*given: Any) -> tuple[int, dict[str, Any]]:
    """Do a run in this process, on one thread."""
    torch.set_num_threads(1)
    return seeded(*given)


def afresh(*given: Any) -> tuple[int, dict[str, Any]]:
    """Do a run in a process of its own."""
    with processes(1) as pool:
        return pool.submit(alone, *given).result()


def begun(path: Path, seconds: float, n_waves: int, n_tasks: int) -> dict[str, Any]:
    """Return the record at `path`, to go on from there, or one that has only searched."""
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    learners = []
    for name, moves in MOVE.items():
        tried = {lr: search(name, lr, seconds / 3, n_tasks) for lr in META_LRS}
        learners.append({
            "learner": name, "learned": 0, "moves": moves,
            "meta_lr": min(tried, key=lambda lr: tried[lr]), "searched": tried, "runs": [],
        })  # fmt: skip
    return {
        "device": describe_device(),
        "versions": describe_versions(),
        "marks": {"waves": n_waves, "seconds": seconds, "tasks": n_tasks},
        "references": references(n_tasks),
        "learners": learners,
    }


def measure(
    path: Path,
    seconds: float = SECONDS,
    n_waves: int = N_WAVES,
    n_tasks: int = N_TASKS,
    *,
    run: Callable[..., tuple[int, dict[str, Any]]] = afresh,
) -> None:
    """Train and judge all of them with one seed after the other; write each, skip what is there."""
    record = begun(path, seconds, n_waves, n_tasks)
    for seed in SEEDS:
        for entry in record["learners"]:
            if seed in [done["seed"] for done in entry["runs"]]:
                continue
            given = entry["learner"], entry["meta_lr"], seed, seconds, n_waves, n_tasks
            entry["learned"], found = run(*given)
            entry["runs"].append(found)
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            print(seed, entry["learner"], entry["meta_lr"], flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure(Path(sys.argv[1]))
