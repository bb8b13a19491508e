"""Learners that read their points beside those that take gradient steps, in and out of range.

    python -m benchmarks.in_context maml_tutorial/data/benchmarks/in_context.json

5-shot sine waves. MAML (exact), Meta-SGD and CAVIA move weights or a context by gradient steps; a
deep set and a small transformer read the points and move nothing. Adam's rate is chosen among two
for each, on validation waves, after a short training with seed 9; the inner rates are those that
`benchmarks.relatives` chose. Then three trainings with seeds 0, 1, 2 go on until both a number of
waves and a number of seconds are spent; each is judged at both marks on the same unseen waves, as
trained and in five other worlds. Seconds are a processor's, of one thread, so that other work on
the machine does not count.

A wave's error is taken on the points that were given, too. Would it be a warning? "flagged" is the
share of waves whose points are missed by more than nearly all familiar waves' are.

The controls change one thing each: a shorter inner step at the test, a wider network, a longer
training, more phases in the training.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
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
from maml_tutorial.params import copied, stacked
from maml_tutorial.records import describe_device, describe_versions
from maml_tutorial.training import Training, outer_loop

SEEDS, SEARCH_SEED = (0, 1, 2), 9
META_BATCH_SIZE, N_WAVES, SECONDS, N_TASKS = 25, 50_000, 6.0, 500
META_LRS = (1e-3, 3e-3)
WORLDS: Mapping[str, dict[str, Any]] = {
    "as trained": {},
    "2 points": {"k_shot": 2},
    "20 points": {"k_shot": 20},
    "other phases": {"phase": (math.pi, 2 * math.pi)},
    "larger waves": {"amplitude": (5.0, 10.0)},
    "x in 5 to 10": {"x_range": (5.0, 10.0)},
}
FIVE_POINTS = [world for world, change in WORLDS.items() if "k_shot" not in change]
SHORTER = (0.25, 0.0625)  # times the inner rate
FAMILIAR = 0.95  # of the familiar waves' points are missed by less than what is a warning


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


def made(name: str, shorter: float = 1.0) -> tuple[nn.Module, Learner]:
    """Return the network and the learner, its inner rate times `shorter`."""
    nets: dict[str, Callable[[], nn.Module]] = {
        "deep set": DeepSet, "transformer": Transformer, "CAVIA": WithContext,
        "wide MAML": lambda: MLP((128, 128)),
    }  # fmt: skip
    net = nets.get(name, MLP)()
    if name in READERS:
        return net, reading(net)
    loss_fn = make_loss(net, mse_loss)
    return net, {
        "MAML": lambda: maml(loss_fn, inner_lr=0.01 * shorter),
        "wide MAML": lambda: maml(loss_fn, inner_lr=0.01 * shorter),
        "Meta-SGD": lambda: meta_sgd(loss_fn, inner_lr=0.03),
        "CAVIA": lambda: cavia(loss_fn, context=["context"], inner_lr=0.3 * shorter),
    }[name]()


READERS = ("deep set", "transformer")
STEPPERS = ("MAML", "CAVIA")  # which are tried with shorter steps at the test
CONTROLS: Mapping[str, dict[str, Any]] = {
    "deep set, all phases": {"learner": "deep set", "phase": (0.0, 2 * math.pi)},
    "deep set, four times as long": {"learner": "deep set", "times": 4},
    "MAML, 16 897 weights": {"learner": "wide MAML", "rates": (1.0, 0.3)},
}
MOVE = {"MAML": 1761, "Meta-SGD": 1761, "CAVIA": 5, "deep set": 0, "transformer": 0}


def trained(
    name: str,
    meta_lr: float,
    seed: int,
    seconds: float,
    n_waves: int,
    *,
    phase: tuple[float, float] = (0.0, math.pi),
    shorter: float = 1.0,
) -> dict[str, Any]:
    """Train until both marks are passed; keep θ at each."""
    net, learner = made(name, shorter)
    theta = learner.start(init_params(net, seed=seed))
    generator = torch.Generator().manual_seed(100 + seed)
    training = Training.begun(theta, generator, meta_lr=meta_lr)
    steps = outer_loop(
        training, learner.gradient, SinusoidTasks(5, 10, phase=phase),
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


def missed(
    learner: Learner, predict: Any, params: Params, world: str, k: int, n_tasks: int, seed: int
) -> Tensor:
    """Return the error on the points that were given, one a wave, after `k` steps."""
    sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 100} | WORLDS[world])
    tasks = sampler(n_tasks, torch.Generator().manual_seed(seed))
    x, y = tasks.x_support, tasks.y_support
    phi = learner.learn(stacked(params, n_tasks), x, y, inner_steps=k)
    with torch.no_grad():
        errors = squared_error(vmap(predict)(phi, x), y).mean(dim=-1)
    return errors.nan_to_num(nan=math.inf)


def judged(
    name: str,
    found: dict[str, Any],
    mark: str,
    n_tasks: int,
    *,
    learner: Learner | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return scores on unseen waves, by world and inner steps, and on the points given."""
    params, at, spent = found[mark]
    learner, predict = learner or found["learner"], found["predict"]
    steps = (0,) if name in READERS else (0, 1, 10)
    familiar = {
        k: missed(learner, predict, params, "as trained", k, n_tasks, seed=7).quantile(FAMILIAR)
        for k in steps
    }
    worlds: dict[str, Any] = {}
    for world in only or WORLDS:
        scores = evaluate(
            learner, predict, squared_error, params,
            SinusoidTasks(**{"k_shot": 5, "k_query": 100} | WORLDS[world]), inner_steps=steps,
            n_tasks=n_tasks, batch_size=500, generator=torch.Generator().manual_seed(8),
        )  # fmt: skip
        worlds[world] = {str(k): row(s) for k, s in scores.query.items()}
        for k in steps:
            there = missed(learner, predict, params, world, k, n_tasks, seed=8)
            worlds[world][str(k)]["support"] = row(scores.support[k])
            worlds[world][str(k)]["flagged"] = (there > familiar[k]).double().mean().item()
    return {"steps": at, "train seconds": round(spent, 2), "worlds": worlds}


