"""The learners that read: in the benchmark, and in chapter 15."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import benchmarks.in_context as bench
import maml_tutorial
from maml_tutorial import SinusoidTasks, init_params, load_benchmark, make_predict
from maml_tutorial.learners import gradient_of
from tools.notebooks import read

ROOT = Path(__file__).resolve().parents[1]
NETS = [bench.DeepSet, bench.Transformer]


def of_the_chapter() -> dict[str, Any]:
    """What the chapter's cells define, by name."""
    cells = read(ROOT / "book/15_where_to_go_next.ipynb").cells
    scope: dict[str, Any] = {"torch": torch, "nn": nn, "mse_loss": mse_loss}
    scope |= {"gradient_of": gradient_of} | vars(maml_tutorial)
    for cell in cells:
        if cell.id in ("deep-set", "reading", "transformer"):
            exec(cell.source, scope)  # noqa: S102
    return scope


@pytest.mark.parametrize("name", ["DeepSet", "Transformer"])
def test_the_chapters_readers_are_those_of_the_benchmark(name: str) -> None:
    scope, tasks = of_the_chapter(), SinusoidTasks(5, 10)(3, torch.Generator().manual_seed(0))
    found = []
    for reading, make in (
        (scope["reading"], scope[name]),
        (bench.reading, getattr(bench, name)),
    ):
        params = init_params(make(), seed=0)
        loss, gradients = reading(make()).gradient(params, tasks)
        found.append(dict(zip(params, gradients, strict=True)) | {"": loss})
    torch.testing.assert_close(found[0], found[1])


def answers(make: Callable[[], nn.Module], *, seed: int = 0) -> Callable[..., torch.Tensor]:
    """What a reader in float64 says at x, of a support set."""
    net = make().double()
    params, predict = init_params(net, seed=seed), make_predict(net)
    learn = bench.reading(net).learn
    return lambda x, y, query: predict(learn(params, x, y), query)


@pytest.mark.parametrize("make", NETS)
def test_a_reader_knows_no_order_and_no_number(make: Callable[[], nn.Module]) -> None:
    says = answers(make)
    x, y, query, _ = (part[0].double() for part in SinusoidTasks(5, 10)(1, torch.Generator()))
    once = says(x, y, query)
    torch.testing.assert_close(says(x.flip(0), y.flip(0), query), once)
    torch.testing.assert_close(says(x.repeat(3, 1), y.repeat(3, 1), query), once)
    assert not torch.allclose(says(x, y + 1, query), once)


@pytest.mark.parametrize("make", NETS)
def test_no_query_helps_another(make: Callable[[], nn.Module]) -> None:
    says = answers(make)
    x, y, query, _ = (part[0].double() for part in SinusoidTasks(5, 10)(1, torch.Generator()))
    together = says(x, y, query)
    alone = torch.cat([says(x, y, one[None]) for one in query])
    torch.testing.assert_close(together, alone)


def test_a_readers_gradient_is_the_mean_of_its_tasks_own_and_leaves_the_place_for_points() -> None:
    net = bench.DeepSet().double()
    params, learner = init_params(net, seed=0), bench.reading(net)
    tasks = SinusoidTasks(5, 10)(3, torch.Generator().manual_seed(0)).map(torch.Tensor.double)
    _, together = learner.gradient(params, tasks)
    single = [learner.gradient(params, tasks.part(i, i + 1))[1] for i in range(3)]
    for part, *own in zip(together, *single, strict=True):
        torch.testing.assert_close(part, torch.stack(own).mean(dim=0))
    assert together[list(params).index("points")].abs().max() == 0


@pytest.mark.parametrize("world", bench.WORLDS)
def test_who_knows_the_family_needs_two_points(world: str) -> None:
    k = bench.WORLDS[world].get("k_shot", 5)
    sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 50} | bench.WORLDS[world])
    tasks = sampler(20, torch.Generator().manual_seed(0))
    answers = bench.least_squares(tasks.x_support, tasks.y_support, tasks.x_query)
    error = (answers - tasks.y_query).square().mean(dim=(1, 2)).median()
    assert error < 1e-8 if k > 1 else error > 0.1


