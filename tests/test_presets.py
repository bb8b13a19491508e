"""Every test of a preset is what its label says, and every run trains on what it says."""

import re
from dataclasses import replace
from itertools import islice

import pytest
import torch
from click.testing import CliRunner

from maml_tutorial import evaluation, presets
from maml_tutorial.__main__ import main
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.presets import PRESETS, Creatures, Glyphs, Omniglot, Sinusoid
from maml_tutorial.records import list_records, load_record
from maml_tutorial.runs import in_parts
from maml_tutorial.tasks import ImageClasses, SinusoidTasks

LABEL = re.compile(
    r"((?P<source>letters|animals|Omniglot) (?P<n_way>\d+)-way )?(?P<k_shot>\d+)-shot"
    r"(?P<upright>, upright)?(?P<within>, within one alphabet)?"
    r"(, (?P<protocol>transductive|inductive))?"
)
IMAGE_RUNS = [name for name, run in PRESETS.items() if not isinstance(run, Sinusoid)]
PER_GROUP = 40  # characters


def characters(first, last):
    """Drawings of 4×4 pixels: the middle is the character's number, the first corner is inked."""
    images = torch.zeros(last - first, 20, 1, 4, 4)
    images[..., 1:3, 1:3] = torch.arange(first, last)[:, None, None, None, None] / 4096
    images[..., 0, 0] = 1
    numbers = range(first, last)
    groups = tuple(f"group {i // PER_GROUP}" for i in numbers)
    return ImageClasses(images, tuple(map(str, numbers)), groups)


PARTS = {
    ("Omniglot", "background"): (0, 960),
    ("Omniglot", "evaluation"): (960, 1623),
    ("Omniglot", None): (0, 1623),
    ("letters", "train"): (2000, 2300),
    ("letters", "validation"): (2320, 2500),
    ("letters", "test"): (2520, 2700),
    ("animals", "train"): (2720, 3000),
    ("animals", "validation"): (3000, 3200),
    ("animals", "test"): (3200, 3400),
}


@pytest.fixture(autouse=True)
def _invented(monkeypatch):
    def load(source):
        return lambda split=None: characters(*PARTS[source, split])

    monkeypatch.setattr(presets, "load_omniglot", load("Omniglot"))
    monkeypatch.setattr(presets, "load_glyphs", load("letters"))
    monkeypatch.setattr(presets, "load_creatures", load("animals"))


def dealt(x):
    """The characters' numbers, and by how many quarters they are turned."""
    numbers = (x[:, :, 0, 1, 1] * 4096).round().long()
    corners = torch.stack([x[:, :, 0, i, j] for i, j in ((0, 0), (3, 0), (3, 3), (0, 3))], -1)
    assert (corners.sum(-1) == 1).all()
    return numbers, corners.argmax(-1)


def draw(sampler, n_tasks=100):
    return sampler(n_tasks, torch.Generator().manual_seed(0))


def unseen(run, source):
    """The numbers of the characters that a run does not train on."""
    if isinstance(run, Omniglot) and not run.by_alphabet:
        trained = set(dealt(draw(run.sampler(), 3000).x_support)[0].flatten().tolist())
        return set(range(1623)) - trained
    return set(range(*PARTS[source, "evaluation" if source == "Omniglot" else "test"]))


