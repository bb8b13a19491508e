"""The benchmark compares like with like."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import torch

import benchmarks.fair as fair
import benchmarks.gpu as gpu
import benchmarks.interruptions as interruptions
import benchmarks.letters_search as letters_search
import benchmarks.meta_step as meta_step
import benchmarks.pretraining as pretraining
import benchmarks.relatives as kin
import benchmarks.remedies as remedies
from benchmarks.draw import draw
from maml_tutorial import evaluation, init_params, load_benchmark
from maml_tutorial.gradients import captured
from maml_tutorial.presets import PRESETS
from maml_tutorial.relatives import fomaml, maml
from maml_tutorial.tasks import Task
from tools.notebooks import read

ROOT = Path(__file__).resolve().parents[1]


TINY = meta_step.Case(replace(PRESETS["sinusoid-k10"], meta_batch_size=3), rounds=2)


@pytest.mark.slow
def test_every_way_is_timed_on_the_same_gradient():
    found = meta_step.measure(TINY, 2, peak=1e8)
    assert set(found["ms"]) >= {"ours", "loop", "higher"}
    ms, ratio = found["ms"], found["times faster than higher"]
    assert ratio["ours"] == pytest.approx(ms["higher"] / ms["ours"], abs=0.01)
    # 3 tasks, 10 + 10 points, about 3400 products a point: forward and backward, twice over.
    assert 1e6 < found["share of peak"]["loop"] * 1e8 * ms["loop"] / 1e3 < 1e7
    memory = found["peak MB"].values()
    assert max(memory) > 1 and all(0 <= mb < 500 for mb in memory)


@pytest.mark.parametrize("name", meta_step.CASES)
def test_all_ways_give_the_same_gradient_in_every_case(name: str):
    run = replace(meta_step.CASES[name].run, meta_batch_size=2)
    if "20-way" in name:
        run = replace(run, n_way=3, inner_steps=2)
    meta_step.check(meta_step.steps_of(run))


def test_two_ways_that_differ_are_refused():
    steps = meta_step.steps_of(TINY.run)
    exact = steps["ours"]
    steps["ours"] = lambda: [1.1 * g for g in exact()]
    with pytest.raises(RuntimeError, match="gradients of loop and ours differ by 1.0e-01"):
        meta_step.check(steps)


@pytest.mark.slow
def test_two_processes_share_the_work():
    pair = meta_step.TwoProcesses(TINY.run)  # three tasks: two for one process, one for the other
    assert pair() == []
    meta_step.check({"loop": meta_step.steps_of(TINY.run)["loop"], "pair": pair.gradients})
    pair.close()
    assert not any(process.is_alive() for process in pair.processes)


def test_what_grows_is_timed_for_each_size():
    found = meta_step.growth(TINY, "inner_steps", (1, 2))
    assert found["inner_steps"] == [1, 2] and len(found["ours"]) == len(found["loop"]) == 2


def test_chunks_up_to_the_meta_batch_are_timed_and_weighed(monkeypatch):
    monkeypatch.setattr(meta_step, "peak_mb", lambda run, way: 10.0 * run.chunk)
    found = meta_step.by_chunk(TINY, rounds=1)
    assert list(found["ms"]) == [1, 2] and found["peak MB"] == {1: 10.0, 2: 20.0}


def test_the_figure_on_the_page_is_drawn_from_the_measurement():
    record = load_benchmark("meta_step")
    assert draw(record) == (ROOT / "benchmarks" / "meta_step.svg").read_text("utf-8")


def convolutions(record):
    return [case for name, case in record["cases"].items() if "conv" in name]


def test_the_words_beside_the_figure_say_what_was_measured():
    """In book/appendix/results.md and in the figure's text alternative."""
    record = load_benchmark("meta_step")
    grown = record["growth"]["sine waves, 1 step"]["meta_batch_size"]
    assert grown["meta_batch_size"][0] == 1 and grown["meta_batch_size"][-1] == 64
    assert 1.6 < grown["ours"][-1] / grown["ours"][0] < 2.5
    assert 50 < grown["loop"][-1] / grown["loop"][0] < 75
    times = {name: case["times faster than higher"] for name, case in record["cases"].items()}
    sine, five_steps, connected, conv, twenty = times.values()
    assert min(sine["ours"], five_steps["ours"]) > 10
    assert min(sine["ours, compiled"], five_steps["ours, compiled"]) > 30
    assert 2 < connected["ours"] < 4 and connected["ours, compiled"] > 5
    assert 1.7 < conv["ours"] < 2.3 < conv["ours, 2 processes"]
    assert 1 < twenty["ours"] < 1.5 < twenty["ours, 2 processes"]
    memory = [case["peak MB"]["ours"] / case["peak MB"]["higher"] for case in convolutions(record)]
    assert min(memory) > 3  # "several times"
    for case in convolutions(record):  # fewer tasks in a chunk: less memory, more time
        chunks = case["by chunk"]
        assert chunks["peak MB"]["2"] < 2.5 * case["peak MB"]["higher"]
        assert chunks["ms"]["2"] > 1.1 * chunks["ms"]["8"]
    chunks = {name: case.run.chunk for name, case in meta_step.CASES.items()}
    assert [*chunks.values()] == [None, None, 16, 16, 4]


