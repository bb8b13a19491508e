"""A training that is cut off loses nothing: it goes on, and ends where it would have ended."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
import torch
from click.testing import CliRunner
from few import few_tests
from torch.nn.functional import mse_loss

from maml_tutorial import presets
from maml_tutorial.__main__ import main
from maml_tutorial.checkpoints import load_checkpoint, save_checkpoint
from maml_tutorial.models import MLP, init_params, make_loss
from maml_tutorial.records import load_record
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import SinusoidTasks
from maml_tutorial.training import Training, outer_loop
from maml_tutorial.weights import load_weights

CONFIG = {"inner_lr": 0.01, "seed": 0}


def training(seed=0):
    """One after three steps of Adam, whose numbers are all in its snapshot."""
    begun = Training.begun(
        init_params(MLP((8,)), seed=seed), torch.Generator().manual_seed(seed + 1)
    )
    gradient = maml(make_loss(MLP((8,)), mse_loss), inner_lr=0.01).gradient
    for now in outer_loop(begun, gradient, SinusoidTasks(5, 5), meta_steps=3, log_every=2):
        now.curve.append((now.step, {"half": 0.5}))
    return begun


def same(one, other):
    return all(torch.equal(p, other[name]) for name, p in one.items())


def test_all_of_a_snapshot_comes_back_from_its_checkpoint(tmp_path):
    path = tmp_path / "run.checkpoint"
    kept = training().snapshot()
    save_checkpoint(kept, path, config=CONFIG, seconds=2.5)
    snapshot, seconds = load_checkpoint(path, config=CONFIG)
    assert seconds == 2.5
    other = training(seed=7)
    other.restore(snapshot)
    found = other.snapshot()
    assert found.keys() == kept.keys()
    torch.testing.assert_close(found, kept, rtol=0, atol=0)


def test_a_checkpoint_of_a_gpu_is_read_where_there_is_none(tmp_path, monkeypatch):
    path = tmp_path / "run.checkpoint"
    kept = training().snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        save_checkpoint(kept, path, config=CONFIG)
    assert b"cuda:0" in path.read_bytes()
    found, _ = load_checkpoint(path, config=CONFIG)
    torch.testing.assert_close(found, kept, rtol=0, atol=0)


def state(step=3):
    return training().snapshot() | {"step": step}


def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "run.checkpoint"
    save_checkpoint(state(), path, config=CONFIG)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"run.checkpoint is no whole checkpoint .*take it away"):
        load_checkpoint(path, config=CONFIG)


def test_another_file_under_its_name_is_no_damaged_checkpoint(tmp_path):
    path = tmp_path / "run.checkpoint"
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"run.checkpoint is no checkpoint of this command"):
        load_checkpoint(path, config=CONFIG)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_checkpoint_that_is_too_large_for_the_memory_is_not_called_damaged(
    tmp_path, monkeypatch, error
):
    path = tmp_path / "run.checkpoint"
    save_checkpoint(state(), path, config=CONFIG)

    def short(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", short)
    with pytest.raises(MemoryError, match="out of memory. It stays as it is"):
        load_checkpoint(path, config=CONFIG)


def test_a_checkpoint_that_cannot_be_read_now_is_not_called_damaged(tmp_path):
    (tmp_path / "run.checkpoint").mkdir()
    with pytest.raises(IsADirectoryError):
        load_checkpoint(tmp_path / "run.checkpoint", config=CONFIG)


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "run.checkpoint"
    save_checkpoint(state(), path, config=CONFIG)
    with pytest.raises(ValueError, match="other settings: inner_lr 0.01, now 0.1$"):
        load_checkpoint(path, config=CONFIG | {"inner_lr": 0.1})


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="start without --resume"):
        load_checkpoint(tmp_path / "run.checkpoint", config=CONFIG)


def test_a_full_disk_leaves_the_older_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / "run.checkpoint"
    save_checkpoint(state(3), path, config=CONFIG)

    def full(handle, mode):
        os.close(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maml_tutorial.records.os.fdopen", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(state(9), path, config=CONFIG)
    assert load_checkpoint(path, config=CONFIG)[0]["step"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["run.checkpoint"]


def invoke(output, *options):
    return CliRunner().invoke(main, ["train", "sinusoid-k5", "--output", str(output), *options])


FEW = ("--meta-steps", "200", "--set", "n_test_tasks=100")


@pytest.mark.slow
def test_a_run_that_is_ended_in_the_middle_goes_on_to_the_same_weights(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert invoke(whole, *FEW).exit_code == 0
    command = ("-m", "maml_tutorial", "train", "sinusoid-k5", "--output", cut, *FEW)
    process = subprocess.Popen(
        [sys.executable, *map(str, command), "--checkpoint-every", "10"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},  # as here
    )
    checkpoint = cut / "sinusoid-k5.checkpoint"
    for _ in range(600):
        if checkpoint.exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "go on with: python -m maml_tutorial train sinusoid-k5" in said and "--resume" in said
    assert not (cut / "sinusoid-k5.json").exists()
    assert "going on after step" in invoke(cut, *FEW, "--resume").output
    one, other = (load_weights("sinusoid-k5", folder) for folder in (whole, cut))
    assert same(one, other)
    one, other = (load_record("sinusoid-k5", folder) for folder in (whole, cut))
    assert (one.scores, one.history) == (other.scores, other.history)
    assert not checkpoint.exists()  # the weights are there


def cut_off(folder, monkeypatch, after, *options):
    """Train until some steps after the first checkpoint, when the tasks give out."""
    tasks, left = SinusoidTasks(5, 5), after

    def sample(n_tasks, generator):
        nonlocal left
        if (folder / "sinusoid-k5.checkpoint").exists():
            if left == 0:
                raise OSError("no more tasks")
            left -= 1
        return tasks(n_tasks, generator)

    with monkeypatch.context() as patch:
        patch.setattr(presets.Sinusoid, "sampler", lambda run, device: sample)
        result = invoke(folder, *options)
    assert result.exit_code == 1 and "no more tasks" in result.output


@dataclass(frozen=True)
class Later(presets.Sinusoid):
    """The preset of a later version of the package: it has a setting more."""

    spring: float = 0.5


def test_a_setting_that_only_one_of_the_versions_knows_counts_as_another(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", "3", "--checkpoint-every", "1")
    earlier, later = presets.PRESETS["sinusoid-k5"], Later(k_shot=5, n_test_tasks=100)
    for before, after, words in (
        (earlier, later, "spring None, now 0.5"),
        (later, earlier, "spring 0.5, now None"),
    ):
        folder = tmp_path / type(before).__name__
        monkeypatch.setitem(presets.PRESETS, "sinusoid-k5", before)
        cut_off(folder, monkeypatch, 0, *options)
        monkeypatch.setitem(presets.PRESETS, "sinusoid-k5", after)
        result = invoke(folder, *options, "--resume")
        assert result.exit_code == 1 and f"other settings: {words}" in result.output


def test_logs_of_steps_that_are_taken_again_are_shown_once(tmp_path, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", "9", "--checkpoint-every", "4", "--logs")
    cut_off(tmp_path, monkeypatch, 2, *options)  # steps 5 and 6 are in the logs alone

    def losses():
        logs = accumulator.EventAccumulator(str(tmp_path / "sinusoid-k5.logs")).Reload()
        return [event.step for event in logs.Scalars("loss")]

    assert losses() == [1, 2, 3, 4, 5, 6]
    result = invoke(tmp_path, *options, "--resume")
    assert result.exit_code == 0 and "going on after step 4" in result.output
    assert losses() == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_resumed_run_counts_the_seconds_before_the_cut(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", "4", "--checkpoint-every", "2")
    cut_off(tmp_path, monkeypatch, 1, *options)
    path = tmp_path / "sinusoid-k5.checkpoint"
    kept = torch.load(path)
    torch.save(kept | {"seconds": 1e6 + kept["seconds"]}, path)
    assert invoke(tmp_path, *options, "--resume").exit_code == 0
    assert load_record("sinusoid-k5", tmp_path).seconds > 1e6


def test_a_run_that_was_cut_off_after_its_last_step_is_only_judged(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", "4", "--checkpoint-every", "4")

    def no_disk(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("maml_tutorial.__main__.save_weights", no_disk)
        assert invoke(tmp_path, *options).exit_code == 1
    result = invoke(tmp_path, *options, "--resume")
    assert result.exit_code == 0 and "going on after step 4" in result.output
    record = load_record("sinusoid-k5", tmp_path)
    assert record.history[-1][0] == record.curve[-1][0] == record.steps_done == 4


def test_the_command_says_in_a_line_why_it_cannot_resume(tmp_path):
    result = invoke(tmp_path, "--resume")
    assert result.exit_code == 1 and "start without --resume" in result.output
    (tmp_path / "sinusoid-k5.checkpoint").write_bytes(b"half")
    result = invoke(tmp_path, "--resume")
    assert result.exit_code == 1 and "no whole checkpoint" in result.output


def test_a_run_that_was_cut_off_is_not_overwritten_by_a_new_one(tmp_path):
    kept = tmp_path / "sinusoid-k5.checkpoint"
    kept.write_bytes(b"hours of work")
    result = invoke(tmp_path, "--meta-steps", "5", "--checkpoint-every", "2")
    assert result.exit_code == 1 and "--resume goes on with it" in result.output
    assert kept.read_bytes() == b"hours of work"


def test_the_command_says_that_a_checkpoint_could_not_be_written(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maml_tutorial.jobs.save_checkpoint", full)
    result = invoke(tmp_path, "--meta-steps", "5", "--checkpoint-every", "2")
    assert result.exit_code == 1 and "cannot be written" in result.output


def test_a_run_with_another_seed_does_not_take_up_this_one(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", "4", "--checkpoint-every", "2")
    cut_off(tmp_path, monkeypatch, 0, *options)
    result = invoke(tmp_path, *options, "--seed", "9", "--resume")
    assert result.exit_code == 1 and "other settings: seed 0, now 9" in result.output


def test_a_run_may_go_on_in_other_chunks(tmp_path, monkeypatch):
    """As it must when it moves between a CPU and a GPU."""
    few_tests(monkeypatch, presets.Sinusoid, 100)
    options = ("--meta-steps", "4", "--checkpoint-every", "2")
    cut_off(tmp_path, monkeypatch, 0, *options, "--set", "chunk=5")
    result = invoke(tmp_path, *options, "--resume")
    assert result.exit_code == 0 and "going on after step 2" in result.output
