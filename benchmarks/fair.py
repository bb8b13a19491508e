"""Everyone under the same conditions: who tells new letters apart after how long? Written as JSON.

    python -m benchmarks.fair maml_tutorial/data/benchmarks/fair.json

5-way tasks, one network for all. Each contestant has six settings; the one that does best on
validation scripts after a third of the time (seed 9) is trained three times, with seeds 0, 1, 2,
and judged at three marks: seconds of one processor. At the last mark every one is judged on every
test, in both protocols of batch norm. Two processes share the contestants.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy, interpolate, normalize

from maml_tutorial import (
    ConvNet,
    EpisodeSampler,
    adapt,
    init_params,
    load_creatures,
    load_glyphs,
    load_omniglot,
    make_loss,
    make_predict,
    nearest_neighbour,
    new_head,
    outcomes,
    predict_alone,
    relatives,
    score,
)
from maml_tutorial.episodes import as_floats
from maml_tutorial.glyphs import Split
from maml_tutorial.learners import Learner
from maml_tutorial.maml import over_tasks
from maml_tutorial.params import copied, stacked
from maml_tutorial.records import describe_device, describe_versions
from maml_tutorial.tasks import Task
from maml_tutorial.training import Training, cosine, outer_loop

N_WAY, HIDDEN = 5, 32
MARKS, SEEDS, SEARCH_SEED, N_TASKS = (10, 20, 40), (0, 1, 2), 9, 500
Answer = Callable[[Task], Tensor]  # labels for the query images of a meta-batch
Settings = Mapping[str, Any]


@cache
def images(source: str) -> Tensor | list[Tensor]:
    """Return images of 28×28 grey pixels: letters of a split, handwriting, or animals."""
    if source == "handwriting":
        return load_omniglot("evaluation").images
    if source == "animals":
        grey = torch.stack([as_floats(some).mean(dim=1) for some in load_creatures("test").images])
        return interpolate(grey, size=(28, 28), mode="area")[:, :, None]
    return load_glyphs(cast(Split, source)).images


def episodes(source: str, *, n_way: int = N_WAY, k_shot: int = 1) -> EpisodeSampler:
    """Return tasks with five query images a class."""
    return EpisodeSampler(images(source), n_way=n_way, k_shot=k_shot, k_query=5)


# --- Contestants: each trains, and hands out its answers whenever it is asked for them --------


@dataclass(frozen=True)
class Moment:
    """What a contestant has become after some seconds.

    Attributes:
        seconds: of training so far.
        steps: of its optimiser.
        together: answers where the query images are seen together.
        alone: answers where each is seen beside the support images only.
    """

    seconds: float
    steps: int
    together: Answer
    alone: Answer


Contestant = Callable[[Settings, int, float], Iterator[Moment]]


def meta_learner(make: Callable[..., Learner], n_way: int = N_WAY, batch: int = 8) -> Contestant:
    """Return a contestant that meta-trains a learner."""

    def train(given: Settings, seed: int, seconds: float) -> Iterator[Moment]:
        def built(ways: int) -> tuple[ConvNet, Learner]:
            net = ConvNet(ways, hidden=HIDDEN)
            return net, make(net, **{k: v for k, v in given.items() if k != "meta_lr"})

        net, learner = built(n_way)
        start = learner.start(init_params(net, seed=seed))
        generator = torch.Generator().manual_seed(100 + seed)
        training = Training.begun(start, generator, meta_lr=given["meta_lr"])
        steps = outer_loop(
            training, learner.gradient, episodes("train", n_way=n_way),
            meta_batch_size=batch, meta_steps=10**9,
        )  # fmt: skip
        test_net, test_learner = built(N_WAY)
        predict, spent = make_predict(test_net), 0.0
        while True:
            began = time.process_time()
            next(steps)
            spent += time.process_time() - began
            theta = copied(training.params)

            def phi(tasks: Task, theta: dict[str, Tensor] = theta) -> dict[str, Tensor]:
                start = stacked(theta, len(tasks.x_support))
                found = test_learner.learn(start, tasks.x_support, tasks.y_support)
                return {n: p.detach() for n, p in found.items()}

            def together(tasks: Task, phi: Callable[..., Any] = phi) -> Tensor:
                return vmap(predict)(phi(tasks), tasks.x_query).argmax(dim=-1)

            def alone(tasks: Task, phi: Callable[..., Any] = phi) -> Tensor:
                at = vmap(partial(predict_alone, predict), chunk_size=1)
                return at(phi(tasks), tasks.x_support, tasks.x_query).argmax(dim=-1)

            yield Moment(spent, training.step, together, alone)

    return train


def pretraining(head: Callable[..., Answer]) -> Contestant:
    """Return a contestant that learns to tell all training letters apart, and gets a new head."""

    def train(given: Settings, seed: int, seconds: float) -> Iterator[Moment]:
        all_images = as_floats(torch.cat(list(images("train"))))
        n_classes = len(images("train"))
        y = torch.arange(n_classes).repeat_interleave(len(all_images) // n_classes)
        generator = torch.Generator().manual_seed(100 + seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = ConvNet(n_classes, hidden=HIDDEN, running_averages=True)
        optimizer = torch.optim.Adam(net.parameters(), lr=given["lr"])
        spent, steps = 0.0, 0
        while True:
            for some in torch.randperm(len(y), generator=generator).split(given["batch"]):
                began = time.process_time()
                for group in optimizer.param_groups:
                    group["lr"] = given["lr"] * cosine(min(1.0, spent / seconds))
                loss = cross_entropy(net(all_images[some]), y[some])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                spent, steps = spent + time.process_time() - began, steps + 1
                answer = head(net.eval(), **{k: v for k, v in given.items() if k in HEAD})
                yield Moment(spent, steps, answer, answer)  # running averages: the same
                net.train()

    return train


HEAD = ("inner_lr", "inner_steps")  # settings of the head; the others are of the training


def trunk(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what stands below the last layer, as a function of images of many tasks."""
    body = nn.Sequential(*list(net.children())[:-1])

    def features(x: Tensor) -> Tensor:
        with torch.no_grad():
            return body(x.reshape(-1, *x.shape[-3:])).view(*x.shape[:-3], -1)

    return features