@pytest.mark.parametrize("name", PRESETS)
def test_every_test_is_what_its_label_says(name):
    run, known = PRESETS[name], {}
    for test in run.tests():
        says = LABEL.fullmatch(test.label)
        assert says, test.label
        assert test.batch_norm == (says["protocol"] or "transductive"), test.label
        k_shot, tasks = int(says["k_shot"]), draw(test.sampler)
        if isinstance(run, Sinusoid):
            assert (tasks.x_support.shape, tasks.x_query.shape) == ((100, k_shot, 1), (100, 100, 1))
            continue
        n_way, k_query = int(says["n_way"]), 5 if isinstance(run, Glyphs) else k_shot
        for labels, k in ((tasks.y_support, k_shot), (tasks.y_query, k_query)):
            assert torch.equal(labels, torch.arange(n_way).repeat_interleave(k).repeat(100, 1))
        source = says["source"]
        known[source] = known.get(source) or unseen(run, source)
        for x in (tasks.x_support, tasks.x_query):
            numbers, turns = dealt(x)
            assert set(numbers.flatten().tolist()) <= known[source], test.label
            turned = isinstance(run, Omniglot) and not says["upright"] and not says["within"]
            assert set(turns.flatten().tolist()) == ({0, 1, 2, 3} if turned else {0}), test.label
            groups = [len(set((row // PER_GROUP).tolist())) for row in numbers]
            assert (max(groups) == 1) == bool(says["within"]), test.label
            assert len(set((numbers // PER_GROUP).flatten().tolist())) > 1


@pytest.mark.parametrize("name", IMAGE_RUNS)
def test_a_run_is_trained_on_tasks_of_the_shape_that_it_is_judged_on(name):
    run = PRESETS[name]
    train, first = draw(run.sampler()), draw(next(iter(run.tests())).sampler)
    assert torch.equal(train.y_support, first.y_support)
    assert torch.equal(train.y_query, first.y_query)
    turns = set(dealt(train.x_support)[1].flatten().tolist())
    assert turns == ({0, 1, 2, 3} if isinstance(run, Omniglot) else {0})
    numbers = dealt(train.x_support)[0].flatten().tolist()
    if isinstance(run, Glyphs):
        source = "animals" if isinstance(run, Creatures) else "letters"
        assert set(numbers) <= set(range(*PARTS[source, "train"]))
    if isinstance(run, Omniglot) and run.by_alphabet:
        assert set(numbers) <= set(range(*PARTS["Omniglot", "background"]))


@pytest.mark.parametrize("name", IMAGE_RUNS)
def test_settings_are_chosen_on_classes_that_are_neither_trained_on_nor_tested_on(name):
    whole, run = PRESETS[name], replace(PRESETS[name], validate=True)
    trained, before = (
        set(dealt(draw(of.sampler(), 3000).x_support)[0].flatten().tolist()) for of in (run, whole)
    )
    tested = set()
    for test in whole.tests():
        tested |= set(dealt(draw(test.sampler, 1000).x_query)[0].flatten().tolist())
    labels = [test.label for test in run.tests()]
    assert labels and all(label.startswith("validation ") for label in labels)
    assert len(set(labels)) == len(labels)
    for test in run.tests():
        judged = set(dealt(draw(test.sampler, 1000).x_query)[0].flatten().tolist())
        assert len(judged) > run.n_way and not judged & (trained | tested), test.label
        if isinstance(run, Omniglot):  # there they are taken from those for training
            assert trained < before and judged <= before
            n_groups = len({number // PER_GROUP for number in judged})
            if run.by_alphabet:
                assert n_groups == 5
            elif "within" not in test.label:  # there a few alphabets are too small
                assert len(judged) == 100


@pytest.mark.parametrize("name", list_records())
def test_a_recorded_run_was_judged_by_every_test_of_its_preset(name):
    record = load_record(name)
    labels = [test.label for test in PRESETS[record.preset].tests()]
    assert len(set(labels)) == len(labels)
    assert list(record.scores) == labels
    assert record.steps_planned == PRESETS[record.preset].meta_steps


@pytest.mark.parametrize("name", PRESETS)
def test_a_learning_curve_is_taken_after_the_steps_of_the_paper(name):
    run = PRESETS[name]
    steps = {5: 3, 20: 5}[run.n_way] if isinstance(run, Omniglot) else 1
    assert run.watched_steps == steps and steps in run.test_steps
    other = 100 if isinstance(run, Creatures) else 400
    watched = 2000 // run.n_way if isinstance(run, Omniglot) else other
    assert run.n_watched_tasks == watched


def invoke(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def small(monkeypatch):
    """Images as large as the networks want, and few tasks."""
    noise = torch.rand(1623, 6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    numbers = tuple(map(str, range(1623)))
    classes = ImageClasses(noise, numbers, tuple(f"group {i // PER_GROUP}" for i in range(1623)))
    for load in ("load_omniglot", "load_glyphs"):
        monkeypatch.setattr(presets, load, lambda split=None: classes)


def test_the_curve_ends_at_the_score_after_as_many_steps_as_are_watched(
    small, tmp_path, monkeypatch
):
    tests = Omniglot.tests
    monkeypatch.setattr(Omniglot, "tests", lambda run: islice(tests(run), 1))
    monkeypatch.setattr(Omniglot, "n_watched_tasks", 100)
    name = "omniglot-5w1s-no-conv"
    few = ("--meta-steps", 1, "--set", "n_test_tasks=2", "--set", "meta_batch_size=2")
    invoke("train", name, *few, "--output", tmp_path)
    record = load_record(name, tmp_path)
    again = ("--n-tasks", 100, "--seed", record.seeds["curve"], "--save")
    invoke("evaluate", name, "--folder", tmp_path, *again)
    by_steps = load_record(name, tmp_path).scores["Omniglot 5-way 1-shot, transductive"]
    last = record.curve[-1][1]
    assert [
        steps
        for steps, score in by_steps.items()
        if (score.mean, score.interval) == (last["accuracy"], last["interval"])
    ] == [3]


def test_the_two_protocols_are_scored_by_two_protocols(small):
    said = invoke("evaluate", "glyphs-5w1s", "--n-tasks", 4)
    scores = dict(re.findall(r"letters .*, (\w+), 4 unseen tasks: (.*)", said))
    assert set(scores) == {"transductive", "inductive"}
    assert scores["transductive"] != scores["inductive"]


def test_turned_beforehand_classes_are_dealt_as_when_they_are_turned_then():
    images = torch.rand(9, 6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    shape = {"n_way": 5, "k_shot": 2, "k_query": 3}
    then = EpisodeSampler(images, **shape, rotations=True)
    before = EpisodeSampler(presets.every_turn(images), **shape)
    for one, other in zip(draw(then), draw(before), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("size", [3, 7, 50])
def test_a_large_batch_holds_the_tasks_of_the_small_ones(size):
    """A GPU is judged on the tasks that a CPU is judged on."""
    sampler = SinusoidTasks()
    large = in_parts(sampler, size)(20, torch.Generator().manual_seed(0))
    small = evaluation.dealt(sampler, 20, torch.Generator().manual_seed(0), size)
    for one, parts in zip(large, zip(*small, strict=True), strict=True):
        assert torch.equal(one, torch.cat(parts))