def search(
    name: str, meta_lr: float, seconds: float, n_tasks: int, *, shorter: float = 1.0
) -> float:
    """Return the validation error as in training: after a step, or after reading."""
    found = trained(name, meta_lr, SEARCH_SEED, seconds, 0, shorter=shorter)
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


def nearest_wave(x_support: Tensor, y_support: Tensor, x_query: Tensor) -> Tensor:
    """Answer with that wave of the training's family which misses the given points least.

    It is looked for among 50 heights from 0.1 to 5 and 101 phases from 0 to π.
    """
    heights, phases = torch.linspace(0.1, 5.0, 50), torch.linspace(0.0, math.pi, 101)
    pairs = torch.cartesian_prod(heights, phases)
    waves = pairs[:, 0] * torch.sin(x_support - pairs[:, 1])
    best = pairs[(waves - y_support).square().sum(dim=-2).argmin(dim=-1)]
    return best[..., None, :1] * torch.sin(x_query - best[..., None, 1:])


def references(n_tasks: int) -> dict[str, Any]:
    """Return who learns nothing: always zero, the nearest wave of the training, least squares."""
    answer: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
        "zero": lambda x, y, asked: torch.zeros_like(asked),
        "nearest training wave": nearest_wave,
        "least squares": least_squares,
    }
    found: dict[str, Any] = {}
    for world, change in WORLDS.items():
        sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 100} | change)
        found[world] = {}
        for name, of in answer.items():
            query, support = [], []
            for tasks in dealt(sampler, n_tasks, torch.Generator().manual_seed(8), 250):
                points = tasks.x_support, tasks.y_support
                query.append((of(*points, tasks.x_query) - tasks.y_query).square())
                support.append((of(*points, tasks.x_support) - tasks.y_support).square())
            scores = (score(torch.cat(errors).mean(dim=(1, 2))) for errors in (query, support))
            found[world][name] = row(next(scores)) | {"support": row(next(scores))}
    return found


