"""The command replaces and loses nothing unasked: not a run, a record, a score, or a training."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from few import few_tests

from maml_tutorial import jobs, presets
from maml_tutorial.__main__ import main
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.records import RECORDS, load_record, save_record
from maml_tutorial.tasks import ImageClasses


def invoke(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_scores_taken_again_are_written_into_the_record_if_asked(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    invoke("train", "sinusoid-k5", "--meta-steps", 3, "--output", tmp_path)
    before = replace(load_record("sinusoid-k5", tmp_path), scored_on="a GPU")
    save_record(before, tmp_path)
    evaluate = ("evaluate", "sinusoid-k5", "--folder", tmp_path)
    assert str(before.scores["5-shot"][1]) in invoke(*evaluate).output  # the same tasks again
    again = (*evaluate, "--n-tasks", 150, "--seed", 7)
    invoke(*again)
    assert load_record("sinusoid-k5", tmp_path) == before
    invoke(*again, "--save")
    after = load_record("sinusoid-k5", tmp_path)
    assert after.scores["5-shot"][1].n_tasks == 150 and after.seeds["test"] == 7
    assert "CPU" in after.scored_on
    same = {"scores": before.scores, "seeds": before.seeds, "scored_on": "a GPU"}
    assert replace(after, **same) == before


def test_scores_of_fewer_tasks_replace_those_of_more_only_by_force(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    invoke("train", "sinusoid-k5", "--meta-steps", 3, "--output", tmp_path)
    before = load_record("sinusoid-k5", tmp_path)
    fewer = ("evaluate", "sinusoid-k5", "--folder", tmp_path, "--n-tasks", 50, "--save")
    result = invoke(*fewer)
    assert result.exit_code == 1 and "are of 100 tasks, these of 50. Give" in result.output
    assert load_record("sinusoid-k5", tmp_path) == before
    assert invoke(*fewer, "--force").exit_code == 0
    assert load_record("sinusoid-k5", tmp_path).scores["5-shot"][1].n_tasks == 50


def test_a_test_that_cannot_be_taken_here_stays_in_the_record(tmp_path, monkeypatch):
    images = torch.rand(4, 4, 1, 28, 28)
    classes = ImageClasses(images, ("?",) * 4, ("A",) * 4)
    monkeypatch.setattr(presets, "load_glyphs", lambda split: classes)
    few_tests(monkeypatch, presets.Glyphs, 6)
    letters = EpisodeSampler(images, n_way=3, k_shot=1, k_query=2)
    two = {"one": letters, "two": letters}

    def tests(run):
        for name in ("one", "two"):
            if name not in two:
                raise FileNotFoundError("no copy of it")
            yield presets.Test(name, letters)

    monkeypatch.setattr(presets.Glyphs, "tests", tests)
    shape = "--set n_way=3 --set k_query=2 --set hidden=4 --meta-steps 1".split()
    assert invoke("train", "glyphs-5w1s", *shape, "--output", tmp_path).exit_code == 0
    before = load_record("glyphs-5w1s", tmp_path)
    assert list(before.scores) == ["one", "two"]
    del two["two"]
    result = invoke("evaluate", "glyphs-5w1s", "--folder", tmp_path, "--save", "--force")
    assert result.exit_code == 1
    assert "nothing is written" in result.output and "taken here, on two" in result.output
    assert load_record("glyphs-5w1s", tmp_path) == before


def test_a_record_of_the_package_is_left_as_it_is():
    file = RECORDS / "sinusoid-k5.json"
    before = file.read_bytes()
    result = invoke("evaluate", "sinusoid-k5", "--save")
    assert result.exit_code == 1 and "give --folder, or --force" in result.output
    assert file.read_bytes() == before


def test_a_finished_run_is_kept_unless_it_may_be_replaced(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    train = ("train", "sinusoid-k5", "--output", tmp_path, "--meta-steps")
    assert invoke(*train, 3).exit_code == 0
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for more in ((), ("--resume",)):
        result = invoke(*train, 2, *more)
        assert result.exit_code == 1 and "--name NAME keeps both, --force" in result.output
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert invoke(*train, 2, "--name", "short").exit_code == 0
    assert invoke(*train, 2, "--force").exit_code == 0
    assert load_record("sinusoid-k5", tmp_path).steps_done == 2
    (tmp_path / "sinusoid-k5.json").unlink()
    result = invoke(*train, 1)
    assert result.exit_code == 1 and "safetensors is there already" in result.output


def test_two_runs_of_one_name_in_one_folder_are_one_too_many(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    job = jobs.Job("sinusoid-k5", presets.PRESETS["sinusoid-k5"], seed=0, output=tmp_path)
    train = ("train", "sinusoid-k5", "--meta-steps", 1, "--output", tmp_path)
    with job.held():
        for more in ((), ("--force",), ("--resume",)):
            result = invoke(*train, *more)
            assert result.exit_code == 1
            assert "another run is writing sinusoid-k5 into" in result.output
        assert invoke(*train, "--name", "another").exit_code == 0
    assert invoke(*train).exit_code == 0
    assert not list(tmp_path.glob(".*"))  # no lock is left


def test_what_a_killed_run_left_half_written_is_taken_away_and_nothing_else(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    own, others = ".sinusoid-k5.json.x1.part", ".sinusoid-k5-pretrained.json.x1.part"
    (tmp_path / ".sinusoid-k5.lock").touch()  # killed as the last thing it did
    for name in (own, others):
        (tmp_path / name).touch()
    train = ("train", "sinusoid-k5", "--meta-steps", 1, "--output", tmp_path)
    assert invoke(*train).exit_code == 0
    assert [path.name for path in tmp_path.glob(".*")] == [others]


def test_several_seeds_are_so_many_runs_and_what_they_come_to(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    train = ("train", "sinusoid-k5", "--meta-steps", 2, "--output", tmp_path)
    result = invoke(*train, "--seeds", "0, 3,12")
    assert result.exit_code == 0, result.output
    names = [f"sinusoid-k5-seed-{seed}" for seed in (0, 3, 12)]
    records = [load_record(name, tmp_path) for name in names]
    assert [record.seeds["init"] for record in records] == [0, 3, 12]
    assert invoke(*train, "--seed", 3).exit_code == 0
    alone = load_record("sinusoid-k5", tmp_path)
    assert (alone.scores, alone.weights) == (records[1].scores, records[1].weights)
    assert records[1].command.endswith("--name sinusoid-k5-seed-3 --seed 3")
    assert (
        invoke(
            *train, "--seed", 5, "--set", "inner_lr=0.02", "--name", "sinusoid-k5-seed-5"
        ).exit_code
        == 0
    )  # another run, not another seed
    shown = invoke("show", "sinusoid-k5", "--folder", tmp_path).output
    assert "3 runs, seeds 3, 0, 12; mean" in shown and shown.count(": 2 of ") == 3
    for name in ("sinusoid-k5", "sinusoid-k5-seed-5"):
        (tmp_path / f"{name}.json").unlink()
    shown = invoke("show", "sinusoid-k5", "--folder", tmp_path).output
    means = [record.scores["5-shot"][1].mean for record in records]
    assert "3 runs, seeds 0, 3, 12; mean, and lowest to highest" in shown
    line = f"5-shot, 1 steps: {sum(means) / 3:.4g} ({min(means):.4g} to {max(means):.4g})"
    assert line in shown and all(f"{name}: 2 of" in shown for name in names)


def test_of_several_seeds_only_those_that_are_missing_are_trained_on_resuming(
    tmp_path, monkeypatch
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    train = ("train", "sinusoid-k5", "--meta-steps", 2, "--output", tmp_path, "--seeds", "0,1")
    assert invoke(*train).exit_code == 0
    before = (tmp_path / "sinusoid-k5-seed-0.json").stat().st_mtime_ns
    for end in ("json", "safetensors"):
        (tmp_path / f"sinusoid-k5-seed-1.{end}").unlink()
    result = invoke(*train, "--resume")
    assert result.exit_code == 0 and "sinusoid-k5-seed-0 is done" in result.output
    assert load_record("sinusoid-k5-seed-1", tmp_path).steps_done == 2
    assert (tmp_path / "sinusoid-k5-seed-0.json").stat().st_mtime_ns == before


def test_interrupted_while_it_is_scored_a_run_goes_on_to_its_scores(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    train = ("train", "sinusoid-k5", "--meta-steps", 3, "--output", tmp_path)

    def interrupted(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not taken, it would end the tests
    try:
        with monkeypatch.context() as patch:
            patch.setattr("maml_tutorial.__main__.judge", interrupted)
            result = invoke(*train)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.exit_code == 130 and "stopped while it was scored" in result.output
    assert f"sinusoid-k5 --meta-steps 3 --output {tmp_path} --resume" in result.output
    result = invoke(*train, "--resume")
    assert result.exit_code == 0 and "going on after step 3" in result.output
    whole = tmp_path / "whole"
    invoke("train", "sinusoid-k5", "--meta-steps", 3, "--output", whole)
    one, other = (load_record("sinusoid-k5", folder) for folder in (tmp_path, whole))
    assert (one.weights, one.scores, one.curve) == (other.weights, other.scores, other.curve)


@pytest.mark.parametrize("written", ["save_weights", "save_record"])
def test_a_full_disk_at_the_last_write_leaves_a_checkpoint_to_go_on_from(
    tmp_path, monkeypatch, written
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    train = ("train", "sinusoid-k5", "--meta-steps", 3, "--output", tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"maml_tutorial.__main__.{written}", full)
        result = invoke(*train)
    assert result.exit_code == 1 and "No space left" in result.output
    assert (tmp_path / "sinusoid-k5.checkpoint").exists()
    assert invoke(*train, "--resume").exit_code == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
