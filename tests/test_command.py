"""The command's words: what it lists and shows, what it does with bad input."""

import dataclasses
import math
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from few import few_tests
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial import jobs, presets
from maml_tutorial.__main__ import main
from maml_tutorial.episodes import EpisodeSampler, WithinGroups
from maml_tutorial.evaluation import evaluate
from maml_tutorial.gradients import chunked
from maml_tutorial.models import MLP, ConvNet, init_params, make_loss, make_predict
from maml_tutorial.records import load_record, save_record
from maml_tutorial.relatives import (
    anil,
    boil,
    fomaml,
    imaml,
    joint,
    maml,
    meta_sgd,
    protomaml,
    protonet,
    reptile,
)
from maml_tutorial.tasks import ImageClasses, SinusoidTasks
from maml_tutorial.training import Training, cosine, outer_loop
from maml_tutorial.weights import load_weights

CHARACTERS = ImageClasses(
    torch.randint(0, 256, (1623, 20, 1, 28, 28), dtype=torch.uint8),
    tuple(map(str, range(1623))),
    tuple(f"alphabet {i // 33}" for i in range(1623)),
)


def invoke(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def tiny(monkeypatch):
    """Omniglot presets that take a second: characters of noise, a narrow network, few tasks."""
    monkeypatch.setattr(presets, "load_omniglot", lambda: CHARACTERS)
    monkeypatch.setattr(
        presets, "ConvNet", lambda n_way, hidden=4: presets.FullyConnectedNet(n_way)
    )
    for name, run in presets.PRESETS.items():
        if isinstance(run, presets.Omniglot):
            monkeypatch.setitem(presets.PRESETS, name, replace(run, n_test_tasks=4))
    monkeypatch.setattr(presets.Omniglot, "test_steps", (0, 1))


def test_another_word_is_answered_with_the_nearest_preset():
    result = invoke("train", "omniglot-5w1")
    assert result.exit_code == 2 and "did you mean 'omniglot-5w1s'?" in result.output


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("inner_l=3", "unknown setting 'inner_l': there are learner, inner_lr, inner_steps"),
        ("k_shot=few", "k_shot must be a whole number, got 'few'"),
        ("inner_lr=fast", "inner_lr must be a number, got 'fast'"),
        ("first_order=1", "first_order must be True or False, got '1'"),
    ],
)
def test_a_setting_that_is_none_is_named(setting, words):
    result = invoke("train", "sinusoid-k5", "--set", setting)
    assert result.exit_code == 2 and words in result.output