@pytest.mark.filterwarnings("ignore:no CUDA graph")
def test_what_a_gpu_does_to_a_gradient_is_measured_against_float64():
    found = gpu.measure(TINY.run, "cpu", rounds=1)
    assert set(found) == {"CPU, float32", "float64", *gpu.ROUNDING}
    assert found["float64"]["error"] < 1e-12 < 1e-9 < found["float32"]["error"] < 1e-5
    assert found["float32"]["again"] == found["float32"]["recorded"] == 0
    found = gpu.nudged(TINY.run)
    assert 1e-9 < found["1e-07"] < 1e-5 < found["0.001"] < 0.1
    assert set(gpu.loop(TINY.run, "cpu", rounds=1)) == {"draw ms", "step ms"}


def test_captured_is_described_as_it_was_measured_on_a_gpu():
    found = load_benchmark("gpu")["exact"]
    words = " ".join(captured.__doc__.split())
    assert set(found) == set(gpu.NAMES) and "on five presets" in words
    times = [way["ms"] / way["ms recorded"] for way in (case["float32"] for case in found.values())]
    assert f"{min(times):.1f} to {max(times):.1f} times as fast" in words
    for name, case in found.items():
        assert (
            case["TF32 in convolutions"]["again"] == case["TF32 in convolutions"]["recorded"] == 0
        )
        apart = max(case["float32"]["again"], case["float32"]["recorded"])
        if "no-conv" in name:
            assert apart == 0
        else:
            low, high = (1e-7, 5e-7) if "5w" in name[:11] else (0.05, 0.075)
            assert low < apart < high, name
    assert "by 5e-7 of the gradient, in 20-way tasks by up to 7 %" in words


def per_cent(error):
    """One figure of a small error, whole per cent of a large one."""
    share = 100 * error
    return f"{share:.0f}\u00a0%" if share >= 9.5 else f"{Decimal(f'{share:.1g}'):f}\u00a0%"


def test_the_omniglot_page_says_what_tf32_does_as_it_was_measured():
    record = load_benchmark("gpu")
    cells = read(ROOT / "book" / "appendix" / "omniglot_reproduced.ipynb").cells
    text = next(cell.source for cell in cells if "benchmarks.gpu" in cell.source)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "%" in line]
    five, twenty, *_ = names = ["5w1s", "20w1s", "5w5s", "20w5s", "5w1s-no-conv"]
    for name, row in zip(names, rows, strict=True):
        ways = record["exact"][f"omniglot-{name}"]
        errors = [ways[way]["error"] for way in ("CPU, float32", "float32", "TF32")]
        assert row.endswith(f"| {' | '.join(map(per_cent, errors))} |")
        n_way, k_shot = re.findall(r"\d+", name)
        convolution = ", no convolution" if "conv" in name else ""
        assert row.startswith(f"| {n_way}-way {k_shot}-shot{convolution} | ")
    step = {n: record["loop"][f"omniglot-{n}"]["step ms"] for n in (five, twenty)}
    assert f"a step took {step[five]:.1f} ms" in text
    assert f"with twenty ways {step[twenty]:.1f} instead" in text
    moved = {n: record["nudged"][f"omniglot-{n}"]["0.001"] for n in (five, twenty)}
    assert f"{100 * moved[five]:.0f} % with five ways" in text
    assert f"{100 * moved[twenty]:.0f} % with twenty" in text
    assert 1 / 7 < record["exact"][f"omniglot-{five}"]["TF32"]["error"] < 1 / 6  # "a sixth"


@pytest.mark.parametrize("net", ["mean", "flat"])
def test_the_search_trains_and_judges_each_network(net: str):
    setting = {"net": net, "meta_batch_size": 2, "meta_lr": 0.001}
    found = letters_search.search(setting, marks=(0.05,), n_tasks=20)
    assert found["steps"] >= 1 and set(found["accuracy"][0.05]) == {1, 3}


