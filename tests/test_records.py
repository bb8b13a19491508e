"""Records say all that is needed to repeat a run, and are written whole or not at all."""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from few import few_tests

from maml_tutorial import presets, records
from maml_tutorial.__main__ import main
from maml_tutorial.evaluation import Score, score
from maml_tutorial.records import Record, list_records, load_record, peak_kb, save_record


def record(**changes):
    fields = {
        "name": "a-run",
        "command": "python -m maml_tutorial train a-run",
        "config": {"inner_lr": 0.01},
        "seeds": {"init": 0},
        "steps_done": 10,
        "steps_planned": 10,
        "scores": {"5-shot": {1: Score(0.5, 0.1, 1000, 5000)}},
        "history": [(5, 2.0), (10, 1.0)],
        "seconds": 1.5,
    }
    return Record(**{**fields, **changes})


def test_a_record_comes_back_as_it_was_written(tmp_path):
    written = record()
    save_record(written, tmp_path / "new folder")
    assert load_record("a-run", tmp_path / "new folder") == written


def test_a_score_of_which_all_tasks_diverged_comes_back(tmp_path):
    scores = {"5-shot": {0: Score(0.5, 0.1, 9, 45, 0.4, 2), 1: score(torch.full((9,), math.nan))}}
    save_record(record(scores=scores), tmp_path)
    assert "NaN" not in (tmp_path / "a-run.json").read_text()
    found = load_record("a-run", tmp_path).scores["5-shot"]
    assert found[0] == scores["5-shot"][0] and str(found[1]) == str(scores["5-shot"][1])
    assert repr(found[1]) == repr(scores["5-shot"][1])
    # One task that did not diverge has a mean, and no interval.
    one = score(torch.tensor([2.0, math.nan]))
    save_record(record(scores={"5-shot": {1: one}}), tmp_path)
    assert repr(load_record("a-run", tmp_path).scores["5-shot"][1]) == repr(one)


def test_a_record_from_before_medians_were_taken_is_read(tmp_path):
    path = save_record(record(), tmp_path)
    fields = json.loads(path.read_text())
    fields["scores"]["5-shot"]["1"] = [0.5, 0.1, 1000, 5000]
    path.write_text(json.dumps(fields))
    found = load_record("a-run", tmp_path).scores["5-shot"][1]
    assert found == Score(0.5, 0.1, 1000, 5000)
    assert found.median is None and found.n_diverged == 0 and str(found) == "0.5 ± 0.1"


def test_a_record_from_before_it_told_of_a_gpu_is_read(tmp_path):
    path = save_record(record(scored_on="a GPU", tf32=True), tmp_path)
    found = load_record("a-run", tmp_path)
    assert (found.scored_on, found.tf32) == ("a GPU", True)
    fields = json.loads(path.read_text())
    del fields["scored_on"], fields["tf32"]
    path.write_text(json.dumps(fields))
    found = load_record("a-run", tmp_path)
    assert (found.scored_on, found.tf32) == ("", None)


def test_the_preset_of_a_record_is_what_it_says_and_not_read_off_its_name(tmp_path):
    path = save_record(record(name="a-run-first-order", preset="another"), tmp_path)
    assert load_record("a-run-first-order", tmp_path).preset == "another"
    fields = json.loads(path.read_text())
    del fields["preset"]
    path.write_text(json.dumps(fields))
    assert load_record("a-run-first-order", tmp_path).preset == ""


def test_a_record_tells_the_commit_of_the_checkout_or_nothing(tmp_path, monkeypatch):
    here = Path(records.__file__)
    shutil.copy(here, tmp_path)
    monkeypatch.setattr(records, "__file__", str(tmp_path / here.name))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    assert "commit" not in records.describe_versions()
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-qm", "none of it", "--allow-empty"], check=True)
    assert "commit" not in records.describe_versions()  # somebody else's repository
    subprocess.run([*git, "add", "records.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "it"], check=True)
    made = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    commit = records.describe_versions()["commit"]
    assert made.stdout.startswith(commit) and len(commit) >= 7
    (tmp_path / "records.py").write_text("changed")
    assert records.describe_versions()["commit"] == f"{commit}-dirty"


def test_an_unknown_record_is_named_with_those_there_are(tmp_path):
    save_record(record(), tmp_path)
    with pytest.raises(KeyError, match="'another'.*a-run"):
        load_record("another", tmp_path)


def test_nothing_half_written_is_left_when_writing_fails(tmp_path, monkeypatch):
    save_record(record(), tmp_path)
    before = (tmp_path / "a-run.json").read_text()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("maml_tutorial.records.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_record(record(seconds=2.0), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a-run.json"]
    assert (tmp_path / "a-run.json").read_text() == before


def test_others_may_read_what_was_written(tmp_path):
    path = save_record(record(), tmp_path)
    assert path.stat().st_mode & 0o444 == 0o444


def test_the_memory_of_a_run_is_in_mebibytes(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    least = peak_kb() // 1024
    arguments = ["train", "sinusoid-k5", "--meta-steps", "1", "--output", str(tmp_path)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert least <= load_record("sinusoid-k5", tmp_path).peak_mb <= peak_kb() // 1024


def test_a_value_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nan|JSON"):
        save_record(record(seconds=math.nan), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OSError, match="file"):
        save_record(record(), Path(blocker) / "folder")


@pytest.mark.parametrize("name", list_records())
def test_every_shipped_record_is_complete_and_its_command_names_it(name):
    shipped = load_record(name)
    assert shipped.name == name
    assert re.match(
        r"(python|torchrun --nproc-per-node \d) -m maml_tutorial train ", shipped.command
    )
    assert 0 < shipped.steps_done <= shipped.steps_planned
    assert {"init", "train", "test"} <= set(shipped.seeds)
    assert {"python", "torch"} <= set(shipped.versions)
    assert f" train {shipped.preset} " in shipped.command + " "
    assert shipped.seconds > 0 and shipped.device
    # One image at a time in twenty ways takes minutes: there a hundred tasks, of twenty answers.
    least = 100 if shipped.config.get("by_alphabet") else 600
    for by_steps in shipped.scores.values():
        assert all(s.interval > 0 and s.n_tasks >= least for s in by_steps.values())