@pytest.fixture
def one_thread():
    """With more of them sums are taken in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def doubled(gradient):
    """What stands for `compiled`, which takes its time: it must see the chunks, and be used."""

    def run(params, tasks):
        loss, gradients = gradient(params, tasks)
        return loss + len(tasks.x_query), [2 * g for g in gradients]

    return run


def by_hand(
    run, learner, sampler, test, meta_lr=1e-3, engine=None, schedule=None, seed=0, test_seed=2
):
    """Five steps of a run with its tests, by direct calls of the package."""
    model = run.model()
    judged = partial(evaluate, learner, make_predict(model), run.metric)
    training = Training.begun(
        learner.start(init_params(model, seed=seed)),
        torch.Generator().manual_seed(seed + 1),
        meta_lr=meta_lr,
    )
    steps = outer_loop(
        training,
        engine(learner.gradient) if engine else learner.gradient,
        sampler,
        meta_batch_size=run.meta_batch_size,
        meta_steps=5,
        schedule=schedule or (lambda done: 1.0),
        log_every=1,
    )
    for now in steps:
        found = judged(
            now.params,
            test,
            inner_steps=[0, 1],
            n_tasks=8,
            generator=torch.Generator().manual_seed(seed + 3),
        ).query
        seen = {run.metric_name: found[1].mean, "interval": found[1].interval}
        now.curve.append((now.step, seen | {f"{run.metric_name} before": found[0].mean}))
    scores = judged(
        training.params,
        test,
        inner_steps=run.test_steps,
        n_tasks=6,
        generator=torch.Generator().manual_seed(seed + test_seed),
        batch_size=run.test_batch_size,
    )
    return training, scores.query


def recorded(folder, preset, options):
    """The weights and the record of five steps of the command, on few tasks of a test."""
    steps = () if "--meta-steps" in options else ("--meta-steps", 5)
    result = invoke("train", preset, *options, *steps, "--output", folder)
    assert result.exit_code == 0, result.output
    (path,) = folder.glob("*.json")
    return load_weights(path.stem, folder), load_record(path.stem, folder)


SINE = make_loss(MLP(), mse_loss)
MAML = maml(SINE, inner_lr=0.01)
HEAD = ("4.weight", "4.bias")
BODY = [name for name, _ in MLP().named_parameters() if name not in HEAD]
RELATIVES = {
    "maml": MAML,
    "fomaml": fomaml(SINE, inner_lr=0.01),
    "anil": anil(SINE, head=HEAD, inner_lr=0.01),
    "boil": boil(SINE, body=BODY, inner_lr=0.01),
    "meta_sgd": meta_sgd(SINE, inner_lr=0.01),
    "reptile": reptile(SINE, inner_lr=0.01, inner_steps=1),
    "imaml": imaml(SINE, inner_lr=0.01, inner_steps=1, pull=2.0),
    "joint": joint(SINE, inner_lr=0.01),
}
# The options of the command, and what they mean in a call of the package.
OPTIONS = {
    "": {},
    "--set inner_lr=0.03": {"learner": maml(SINE, inner_lr=0.03)},
    "--set inner_steps=3": {"learner": maml(SINE, inner_lr=0.01, inner_steps=3)},
    "--set inner_steps=0": {"learner": joint(SINE, inner_lr=0.01)},
    "--set meta_lr=0.05": {"meta_lr": 0.05},
    "--set first_order=True": {"learner": fomaml(SINE, inner_lr=0.01)},
    "--first-order": {"learner": fomaml(SINE, inner_lr=0.01)},
    **{f"--learner {name}": {"learner": learner} for name, learner in RELATIVES.items()},
    "--set learner=anil": {"learner": RELATIVES["anil"]},
    "--learner imaml --set inner_steps=2 --set pull=5": {
        "learner": imaml(SINE, inner_lr=0.01, inner_steps=2, pull=5.0)
    },
    "--validate": {"test_seed": 4},
    "--set validate=True": {"test_seed": 4},
    "--set n_test_tasks=6": {},
    "--set chunk=7": {"engine": chunked(7)},
    "--set decay=True": {"schedule": cosine},
    "--set meta_batch_size=6": {"meta_batch_size": 6},
    "--set meta_steps=9 --meta-steps 5": {},
    "--set k_shot=3": {"k_shot": 3},
    "--seed 8": {"seed": 8},
    "--compile": {"engine": doubled},
    "--compile --set chunk=7": {"engine": lambda gradient: chunked(7)(doubled(gradient))},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_a_run_is_what_direct_calls_of_the_package_give_bit_for_bit(
    options, one_thread, tmp_path, monkeypatch
):
    few_tests(monkeypatch, presets.Sinusoid, 6)
    monkeypatch.setattr(presets.Sinusoid, "n_watched_tasks", 8)
    monkeypatch.setattr(jobs, "compiled", doubled)
    weights, record = recorded(tmp_path, "sinusoid-k5", options.split())
    meant = {"learner": MAML, "meta_batch_size": 25, "k_shot": 5, "seed": 0} | OPTIONS[options]
    run = replace(presets.PRESETS["sinusoid-k5"], meta_batch_size=meant.pop("meta_batch_size"))
    k_shot, seed = meant.pop("k_shot"), meant["seed"]
    expected, scores = by_hand(
        run, sampler=SinusoidTasks(k_shot, k_shot), test=SinusoidTasks(k_shot, 100), **meant
    )
    assert weights.keys() == expected.params.keys()
    assert all(torch.equal(p, expected.params[name]) for name, p in weights.items())
    assert (record.history, record.curve) == (expected.history, expected.curve)
    assert record.scores == {f"{k_shot}-shot": scores}
    use = {"validation": seed + 4} if "validat" in options else {"test": seed + 2}
    assert record.seeds == {"init": seed, "train": seed + 1, "curve": seed + 3} | use


@pytest.fixture
def letters(one_thread, monkeypatch):
    """Images of noise, of which a tiny run on letters deals; the sampler that the run should be."""
    images = torch.rand(12, 8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    classes = ImageClasses(images, ("?",) * 12, ("A",) * 12)
    monkeypatch.setattr(presets, "load_glyphs", lambda split: classes)
    few_tests(monkeypatch, presets.Glyphs, 6)
    monkeypatch.setattr(presets.Glyphs, "n_watched_tasks", 8)
    monkeypatch.setattr(presets.Glyphs, "test_steps", (0, 1))
    sampler = EpisodeSampler(images, n_way=3, k_shot=1, k_query=2)
    monkeypatch.setattr(presets.Glyphs, "tests", lambda run: iter([presets.Test("one", sampler)]))
    return sampler


NET = ConvNet(3, hidden=4)
ON_NET = {"loss_fn": make_loss(NET, cross_entropy), "inner_lr": 0.4}
PROTOTYPES = {"embed": make_predict(NET[:-1]), "head": ("14.weight", "14.bias"), "n_way": 3}
ON_LETTERS = {
    "": maml(**ON_NET),
    "--learner anil": anil(**ON_NET, head=PROTOTYPES["head"]),
    "--learner reptile --set inner_steps=3": reptile(**ON_NET, inner_steps=3),
    "--learner protonet": protonet(**PROTOTYPES),
    "--learner protomaml": protomaml(**ON_NET, **PROTOTYPES),
}


@pytest.mark.parametrize("options", ON_LETTERS)
def test_a_run_on_letters_in_chunks_is_what_direct_calls_give_bit_for_bit(
    options, letters, tmp_path
):
    settings = {"n_way": 3, "k_query": 2, "hidden": 4, "chunk": 3, "meta_batch_size": 4}
    words = [*options.split(), *(f"--set={key}={value}" for key, value in settings.items())]
    weights, record = recorded(tmp_path, "glyphs-5w1s", words)
    run = replace(presets.PRESETS["glyphs-5w1s"], **settings)
    expected, scores = by_hand(run, ON_LETTERS[options], letters, letters, engine=chunked(3))
    assert weights.keys() == expected.params.keys()
    assert all(torch.equal(p, expected.params[name]) for name, p in weights.items())
    assert (record.history, record.curve) == (expected.history, expected.curve)
    assert record.scores == {"one": scores}


def test_a_changed_setting_is_used_and_stands_in_the_record(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    change = ("--set", "k_shot=3", "--set", "first_order=True", "--set", "chunk=2")
    result = invoke("train", "sinusoid-k5", *change, "--meta-steps", 3, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    record = load_record("sinusoid-k5-first-order", tmp_path)
    assert (record.config["k_shot"], record.config["chunk"]) == (3, 2)
    assert list(record.scores) == ["3-shot"] and record.config["first_order"]
    assert "--set k_shot=3 --set first_order=True --set chunk=2" in record.command


def test_a_run_made_short_by_a_setting_is_unfinished_too(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    invoke("train", "sinusoid-k5", "--set", "meta_steps=3", "--output", tmp_path)
    record = load_record("sinusoid-k5", tmp_path)
    assert (record.steps_done, record.steps_planned) == (3, 70_000)


@pytest.mark.parametrize("options", [(), ("--first-order",)])
def test_a_run_may_have_a_name_of_its_own_and_is_known_by_its_preset(
    tmp_path, monkeypatch, options
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    named = ("--meta-steps", 3, *options, "--name", "a-short-1", "--output", tmp_path)
    result = invoke("train", "sinusoid-k5", *named)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-short-1.json", "a-short-1.safetensors"]
    record = load_record("a-short-1", tmp_path)
    assert (record.name, record.preset) == ("a-short-1", "sinusoid-k5")
    assert record.command.endswith("--name a-short-1 --seed 0")
    again = ("evaluate", "a-short-1", "--folder", tmp_path, "--n-tasks", 100)
    assert str(record.scores["5-shot"][1]) in invoke(*again).output
    assert "a-short-1: 3 of 70000" in invoke("show", "a-short-1", "--folder", tmp_path).output


@pytest.mark.parametrize("name", ["../a", "a/b", "a.safetensors", "", "-a", "a b", "a\n"])
def test_a_name_that_cannot_be_a_files_is_refused(tmp_path, name):
    options = ("--meta-steps", 1, "--output", tmp_path / "runs")
    result = invoke("train", "sinusoid-k5", "--name", name, *options)
    assert result.exit_code == 2 and "letters, digits, - and _" in result.output


def test_a_run_of_a_preset_that_is_not_there_is_named_with_those_that_are(tmp_path):
    save_record(replace(load_record("sinusoid-k5"), preset="sinusoid-k7"), tmp_path)
    result = invoke("evaluate", "sinusoid-k5", "--folder", tmp_path)
    assert result.exit_code == 1
    assert "'sinusoid-k5' is of the preset 'sinusoid-k7'; there are: sinusoid-k5," in result.output


def test_weights_that_are_not_there_are_named_with_the_command_that_makes_them(
    tmp_path, monkeypatch
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    invoke("train", "sinusoid-k5", "--meta-steps", 3, "--output", tmp_path)
    (tmp_path / "sinusoid-k5.safetensors").unlink()
    result = invoke("evaluate", "sinusoid-k5", "--folder", tmp_path)
    assert result.exit_code == 1 and "make them again: python -m maml_tutorial" in result.output


def test_without_data_the_three_ways_out_are_named(monkeypatch):
    def out_of_reach():
        raise FileNotFoundError("no copy of Omniglot. There are three ways out: …")

    monkeypatch.setattr(presets, "load_omniglot", out_of_reach)
    result = invoke("train", "omniglot-20w1s")
    assert result.exit_code == 1 and "Error: no copy of Omniglot. There are three" in result.output


def test_more_ways_than_there_are_characters_are_refused(tiny):
    result = invoke("train", "omniglot-5w1s", "--set", "n_way=5000")
    assert result.exit_code == 1
    assert re.search(r"n_way = 5000, but there are only \d+ classes", result.output)


def test_a_run_on_omniglot_is_judged_by_five_protocols(tiny, tmp_path):
    result = invoke("train", "omniglot-5w1s", "--meta-steps", 2, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    record = load_record("omniglot-5w1s", tmp_path)
    assert sorted(record.scores) == [
        "Omniglot 5-way 1-shot, inductive",
        "Omniglot 5-way 1-shot, transductive",
        "Omniglot 5-way 1-shot, upright, transductive",
        "Omniglot 5-way 1-shot, within one alphabet, inductive",
        "Omniglot 5-way 1-shot, within one alphabet, transductive",
    ]
    assert all(by[1].n_predictions == 4 * 5 for by in record.scores.values())
    shown = invoke("show", "omniglot-5w1s", "--folder", tmp_path).output
    assert "2 of 60000 steps (unfinished)" in shown and "inductive, 4 tasks" in shown
    assert re.search(r"threads?, \d+ MiB in each process", shown)


SHUFFLED = [n for n in presets.PRESETS if n.startswith("omniglot") and "alphabet" not in n]


@pytest.mark.parametrize("name", SHUFFLED)
def test_no_character_is_trained_on_and_tested_on(tiny, name):
    run = presets.PRESETS[name]
    train, test = run._characters(train=True), run._characters(train=False)
    assert len(train.names) == 1200 and len(test.names) == 423
    assert not set(train.names) & set(test.names)
    at = int(test.names[7])
    assert torch.equal(test.images[7], CHARACTERS.images[at])
    assert test.groups[7] == CHARACTERS.groups[at]


def test_whole_alphabets_are_held_back_if_asked(real, tmp_path, monkeypatch):
    monkeypatch.setenv("MAML_TUTORIAL_DATA", str(real))
    monkeypatch.setenv("MAML_TUTORIAL_CACHE", str(tmp_path))
    run = presets.PRESETS["omniglot-20w1s-by-alphabet"]
    train, test = run._characters(train=True), run._characters(train=False)
    assert (len(train.names), len(test.names)) == (964, 659)
    assert not set(train.groups) & set(test.groups)
    tests = {test.label: test for test in run.tests()}
    within = tests["Omniglot 20-way 1-shot, within one alphabet, inductive"]
    assert within.batch_norm == "inductive" and len(within.sampler.samplers) == 20


@pytest.mark.parametrize("seeds", ["0,0", "0,00", "0,x", "", "-1"])
def test_seeds_that_are_none_are_refused(seeds):
    result = invoke("train", "sinusoid-k5", f"--seeds={seeds}")
    assert result.exit_code == 2 and "seeds are different numbers" in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--seed 1 --seeds 1,2", "give one of them"),
        ("--tf32", "give --device cuda"),
        ("--learner protonet", "no learner 'protonet' for sine waves: there are maml"),
        ("--set learner=mmaml", "no learner 'mmaml' for sine waves: there are maml"),
        ("--learner anil --first-order", "first_order is a choice of maml alone, not of anil"),
        ("--learner anil --device mps", "device is 'mps', but PyTorch finds no GPU here"),
    ],
)
def test_what_does_not_go_together_is_said(options, words, tmp_path):
    result = invoke("train", "sinusoid-k5", *options.split(), "--output", tmp_path)
    assert result.exit_code in (1, 2) and words in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("--learner reptile", "sinusoid-k5-reptile"),
        ("--first-order --validate", "sinusoid-k5-first-order-validation"),
        ("--learner meta_sgd --seeds 4", "sinusoid-k5-meta_sgd-seed-4"),
    ],
)
def test_a_run_is_called_by_what_it_differs_in(options, name, tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    few = ("--meta-steps", 1, "--output", tmp_path)
    assert invoke("train", "sinusoid-k5", *options.split(), *few).exit_code == 0
    record = load_record(name, tmp_path)
    assert record.preset == "sinusoid-k5"
    again = invoke("evaluate", name, "--folder", tmp_path)
    assert str(record.scores["5-shot"][1]) in again.output  # by the learner that was trained


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("no room"), "out of memory: take fewer tasks at once"),
        (torch.cuda.OutOfMemoryError("2 GiB"), "out of memory: take fewer tasks at once"),
        (RuntimeError("can't allocate memory: 9 bytes"), "out of memory: take fewer tasks"),
        (NotImplementedError("aten::x is not on MPS."), "take --device cpu"),
    ],
)
def test_what_a_device_cannot_do_is_said_with_the_way_out(error, words, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(jobs, "outer_loop", fail)
    result = invoke("train", "sinusoid-k5", "--output", tmp_path)
    assert result.exit_code == 1 and str(error) in result.output and words in result.output


def test_a_fault_of_our_own_is_not_called_a_want_of_memory(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(jobs, "outer_loop", fail)
    result = invoke("train", "sinusoid-k5", "--output", tmp_path)
    assert isinstance(result.exception, RuntimeError)


def test_the_settings_are_the_papers():
    one, many = presets.PRESETS["omniglot-5w1s"], presets.PRESETS["omniglot-20w5s"]
    assert (one.inner_steps, one.inner_lr, one.meta_batch_size) == (1, 0.4, 32)
    assert (many.inner_steps, many.inner_lr, many.meta_batch_size) == (5, 0.1, 16)
    assert one.meta_steps == many.meta_steps == 60_000
    assert sum(p.numel() for p in one.model().parameters()) == 112_261
    no_conv = presets.PRESETS["omniglot-5w1s-no-conv"].model()
    assert sorted(m.out_features for m in no_conv.modules() if hasattr(m, "out_features")) == [
        5,
        64,
        64,
        128,
        256,
    ]


def test_the_same_seed_gives_the_same_score_and_another_one_within_the_interval():
    """The recorded score is of 10 000 tasks; these are of 1000."""
    few = ("evaluate", "sinusoid-k5", "--n-tasks", 1000)
    once, again, other = (invoke(*few, "--seed", s).output for s in (2, 2, 77))
    assert once == again != other
    recorded = load_record("sinusoid-k5").scores["5-shot"][1]
    found = [float(w) for w in other.split("1 steps ")[1].split(",")[0].split(" ± ")]
    assert abs(found[0] - recorded.mean) < 1.5 * math.hypot(found[1], recorded.interval)


def test_a_device_that_is_not_there_is_said_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = invoke("train", "sinusoid-k5", "--device", "cuda", "--output", tmp_path)
    assert (
        result.exit_code == 1 and "Error: device is 'cuda', but PyTorch finds no" in result.output
    )
    assert invoke("train", "sinusoid-k5", "--device", "tpu").exit_code == 2


@pytest.fixture
def called_cuda(monkeypatch):
    """The command's device "cuda" is this CPU; it keeps what a GPU was allowed to round."""
    seen = []

    @contextmanager
    def joined(device):
        yield torch.device("cpu")

    sampler, tests = presets.Sinusoid.sampler, presets.Sinusoid.tests

    def watching(function):
        def run(*arguments):
            backends = torch.backends.cudnn, torch.backends.cuda.matmul
            seen.append((function.__name__, *(backend.allow_tf32 for backend in backends)))
            return function(*arguments)

        return run

    monkeypatch.setattr("maml_tutorial.__main__.joined", joined)
    few_tests(monkeypatch, presets.Sinusoid, 100)
    monkeypatch.setattr(presets.Sinusoid, "sampler", watching(sampler))
    monkeypatch.setattr(presets.Sinusoid, "tests", watching(tests))
    return seen