def test_chapter_8_shows_the_search_as_it_was_recorded():
    runs = json.loads((ROOT / "benchmarks" / "letters_search.json").read_text("utf-8"))["runs"]
    cells = read(ROOT / "book" / "08_maml_on_images.ipynb").cells
    text = next(cell.source for cell in cells if "letters_search" in cell.source)
    rows = [line for line in text.splitlines() if line.startswith("|") and "%" in line]
    setting = [{k: run[k] for k in letters_search.SETTINGS[0]} for run in runs]
    assert setting == letters_search.SETTINGS
    for run in runs:
        tail = f"| {run['ms_per_step']} | "
        tail += " | ".join(f"{100 * run['accuracy'][mark]['1']:.1f} %" for mark in ("20", "40"))
        assert any(row.replace("*", "").endswith(f"{tail} |") for row in rows), tail


def test_the_chapters_quote_longer_pre_training_as_it_was_recorded():
    runs = json.loads((ROOT / "benchmarks" / "pretraining.json").read_text("utf-8"))["runs"]
    scores = next(run for run in runs if run["epochs"] == 20)["scores"]
    for chapter, labels in {
        "02_few_shot_learning": ("letters 5-way 1-shot", "letters 5-way 5-shot"),
        "08_maml_on_images": ("letters 5-way 1-shot", "Omniglot 5-way 1-shot"),
    }.items():
        cells = read(ROOT / "book" / f"{chapter}.ipynb").cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for mean, interval, *_ in (scores[label] for label in labels):
            assert f"{100 * mean:.1f} ± {100 * interval:.1f}" in text


def test_longer_pre_training_is_measured_on_every_source(tmp_path):
    images = torch.randint(256, (30, 12, 1, 28, 28), dtype=torch.uint8)
    found = pretraining.measure(images, {"letters": images}, epochs=1, n_tasks=4)
    assert set(found["scores"]) == {"letters 5-way 1-shot", "letters 5-way 5-shot"}


TINY_WAVES = replace(
    kin.PROBLEMS["waves"], meta_batch_size=2, evaluations=8, seconds=0.05, n_tasks=20
)


@pytest.mark.parametrize("name", ["maml", "cavia"])
def test_a_relative_is_judged_after_the_same_work_and_after_the_same_seconds(name: str):
    found = kin.trained(TINY_WAVES, name, 0.01, 0, TINY_WAVES.seconds, TINY_WAVES.evaluations)
    assert found["evaluations"][1] == 2  # two outer steps of four evaluations a task
    assert found["seconds"][2] >= TINY_WAVES.seconds
    for mark in ("evaluations", "seconds"):
        rows = kin.judged(TINY_WAVES, found, mark, "test", (0, 1), 20)
        assert set(rows["scores"]) == {"0", "1"}
        assert all(0 <= row["diverged"] < 1 for row in rows["scores"].values())


