"""Two processes take the steps that one takes, and stop together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from two_processes import train

from maml_tutorial import jobs, parallel
from maml_tutorial.__main__ import main
from maml_tutorial.parallel import joined
from maml_tutorial.records import load_record
from maml_tutorial.weights import load_weights

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def torchrun(*arguments):
    return subprocess.Popen(
        [*TORCHRUN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


# To start two processes takes longer than all that is asked of them, so these are started once.
# 7 tasks are 4 for one process and 3 for the other; chunks of 2 leave one of a single task.
@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_refuse_fewer_tasks_than_processes(tmp_path):
    script = Path(__file__).parent / "two_processes.py"
    process = torchrun(script, tmp_path, "sine-7-2", "conv-6-0", "sine-1-0")
    said = process.communicate(timeout=120)[0]
    for name, n_tasks, chunk in (("sine", 7, 2), ("conv", 6, 0)):
        path = tmp_path / f"{name}-{n_tasks}-{chunk}.pt"
        assert path.exists(), said
        two, one = torch.load(path), train(name, n_tasks, None)
        for key, p in one.params.items():
            torch.testing.assert_close(two["params"][key], p.detach(), rtol=1e-10, atol=1e-12)
        losses = ([loss for _, loss in of] for of in (two["history"], one.history))
        assert next(losses) == pytest.approx(next(losses), rel=1e-12)
    assert process.returncode != 0 and "2 processes cannot share 1 tasks" in said


def command(tmp_path, *options):
    few = ("--meta-steps", 300, "--set", "n_test_tasks=100", "--output", tmp_path / "runs")
    return torchrun("-m", "maml_tutorial", "train", "sinusoid-k5", *few, *options)


@pytest.mark.slow
def test_a_run_of_two_processes_is_cut_off_resumed_and_recorded(tmp_path):
    process = command(tmp_path, "--checkpoint-every", 10)
    checkpoint = tmp_path / "runs" / "sinusoid-k5.checkpoint"
    for _ in range(600):
        if checkpoint.exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[0]
    assert checkpoint.exists(), said
    process = command(tmp_path, "--resume")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert said.count("going on after step") == said.count("wrote ") == 1  # one speaks
    record = load_record("sinusoid-k5", tmp_path / "runs")
    assert record.command.startswith("torchrun --nproc-per-node 2 -m maml_tutorial train")
    assert record.device.startswith("2 processes, each on ")
    assert record.steps_done == 300 and record.curve[-1][0] == 300
    assert load_weights("sinusoid-k5", tmp_path / "runs") and not checkpoint.exists()


def test_a_process_that_is_left_alone_says_so_in_a_line(monkeypatch, tmp_path):
    def reset(message):
        raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(parallel, "n_processes", lambda: 2)
    monkeypatch.setattr(jobs, "n_processes", lambda: 2)
    monkeypatch.setattr(parallel.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(parallel.distributed, "all_reduce", reset)
    result = CliRunner().invoke(main, ["train", "sinusoid-k5", "--output", str(tmp_path)])
    assert result.exit_code == 1 and result.output.count("\n") < 3
    assert "Error: another of the processes has ended" in result.output
    assert "--resume goes on" in result.output and "reset by peer" in result.output


def test_a_gpu_that_is_not_there_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda', but PyTorch finds no GPU here: take 'cpu'"):
        joined("cuda").__enter__()


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="process 2 of this machine has no GPU of its own"):
        joined("cuda").__enter__()
