"""The benchmark compares like with like."""

import json
from pathlib import Path

import pytest
import torch

import benchmarks.letters_search as letters_search
import benchmarks.meta_step as meta_step
import benchmarks.pretraining as pretraining
from tools.notebooks import read

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("inner_steps", [1, 5])
def test_both_ways_are_timed_on_the_same_gradient(inner_steps: int):
    found = meta_step.compare(inner_steps, rounds=2)
    assert found["ratio"] == pytest.approx(found["loop"] / found["vectorised"], abs=0.1)


def test_two_ways_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch):
    exact = meta_step.maml_loss
    monkeypatch.setattr(
        meta_step, "maml_loss", lambda *args, **settings: exact(*args, **settings, first_order=True)
    )
    with pytest.raises(RuntimeError, match="gradients differ by"):
        meta_step.compare(5, rounds=1)


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
