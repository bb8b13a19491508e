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
from maml_tutorial.params import stacked
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
    sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 50} | bench.WORLDS[world])
    tasks = sampler(20, torch.Generator().manual_seed(0))
    answers = bench.least_squares(tasks.x_support, tasks.y_support, tasks.x_query)
    error = (answers - tasks.y_query).square().mean(dim=(1, 2)).median()
    assert error < 1e-8


def test_the_nearest_wave_of_the_training_is_of_its_family_and_misses_the_points_least() -> None:
    def errors(world: str) -> tuple[torch.Tensor, torch.Tensor]:
        sampler = SinusoidTasks(**{"k_shot": 5, "k_query": 50} | bench.WORLDS[world])
        tasks = sampler(100, torch.Generator().manual_seed(0))
        x, y = tasks.x_support, tasks.y_support
        away = (bench.nearest_wave(x, y, x) - y).square().mean(dim=(1, 2))
        for height, phase in ((0.1, 0.0), (2.5, 1.6), (5.0, 3.1)):
            other = height * torch.sin(x - phase) - y
            assert (away <= other.square().mean(dim=(1, 2)) + 0.02).all()
        asked = bench.nearest_wave(x, y, tasks.x_query) - tasks.y_query
        return away, asked.square().mean(dim=(1, 2))

    for world in ("as trained", "20 points", "x in 5 to 10"):
        assert errors(world)[1].max() < 0.05
    # A wave a sin x + b cos x with b > 0 is nowhere in the family: b = 0 is as near as it gets.
    assert 1.5 < errors("other phases")[1].mean() < 3.5
    assert errors("larger waves")[1].mean() > 3


def test_a_warning_rings_in_vain_for_one_in_twenty_and_often_where_points_are_missed() -> None:
    net = bench.DeepSet()
    found = {
        "learner": bench.reading(net),
        "predict": make_predict(net),
        "seconds": (init_params(net, seed=0), 0, 0.0),
    }
    worlds = bench.judged("deep set", found, "seconds", 200, only=["as trained", "larger waves"])
    home, larger = (world["0"] for world in worlds["worlds"].values())
    assert 0.01 < home["flagged"] < 0.1 and larger["flagged"] > 0.7
    assert larger["support"]["mean"] > 3 * home["support"]["mean"]


def test_a_shorter_step_is_a_part_of_the_same_step() -> None:
    tasks = SinusoidTasks(5, 10)(3, torch.Generator().manual_seed(0))
    for name in bench.STEPPERS:
        params = stacked(init_params(bench.made(name)[0], seed=0), 3)
        phi = [
            bench.made(name, part)[1].learn(params, tasks.x_support, tasks.y_support, inner_steps=1)
            for part in (1.0, 0.25)
        ]
        for key, p in params.items():
            torch.testing.assert_close((phi[1][key] - p) * 4, phi[0][key] - p, atol=2e-5, rtol=1e-3)


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
    for k in (2, 20):
        assert dealt(f"{k} points").x_support.shape[1] == k


def test_a_rate_is_chosen_with_a_seed_and_waves_that_no_score_is_taken_on(monkeypatch) -> None:
    drawn, seeds = [], []
    evaluated, trained = bench.evaluate, bench.trained

    def evaluate(*given: Any, **more: Any) -> Any:
        drawn.append(more["generator"].initial_seed())
        return evaluated(*given, **more)

    def train(name: str, meta_lr: float, seed: int, *more: Any, **other: Any) -> dict[str, Any]:
        seeds.append(seed)
        return trained(name, meta_lr, seed, *more, **other)

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
    monkeypatch.setattr(bench, "FIVE_POINTS", ["as trained"])
    wide = {"learner": "deep set", "phase": (0.0, 6.28), "times": 2}
    monkeypatch.setattr(bench, "CONTROLS", {"another training": wide})
    path = tmp_path / "found.json"
    bench.measure(path, seconds=0.05, n_waves=50, n_tasks=10, run=bench.in_this_process)
    found = json.loads(path.read_text("utf-8"))
    assert [entry["learned"] for entry in found["learners"]] == [1961, 16_961]
    for entry in found["learners"]:
        (run,) = entry["runs"]
        assert run["waves"]["steps"] == 2 and run["seconds"]["train seconds"] >= 0.05
        steps = {"0", "1", "10"} if entry["moves"] else {"0"}
        assert set(run["seconds"]["worlds"]["2 points"]) == steps
        assert entry["meta_lr"] == float(min(entry["searched"], key=entry["searched"].get))
    assert set(found["learners"][0]["runs"][0]["seconds"]["shorter"]) == {"0.25", "0.0625"}
    (control,) = found["controls"]["another training"]["runs"]
    assert control["steps"] == 4 and list(control["worlds"]) == ["as trained"]


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
    assert list(record["controls"]) == list(bench.CONTROLS)
    for what, given in record["controls"].items():
        assert [run["seed"] for run in given["runs"]] == list(bench.SEEDS)[: len(given["runs"])]
        steps = 2000 * bench.CONTROLS[what].get("times", 1)
        assert {run["steps"] for run in given["runs"]} == {steps}