def centroids(net: nn.Module) -> Answer:
    """The class with the nearest mean feature, by cosine."""
    features = trunk(net)

    def answer(tasks: Task) -> Tensor:
        support, query = (normalize(features(x), dim=-1) for x in (tasks.x_support, tasks.x_query))
        sides = nn.functional.one_hot(tasks.y_support, N_WAY).float()
        means = normalize(sides.mT @ support, dim=-1)
        return (query @ means.mT).argmax(dim=-1)

    return answer


def scaled_head(net: nn.Module, inner_lr: float, inner_steps: int) -> Answer:
    """A new last layer on features of length 1."""
    features = trunk(net)
    return partial(new_head, features=features, inner_lr=inner_lr, inner_steps=inner_steps)


def raw_head(net: nn.Module, inner_lr: float, inner_steps: int) -> Answer:
    """A new last layer on the features as they are."""
    how = {"inner_lr": inner_lr, "inner_steps": inner_steps, "scaled": False}
    return partial(new_head, features=trunk(net), **how)


def fine_tuned(net: nn.Module, inner_lr: float, inner_steps: int) -> Answer:
    """A new last layer from zeros, and all layers move, batch norm's averages stay."""
    *names, _, _ = (n for n, _ in net.named_parameters())
    weight = dict(net.named_parameters())
    buffers = dict(net.named_buffers())
    head = [n for n in weight if n not in names]

    def predict(params: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(net, (params, buffers), (x,))

    def answer(tasks: Task) -> Tensor:
        fresh = {n: torch.zeros(N_WAY, *weight[n].shape[1:]) for n in head}
        theta = {n: weight[n].detach() for n in names} | fresh
        theta = {n: p.clone().requires_grad_() for n, p in theta.items()}
        phi = adapt(
            over_tasks(lambda p, x, y: cross_entropy(predict(p, x), y)),
            stacked(theta, len(tasks.x_support)), tasks.x_support, tasks.y_support,
            inner_lr=inner_lr, inner_steps=inner_steps, first_order=True,
        )  # fmt: skip
        return vmap(predict)({n: p.detach() for n, p in phi.items()}, tasks.x_query).argmax(-1)

    return answer


def on_pixels(given: Settings, seed: int, seconds: float) -> Iterator[Moment]:
    """Learn nothing, and take the nearest support image."""
    while True:
        yield Moment(seconds, 0, nearest_neighbour, nearest_neighbour)


def prototypes(net: ConvNet) -> dict[str, Any]:
    """What a learner needs that makes its head of class means."""
    head: Any = net[-1]
    names = [n for n, _ in net.named_parameters()]
    return {
        "embed": make_predict(net[:-1]), "head": (names[-2], names[-1]),
        "n_way": head.out_features,
    }  # fmt: skip


def on_loss(name: str) -> Callable[..., Learner]:
    """Make a learner of this name that goes down the cross-entropy."""
    make = getattr(relatives, name)
    return lambda net, **given: make(make_loss(net, cross_entropy), **given)


def anil(net: ConvNet, **given: Any) -> Learner:
    """Make ANIL: the last layer moves."""
    names = [n for n, _ in net.named_parameters()]
    return relatives.anil(make_loss(net, cross_entropy), head=names[-2:], **given)


def protomaml(net: ConvNet, **given: Any) -> Learner:
    """Make ProtoMAML."""
    return relatives.protomaml(make_loss(net, cross_entropy), **prototypes(net), **given)


def grid(**choices: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return every combination.

    Example:
        >>> grid(a=(1, 2), b=(3,))
        [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    found: list[dict[str, Any]] = [{}]
    for name, values in choices.items():
        found = [one | {name: value} for one in found for value in values]
    return found


RATES = {"meta_lr": (1e-3, 3e-3)}
PRETRAINING = {"lr": (1e-3, 3e-3, 1e-2)}
CONTESTANTS: dict[str, tuple[Contestant, list[dict[str, Any]]]] = {
    "pixels": (on_pixels, [{}]),
    "pre-training, centroids": (pretraining(centroids), grid(**PRETRAINING, batch=(64, 128))),
    "pre-training, new head": (
        pretraining(scaled_head),
        grid(lr=(3e-3,), batch=(128,), inner_lr=(1.0, 5.0, 20.0), inner_steps=(50, 200)),
    ),
    "pre-training, raw head": (
        pretraining(raw_head),
        grid(lr=(3e-3,), batch=(128,), inner_lr=(0.01, 0.1, 1.0), inner_steps=(50, 200)),
    ),
    "pre-training, all fine-tuned": (
        pretraining(fine_tuned),
        grid(lr=(3e-3,), batch=(128,), inner_lr=(0.01, 0.05, 0.2), inner_steps=(5, 20)),
    ),
    "ProtoNet, 5-way": (
        meta_learner(lambda net: relatives.protonet(**prototypes(net))),
        grid(meta_lr=(3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2)),
    ),
    "ProtoNet, 20-way": (
        meta_learner(lambda net: relatives.protonet(**prototypes(net)), n_way=20, batch=2),
        grid(meta_lr=(3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2)),
    ),
    "ProtoMAML": (meta_learner(protomaml), grid(**RATES, inner_lr=(0.05, 0.1, 0.2))),
    "MAML": (meta_learner(on_loss("maml")), grid(**RATES, inner_lr=(0.2, 0.4, 0.8))),
    "first order": (meta_learner(on_loss("fomaml")), grid(**RATES, inner_lr=(0.05, 0.1, 0.2))),
    "ANIL": (meta_learner(anil), grid(**RATES, inner_lr=(1.0, 2.0, 4.0))),
}


# --- Judging ----------------------------------------------------------------------------------


def judged(answer: Answer, source: str, *, k_shot: int = 1, n_tasks: int = N_TASKS) -> list[float]:
    """Return the mean accuracy and half its 95 % interval over tasks, the same for everyone."""
    found = score(outcomes(episodes(source, k_shot=k_shot), answer, n_tasks, seed=5))
    return [round(found.mean, 4), round(found.interval, 4)]


TESTS: dict[str, dict[str, Any]] = {
    "letters": {"source": "test"},
    "letters, 5-shot": {"source": "test", "k_shot": 5},
    "handwriting": {"source": "handwriting"},
    "animals": {"source": "animals"},
}


def watched(
    contestant: Contestant, given: Settings, seed: int, marks: tuple[float, ...]
) -> Iterator[Moment]:
    """Train, and stop at each mark."""
    training = contestant(given, seed, marks[-1])
    for mark in marks:
        yield next(moment for moment in training if moment.seconds >= mark)


def job(name: str, marks: tuple[float, ...] = MARKS, n_tasks: int = N_TASKS) -> dict[str, Any]:
    """Search for one contestant, then train and judge it with every seed."""
    torch.set_num_threads(1)
    contestant, settings = CONTESTANTS[name]
    searched: list[dict[str, Any]] = []
    for given in settings:
        (moment,) = watched(contestant, given, SEARCH_SEED, (marks[-1] / 3,))
        found = judged(moment.together, "validation", n_tasks=n_tasks)
        searched.append({"settings": given, "validation": found})
    best = max(searched, key=lambda one: one["validation"][0])["settings"]
    runs = []
    for seed in SEEDS:
        run: dict[str, Any] = {"seed": seed, "marks": {}}
        for mark, moment in zip(marks, watched(contestant, best, seed, marks), strict=True):
            found = judged(moment.together, "test", n_tasks=n_tasks)
            run["marks"][str(mark)] = {"steps": moment.steps, "letters": found}
        for protocol in ("together", "alone"):
            answer = getattr(moment, protocol)
            run[protocol] = {
                test: judged(answer, **where, n_tasks=n_tasks) for test, where in TESTS.items()
            }
        runs.append(run)
    return {"contestant": name, "settings": best, "searched": searched, "runs": runs}


def main(path: Path) -> None:
    """Let everyone compete, two at a time; write what they reached."""
    load_glyphs("train")  # once, into the cache
    found = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, max_tasks_per_child=1) as pool:
        for result in pool.map(job, CONTESTANTS):
            found.append(result)
            print(result["contestant"], result["settings"], flush=True)
    record = {
        "device": f"2 processes, each on {describe_device()}",
        "versions": describe_versions(),
        "marks": MARKS, "tasks": N_TASKS,
        "contestants": found,
    }  # fmt: skip
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