@pytest.mark.parametrize("name", kin.EVALUATIONS)
def test_a_relatives_gradient_evaluations_are_those_that_it_makes(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    """Each time that a loss is differentiated counts one; through an earlier gradient, two more.

    iMAML makes one product more than is counted, for parameters that stay; there are none here.
    """
    differentiate, earlier, count = torch.autograd.grad, [], 0

    def reaches(outputs: torch.Tensor) -> int:
        seen, ahead = set(), [outputs.grad_fn]
        while ahead:
            node = ahead.pop()
            if node is not None and node not in seen:
                seen.add(node)
                ahead += [following for following, _ in node.next_functions]
        return sum(bool(made & seen) for made in earlier)

    def counted(outputs, inputs, **options):
        nonlocal count
        through = reaches(outputs)
        count += 2 * through if name == "imaml" and through else 1 + 2 * through
        found = differentiate(outputs, inputs, **options)
        if options.get("create_graph"):
            earlier.append({g.grad_fn for g in found if g.grad_fn is not None})
        return found

    net, learner = kin.made(TINY_WAVES, name, 0.01)
    theta = learner.start(init_params(net, seed=0))
    tasks = TINY_WAVES.samplers()["train"](2, torch.Generator().manual_seed(0))
    monkeypatch.setattr(torch.autograd, "grad", counted)
    monkeypatch.setattr("maml_tutorial.relatives.implicit.grad", counted)
    learner.gradient(theta, tasks)
    assert count == kin.EVALUATIONS[name]


def test_one_relative_is_done_again_in_its_own_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = [{"problem": "letters", "learner": name, "inner_lr": 1.0} for name in ("maml", "cavia")]
    path = tmp_path / "found.json"
    kin.write(path, {"marks": 1, "learners": rows})
    monkeypatch.setattr(kin, "processes", ThreadPoolExecutor)
    monkeypatch.setattr(
        kin, "job", lambda given: dict(zip(("problem", "learner"), given, strict=True))
    )
    kin.again(path, "letters", "cavia")
    found = json.loads(path.read_text())
    assert found["marks"] == 1 and found["learners"][0] == rows[0]
    assert found["learners"][1].keys() == {"problem", "learner", "versions"}


def test_the_record_of_the_relatives_has_the_rates_of_the_benchmark():
    rows = load_benchmark("relatives")["learners"]
    searched = {(r["problem"], r["learner"]): [*map(float, r["searched"])] for r in rows}
    assert searched == {
        (of, name): [*rates]
        for of, problem in kin.PROBLEMS.items()
        for name, rates in problem.rates.items()
    }


@pytest.mark.slow
def test_runs_that_are_disturbed_end_as_if_they_had_not_been(tmp_path):
    """Once in each way; the benchmark does so a hundred times."""
    arguments = [sys.executable, "-m", "benchmarks.interruptions", tmp_path / "found.json", "7"]
    found = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    right = json.loads((tmp_path / "found.json").read_text())["the same as undisturbed"]
    assert right == dict.fromkeys(interruptions.WAYS, 1)


def test_of_the_hundred_disturbed_runs_all_ended_as_if_they_had_not_been():
    found = json.loads((ROOT / "benchmarks" / "interruptions.json").read_text())
    assert sum(found["the same as undisturbed"].values()) == found["runs"] == interruptions.RUNS
    assert sum(found["met"].values()) == found["runs"]
    assert {way for way in interruptions.WAYS if f"{way}, with a checkpoint" in found["met"]} == {
        *interruptions.WAYS
    }


@pytest.fixture
def finished(tmp_path):
    """Two folders of one finished run."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    for end in ("json", "safetensors"):
        shutil.copy(ROOT / "maml_tutorial" / "data" / f"sinusoid-k5.{end}", one)
    shutil.copytree(one, other)
    return one, other


def test_runs_that_differ_are_told_apart(finished):
    one, other = finished
    assert interruptions.same(one, other)
    (other / ".sinusoid-k5.json.x1.part").touch()
    assert not interruptions.same(one, other)
    (other / ".sinusoid-k5.json.x1.part").unlink()
    weights = other / "sinusoid-k5.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert not interruptions.same(one, other)


def test_a_half_written_file_is_found(finished):
    one, other = finished
    interruptions.whole(one)
    for end in ("json", "safetensors"):
        file = other / f"sinusoid-k5.{end}"
        file.write_bytes(file.read_bytes()[:-9])
        with pytest.raises(RuntimeError, match=f"sinusoid-k5.{end} is half-written"):
            interruptions.whole(other)
        shutil.copy(one / file.name, other)
    (other / "sinusoid-k5.checkpoint").write_bytes(b"PK")
    with pytest.raises(RuntimeError, match="checkpoint is half-written"):
        interruptions.whole(other)


@pytest.mark.parametrize("name", remedies.REMEDIES)
def test_a_remedy_trains_and_is_judged(name: str):
    found = remedies.run(name, 0, meta_steps=4, n_tasks=20)
    assert found["name"] == name and found["n_tasks"] == 20 and found["mean"] > 0


def test_without_a_remedy_the_gradient_is_maml_s():
    tasks = remedies.SAMPLE(3, torch.Generator().manual_seed(0))
    params = remedies.init_params(remedies.NET, seed=0)
    given = {"inner_lr": remedies.INNER_LR, "inner_steps": remedies.STEPS}
    plain = maml(remedies.LOSS, **given).gradient(params, tasks)
    torch.testing.assert_close(remedies.learner_with("none").gradient(params, tasks), plain)
    first = fomaml(remedies.LOSS, **given).gradient(params, tasks)
    annealed = remedies.learner_with("order annealed", meta_steps=2)
    torch.testing.assert_close(annealed.gradient(params, tasks), first)
    torch.testing.assert_close(annealed.gradient(params, tasks), plain)  # the second half
    rated = remedies.learner_with("learned rates")
    _, gradients = rated.gradient(rated.start(params), tasks)
    torch.testing.assert_close(gradients[: len(params)], plain[1])


def test_the_record_of_the_remedies_has_each_setting_and_seed():
    runs = load_benchmark("remedies")["runs"]
    wanted = [(name, seed) for name in remedies.REMEDIES for seed in remedies.SEEDS]
    assert [(run["name"], run["seed"]) for run in runs] == wanted


def test_an_unknown_benchmark_is_named_beside_the_known_ones():
    with pytest.raises(KeyError, match="no benchmark 'relative'; there are: .*relatives"):
        load_benchmark("relative")


def test_every_contestant_is_searched_in_as_many_settings():
    n_settings = {name: len(settings) for name, (_, settings) in fair.CONTESTANTS.items()}
    assert n_settings.pop("pixels") == 1 and set(n_settings.values()) == {6}
    for _, settings in fair.CONTESTANTS.values():
        assert len({tuple(given.items()) for given in settings}) == len(settings)


@pytest.mark.parametrize("name", ["pre-training, all fine-tuned", "ProtoNet, 20-way", "MAML"])
def test_a_contestant_is_judged_after_the_same_seconds_on_the_same_tasks(name, monkeypatch):
    contestant, settings = fair.CONTESTANTS[name]
    monkeypatch.setitem(fair.CONTESTANTS, name, (contestant, settings[:2]))
    monkeypatch.setattr(fair, "SEEDS", (0,))
    monkeypatch.setattr(fair, "TESTS", {"letters": {"source": "test"}})
    asked = []
    monkeypatch.setattr(
        fair, "outcomes", lambda *how, **more: asked.append((how[2], more)) or right(*how, **more)
    )
    right = evaluation.outcomes
    found = fair.job(name, marks=(0.2, 0.4), n_tasks=10)
    assert [mark["steps"] > 0 for mark in found["runs"][0]["marks"].values()] == [True, True]
    best = max(found["searched"], key=lambda one: one["validation"][0])
    assert found["settings"] == best["settings"] and len(found["searched"]) == 2
    assert asked == [(10, {"seed": 5})] * 6  # two settings, two marks, two protocols
    for protocol in ("together", "alone"):
        (mean, interval) = found["runs"][0][protocol]["letters"]
        assert 0 < mean < 1 and 0 < interval < 0.3


def test_the_nearest_centroid_is_so_by_its_direction():
    """Whatever the lengths of the features, and of the means of features of length 1."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 5))
    x = torch.tensor([[9.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    query = torch.tensor([[1.0, 1.0, 1.2, 0], [0, 0, 5.0, 1.0]])
    shown, asked = (part.view(1, -1, 1, 2, 2) for part in (x, query))
    tasks = Task(shown, torch.tensor([[0, 0, 1, 1, 2]]), asked, torch.tensor([[0, 1]]))
    assert fair.centroids(net)(tasks).tolist() == [[0, 1]]


def test_a_contestant_is_chosen_on_validation_and_judged_elsewhere(monkeypatch):
    trained, asked = [], []

    def contestant(given, seed, seconds):
        trained.append((given["lr"], seed))
        while True:
            yield fair.Moment(seconds, 1, f"{given['lr']} together", f"{given['lr']} alone")

    def judged(answer, source, *, k_shot=1, n_tasks):
        asked.append((answer, source, k_shot))
        return [0.5 + (answer == "2 together" and source == "validation"), 0.01]

    settings = [{"lr": lr} for lr in (1, 2, 3)]
    monkeypatch.setitem(fair.CONTESTANTS, "MAML", (contestant, settings))
    monkeypatch.setattr(fair, "judged", judged)
    assert fair.job("MAML", marks=(1, 2))["settings"] == {"lr": 2}
    assert fair.SEARCH_SEED not in fair.SEEDS
    assert trained == [(lr, fair.SEARCH_SEED) for lr in (1, 2, 3)] + [(2, s) for s in fair.SEEDS]
    assert asked[:3] == [(f"{lr} together", "validation", 1) for lr in (1, 2, 3)]
    letters = ("test", 1), ("test", 5), ("handwriting", 1), ("animals", 1)
    a_run = [("2 together", "test", 1)] * 2
    a_run += [(f"2 {how}", *where) for how in ("together", "alone") for where in letters]
    assert asked[3:] == a_run * len(fair.SEEDS)


def test_letters_of_each_split_and_animals_are_apart():
    letters = [fair.images(split) for split in ("train", "validation", "test")]
    assert len({tuple(some[0].flatten().tolist()) for some in letters}) == 3
    animals = fair.images("animals")
    assert animals.shape[2:] == (1, 28, 28) and len(animals) == 50
