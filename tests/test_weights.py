"""Weights come with the record of the run that made them, and are checked against it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maml_tutorial.models import MLP, init_params, params_of
from maml_tutorial.records import list_records, load_record, save_record
from maml_tutorial.runs import evaluate_run, run_of
from maml_tutorial.weights import load_weights, save_weights

SHIPPED = [name for name in list_records() if load_record(name).weights]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with one run: its record and its weights."""
    digest = save_weights(init_params(MLP(), seed=0), tmp_path / "a-run.safetensors")
    save_record(replace(load_record(SHIPPED[0]), name="a-run", weights=digest), tmp_path)
    return tmp_path


def test_weights_come_back_as_they_were_kept(run: Path) -> None:
    params = load_weights("a-run", run)
    for name, p in init_params(MLP(), seed=0).items():
        assert torch.equal(params[name], p)
        assert params[name].is_leaf and params[name].requires_grad


def test_a_file_needs_no_record_and_knows_what_was_frozen(tmp_path: Path) -> None:
    net = MLP()
    net[0].requires_grad_(False)
    params = params_of(net)
    save_weights(params, tmp_path / "mine.safetensors")
    for found in (load_weights(tmp_path / "mine.safetensors"), load_weights("mine", tmp_path)):
        assert all(torch.equal(found[name], p) for name, p in params.items())
        assert [n for n, p in found.items() if not p.requires_grad] == ["0.weight", "0.bias"]


def test_weights_of_another_run_are_refused(run: Path) -> None:
    save_weights(init_params(MLP(), seed=1), run / "a-run.safetensors")
    with pytest.raises(ValueError, match="is not what its record speaks of.*maml_tutorial train"):
        load_weights("a-run", run)


def test_a_damaged_file_is_refused(run: Path) -> None:
    file = run / "a-run.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match="SHA-256"):
        load_weights("a-run", run)


def test_a_record_without_weights_says_how_to_make_them(run: Path) -> None:
    (run / "a-run.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="without weights.*maml_tutorial train"):
        load_weights("a-run", run)


def test_an_unknown_run_is_named_with_those_there_are(run: Path) -> None:
    with pytest.raises(KeyError, match="another.safetensors.*a-run"):
        load_weights("another", run)


def test_nothing_half_written_is_left_when_writing_fails(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    before = (run / "a-run.safetensors").read_bytes()
    monkeypatch.setattr("maml_tutorial.records.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(init_params(MLP(), seed=1), run / "a-run.safetensors")
    assert sorted(p.name for p in run.iterdir()) == ["a-run.json", "a-run.safetensors"]
    assert (run / "a-run.safetensors").read_bytes() == before


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_small_and_still_score_what_their_record_says(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On fewer tasks, so within both intervals; the seed is another, so the tasks are new."""
    record, params = load_record(name), load_weights(name)
    assert sum(p.numel() for p in params.values()) * 4 < 1_000_000
    if name.startswith("omniglot"):
        monkeypatch.setenv("MAML_TUTORIAL_DATA", str(request.getfixturevalue("real")))
    run = run_of(record)
    test = next(iter(run.tests()))
    steps = run.watched_steps
    found = evaluate_run(run, test, params, 1234, run.n_watched_tasks // 2, [steps])[steps]
    kept = record.scores[test.label][steps]
    # Twice the intervals: four standard errors, so that chance almost never fails it.
    assert abs(found.mean - kept.mean) < 2 * (found.interval + kept.interval)


def test_the_shipped_weights_are_those_of_the_chapters() -> None:
    assert {"sinusoid-k5", "sinusoid-k10", "sinusoid-k10-pretrained", "glyphs-5w1s"} <= set(SHIPPED)