@pytest.mark.parametrize("tf32", [False, True])
def test_trained_and_judged_without_tf32_unless_it_is_asked_for(called_cuda, tmp_path, tf32):
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    options = ("--device", "cuda", *["--tf32"] * tf32, "--meta-steps", 1, "--output", tmp_path)
    result = invoke("train", "sinusoid-k5", *options)
    assert result.exit_code == 0, result.output
    assert {name for name, *_ in called_cuda} == {"sampler", "tests"}
    assert all(allowed == [tf32, tf32] for _, *allowed in called_cuda)
    assert before == (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    record = load_record("sinusoid-k5", tmp_path)
    assert record.tf32 is tf32 and ("--tf32" in record.command) == tf32
    assert "--device cuda" in record.command and "thread" in record.scored_on


def test_on_a_gpu_all_tasks_are_taken_at_once_unless_chunks_are_asked_for(
    called_cuda, tmp_path, monkeypatch
):
    in_eights = replace(presets.PRESETS["sinusoid-k5"], chunk=8)
    monkeypatch.setitem(presets.PRESETS, "sinusoid-k5", in_eights)
    for device, options, chunk in (
        ("cuda", (), None),
        ("cuda", ("--set", "chunk=5"), 5),
        ("cpu", (), 8),
    ):
        options = ("--device", device, "--meta-steps", 1, *options, "--force", "--output", tmp_path)
        assert invoke("train", "sinusoid-k5", *options).exit_code == 0
        record = load_record("sinusoid-k5", tmp_path)
        assert record.config["chunk"] == chunk
        assert (record.tf32 is None) == (device == "cpu")


@pytest.mark.parametrize("compiled", [False, True])
def test_on_a_gpu_the_gradient_is_recorded_inside_the_chunks_or_compiled(monkeypatch, compiled):
    called = []

    def noted(name):
        def engine(gradient):
            def run(params, tasks):
                called.append((name, len(tasks.x_query)))
                return gradient(params, tasks)

            return run

        return engine

    for name in ("captured", "compiled"):
        monkeypatch.setattr(jobs, name, noted(name))
    run = replace(presets.PRESETS["sinusoid-k5"], chunk=3)
    job = jobs.Job("sinusoid-k5", run, seed=0, output=Path(), compiled=compiled)
    params = init_params(run.model(), seed=0)
    tasks = run.sampler()(4, torch.Generator())
    job._gradient(torch.device("cuda"))(params, tasks)
    name = "compiled" if compiled else "captured"
    assert called == [(name, 3), (name, 1)]
    called.clear()
    job._gradient(torch.device("cpu"))(params, tasks)
    assert called == ([(name, 3), (name, 1)] if compiled else [])


@pytest.mark.parametrize("n_steps", [3, 49, 50, 60])
def test_the_learning_curve_and_how_the_run_was_made_stand_in_the_record(
    tmp_path, monkeypatch, n_steps
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    monkeypatch.setattr(presets.Sinusoid, "n_watched_tasks", 4)
    options = ("--meta-steps", n_steps, "--set", "decay=True", "--output", tmp_path)
    result = invoke("train", "sinusoid-k5", *options)
    assert result.exit_code == 0, result.output
    record = load_record("sinusoid-k5", tmp_path)
    steps = [step for step, _ in record.curve]
    assert len(steps) == min(25, n_steps) and steps[-1] == n_steps
    gaps = {later - earlier for earlier, later in zip([0, *steps], steps, strict=False)}
    assert max(gaps) - min(gaps) <= 1
    assert set(record.curve[0][1]) == {"squared error", "interval", "squared error before"}
    assert record.config["decay"] is True and "--set decay=True" in record.command


def test_a_record_holds_every_setting(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    invoke("train", "sinusoid-k5", "--meta-steps", 1, "--output", tmp_path)
    found = load_record("sinusoid-k5", tmp_path)
    fixed = {"threads", "test_steps", "test_batch_size", "watched_steps", "n_watched_tasks"}
    fields = {field.name for field in dataclasses.fields(presets.Sinusoid)}
    assert found.config.keys() == fields | fixed
    assert found.config["test_steps"] == list(range(11)) and found.config["meta_steps"] == 1
    omniglot = presets.PRESETS["omniglot-5w1s"].settings()
    assert (omniglot["n_train"], omniglot["shuffle_seed"]) == (1200, 1)


def test_a_run_whose_tests_diverge_is_recorded_with_the_number_of_tasks_that_did(
    tmp_path, monkeypatch
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    monkeypatch.setattr(presets.Sinusoid, "n_watched_tasks", 100)
    change = ("--set", "inner_steps=0", "--set", "inner_lr=1e9")  # trained without a step
    result = invoke("train", "sinusoid-k5", *change, "--meta-steps", 2, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    record = load_record("sinusoid-k5", tmp_path)
    scores = record.scores["5-shot"]
    assert list(scores) == list(range(11))
    assert [scores[steps].n_diverged for steps in (0, 1, 10)] == [0, 100, 100]
    assert "10 steps nan ± nan, 100 of 100 diverged" in result.output
    assert record.curve == []  # nothing to be drawn


def test_logs_hold_the_loss_and_the_curve(tmp_path, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", 50, "--logs", "--output", tmp_path)
    result = invoke("train", "sinusoid-k5", *options)
    assert result.exit_code == 0, result.output
    logs = accumulator.EventAccumulator(str(tmp_path / "sinusoid-k5.logs")).Reload()
    record = load_record("sinusoid-k5", tmp_path)
    losses, norms, paces, after, before = (
        [(e.step, e.value) for e in logs.Scalars(name)]
        for name in ("loss", "gradient norm", "steps per second", "squared error")
        + ("squared error before",)
    )
    assert [step for step, _ in losses] == [step for step, _ in record.history]
    assert [v for _, v in losses] == pytest.approx([v for _, v in record.history])
    assert [step for step, _ in norms] == [step for step, _ in paces] == list(range(1, 51))
    assert all(pace > 0 for _, pace in paces)
    start = init_params(MLP(), seed=0)
    tasks = SinusoidTasks(5, 5)(25, torch.Generator().manual_seed(1))
    first = torch.cat([g.flatten() for g in MAML.gradient(start, tasks)[1]]).norm()
    assert norms[0][1] == pytest.approx(first.item(), rel=1e-4)
    assert len(after) == len(before) == len(record.curve) == 25
    assert [v for _, v in before] == pytest.approx(
        [seen["squared error before"] for _, seen in record.curve]
    )


def test_logs_without_tensorboard_are_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = invoke("train", "sinusoid-k5", "--logs", "--output", tmp_path)
    assert result.exit_code == 1 and "pip install tensorboard" in result.output


@pytest.mark.parametrize("command", ["show", "evaluate"])
def test_a_record_that_is_not_there_is_named_with_those_that_are(command):
    result = invoke(command, "sinusoid-k7")
    assert result.exit_code == 1
    assert "no record 'sinusoid-k7'; there are: creatures-5w1s, glyphs-5w1s" in result.output


def test_a_folder_without_records_is_named(tmp_path):
    result = invoke("show", "sinusoid-k5", "--folder", tmp_path / "nowhere")
    assert result.exit_code == 1 and "nowhere" in result.output


def test_classes_of_a_task_are_all_of_one_alphabet():
    images = torch.arange(60, dtype=torch.uint8)[:, None, None, None, None]
    images = images.expand(60, 4, 1, 28, 28).contiguous()
    groups = ("small",) * 4 + ("middle",) * 16 + ("large",) * 40
    sample = WithinGroups(
        ImageClasses(images, tuple(map(str, range(60))), groups), n_way=5, k_shot=1, k_query=2
    )
    tasks = sample(200, torch.Generator().manual_seed(0))
    classes = (255 * tasks.x_support[:, :, 0, 0, 0]).round().int()
    drawn = [{groups[c] for c in row} for row in classes.tolist()]
    assert all(len(found) == 1 for found in drawn) and {"small"} not in drawn
    assert 70 < sum(found == {"middle"} for found in drawn) < 130  # each group as likely
    assert tasks.x_query.shape == (200, 10, 1, 28, 28)
    assert all(len(set(row)) == 5 for row in classes.tolist())


def test_an_alphabet_that_is_too_small_for_the_ways_is_named():
    classes = ImageClasses(torch.zeros(6, 2, 1, 28, 28), ("?",) * 6, ("A",) * 2 + ("B",) * 4)
    with pytest.raises(ValueError, match="n_way = 5, but the largest group, B, has 4"):
        WithinGroups(classes, n_way=5, k_shot=1, k_query=1)


def test_real_omniglot_has_alphabets_enough_for_tasks_within_one(real, tmp_path, monkeypatch):
    monkeypatch.setenv("MAML_TUTORIAL_DATA", str(real))
    monkeypatch.setenv("MAML_TUTORIAL_CACHE", str(tmp_path))
    within = list(presets.PRESETS["omniglot-5w1s"].tests())[-1].sampler
    assert len(within.samplers) > 30