def seeded(
    name: str, meta_lr: float, seed: int, seconds: float, n_waves: int, n_tasks: int
) -> tuple[int, dict[str, Any]]:
    """Train and judge with one seed; return how many numbers were learned, and the run."""
    found = trained(name, meta_lr, seed, seconds, n_waves)
    marks = {mark: judged(name, found, mark, n_tasks) for mark in ("waves", "seconds")}
    if name in STEPPERS:
        marks["seconds"]["shorter"] = {
            str(part): judged(
                name, found, "seconds", n_tasks, learner=made(name, part)[1], only=FIVE_POINTS
            )["worlds"]
            for part in SHORTER
        }
    return found["learned"], {"seed": seed, "ms": found["ms"]} | marks


def control(given: Mapping[str, Any], seed: int, n_tasks: int) -> dict[str, Any]:
    """Train and judge one of the controls with one seed, by waves alone."""
    name, n_waves = given["learner"], given["n_waves"] * given.get("times", 1)
    more = {key: given[key] for key in ("phase", "shorter") if key in given}
    found = trained(name, given["meta_lr"], seed, 0.0, n_waves, **more)
    judgement = judged(name, found, "waves", n_tasks, only=FIVE_POINTS)
    return {"seed": seed, "learned": found["learned"]} | judgement


def alone(job: Callable[..., Any], *given: Any) -> Any:
    """Do a job in this process, on one thread."""
    torch.set_num_threads(1)
    return job(*given)


def afresh(job: Callable[..., Any], *given: Any) -> Any:
    """Do a job in a process of its own."""
    with processes(1) as pool:
        return pool.submit(alone, job, *given).result()


def in_this_process(job: Callable[..., Any], *given: Any) -> Any:
    """Do a job here."""
    return job(*given)


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
    chosen = {entry["learner"]: entry["meta_lr"] for entry in learners}
    controls = {}
    for what, given in CONTROLS.items():
        given = dict(given) | {"n_waves": n_waves}
        rates = given.pop("rates", None)
        if rates:
            pairs = {
                (lr, part): search(given["learner"], lr, seconds / 3, n_tasks, shorter=part)
                for lr in META_LRS
                for part in rates
            }
            given["meta_lr"], given["shorter"] = min(pairs, key=lambda pair: pairs[pair])
        else:
            given["meta_lr"] = chosen[given["learner"]]
        controls[what] = given | {"runs": []}
    return {
        "device": describe_device(),
        "versions": describe_versions(),
        "marks": {"waves": n_waves, "seconds": seconds, "tasks": n_tasks},
        "references": references(n_tasks),
        "learners": learners,
        "controls": controls,
    }


def measure(
    path: Path,
    seconds: float = SECONDS,
    n_waves: int = N_WAVES,
    n_tasks: int = N_TASKS,
    *,
    run: Callable[..., Any] = afresh,
) -> None:
    """Train and judge all of them with one seed after the other; write each, skip what is there."""
    record = begun(path, seconds, n_waves, n_tasks)
    for seed in SEEDS:
        for entry in record["learners"]:
            if seed in [done["seed"] for done in entry["runs"]]:
                continue
            given = entry["learner"], entry["meta_lr"], seed, seconds, n_waves, n_tasks
            entry["learned"], found = run(seeded, *given)
            entry["runs"].append(found)
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            print(seed, entry["learner"], entry["meta_lr"], flush=True)
    for what, given in record["controls"].items():
        for seed in SEEDS:
            if seed in [done["seed"] for done in given["runs"]]:
                continue
            given["runs"].append(run(control, given, seed, n_tasks))
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            print(seed, what, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure(Path(sys.argv[1]))