def test_each_world_differs_from_the_training_by_what_its_name_says() -> None:
    def dealt(world: str) -> maml_tutorial.Task:
        sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 50} | bench.WORLDS[world])
        return sampler(200, torch.Generator().manual_seed(0))

    home = dealt("as trained")
    # Half a turn on, a wave is the same with its sign changed.
    torch.testing.assert_close(dealt("other phases").y_query, -home.y_query, atol=1e-5, rtol=0)
    heights = dealt("larger waves").y_query.abs().amax(dim=(1, 2))
    assert home.y_query.abs().max() <= 5 < 8 < heights.max() <= 10 and heights.min() > 4
    far = dealt("x in 5 to 10").x_query
    assert 5 <= far.min() < 5.5 and 9.5 < far.max() <= 10 and home.x_query.min() < -4.5
    for k in (1, 2, 10, 20):
        assert dealt(f"{k} point" + "s" * (k > 1)).x_support.shape[1] == k


def test_a_rate_is_chosen_with_a_seed_and_waves_that_no_score_is_taken_on(monkeypatch) -> None:
    drawn, seeds = [], []
    evaluated, trained = bench.evaluate, bench.trained

    def evaluate(*given: Any, **more: Any) -> Any:
        drawn.append(more["generator"].initial_seed())
        return evaluated(*given, **more)

    def train(name: str, meta_lr: float, seed: int, *more: Any) -> dict[str, Any]:
        seeds.append(seed)
        return trained(name, meta_lr, seed, *more)

    monkeypatch.setattr(bench, "evaluate", evaluate)
    monkeypatch.setattr(bench, "trained", train)
    monkeypatch.setattr(bench, "WORLDS", {"as trained": {}})
    bench.search("deep set", 1e-3, 0.01, 4)
    bench.seeded("deep set", 1e-3, 0, 0.01, 25, 4)
    assert seeds == [bench.SEARCH_SEED, 0] and bench.SEARCH_SEED not in bench.SEEDS
    assert drawn[0] not in drawn[1:] and len(set(drawn[1:])) == 1


def test_all_are_judged_after_the_same_waves_and_the_same_seconds(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bench, "MOVE", {"CAVIA": 5, "deep set": 0})
    monkeypatch.setattr(bench, "SEEDS", (0,))
    worlds = {name: bench.WORLDS[name] for name in ("as trained", "2 points")}
    monkeypatch.setattr(bench, "WORLDS", worlds)
    path = tmp_path / "found.json"
    bench.measure(path, seconds=0.05, n_waves=50, n_tasks=10, run=bench.seeded)
    found = json.loads(path.read_text("utf-8"))
    assert [entry["learned"] for entry in found["learners"]] == [1961, 16_961]
    for entry in found["learners"]:
        (run,) = entry["runs"]
        assert run["waves"]["steps"] == 2 and run["seconds"]["train seconds"] >= 0.05
        steps = {"0", "1", "10"} if entry["moves"] else {"0"}
        assert set(run["seconds"]["worlds"]["2 points"]) == steps
        assert entry["meta_lr"] == float(min(entry["searched"], key=entry["searched"].get))


def test_the_record_is_one_of_these_settings() -> None:
    record = load_benchmark("in_context")
    assert record["marks"] == {
        "waves": bench.N_WAVES,
        "seconds": bench.SECONDS,
        "tasks": bench.N_TASKS,
    }
    assert [entry["learner"] for entry in record["learners"]] == list(bench.MOVE)
    for entry in record["learners"]:
        assert [run["seed"] for run in entry["runs"]] == list(bench.SEEDS)[: len(entry["runs"])]
        for run in entry["runs"]:
            assert list(run["waves"]["worlds"]) == list(bench.WORLDS)
