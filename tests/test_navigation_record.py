"""The recorded comparison on navigation: what it does, and that what is kept is whole."""

import pytest
import torch

import benchmarks.navigation as recorded
from maml_tutorial import load_benchmark, official_goals

KEPT = load_benchmark("navigation")


@pytest.mark.parametrize("method", ["first order", "pre-trained"])
def test_a_method_trains_chooses_its_rate_and_is_judged(method: str):
    found = recorded.job(method, 0, meta_steps=1, share=20)
    tried = found["mean return after 1 to 3 updates on validation goals"]
    assert max(tried, key=tried.get) == found["inner_lr"]
    for tests in found["scores"].values():
        assert list(tests) == ["400 goals", "official goals"]
        assert all(len(rows) == 4 and rows[0]["mean"] < -10 for rows in tests.values())


def test_a_rate_is_chosen_on_goals_and_walks_that_no_score_is_taken_on(monkeypatch):
    asked, judged = [], recorded.judged

    def watched(theta, goals, rate, seed):
        asked.append((goals, seed))
        return judged(theta, goals, rate, seed)

    monkeypatch.setattr(recorded, "judged", watched)
    recorded.job("exact", 0, meta_steps=1, share=20)
    search, tests = asked[: len(recorded.RATES)], asked[len(recorded.RATES) :]
    assert len(tests) == len(recorded.TESTS)
    for goals, seed in tests:
        assert seed != search[0][1] and not any(torch.equal(g, search[0][0][0]) for g in goals)
    assert torch.equal(recorded.TESTS["official goals"], official_goals())


def test_who_sees_the_goal_needs_five_steps_at_most():
    goals = recorded.unseen(50, 0)
    left, expected = goals.abs(), 0.0
    while left.max() > 0:
        left = (left - 0.1).clamp(min=0)
        expected -= left.norm(dim=1).mean().item()
    assert recorded.oracle(goals)["mean"] == pytest.approx(expected, abs=0.02)


def test_the_record_has_each_method_and_seed_and_the_best_rate_of_each():
    runs = KEPT["runs"]
    wanted = {(method, seed) for method in recorded.METHODS for seed in recorded.SEEDS}
    assert {(run["method"], run["seed"]) for run in runs} == wanted and len(runs) == len(wanted)
    for run in runs:
        tried = run["mean return after 1 to 3 updates on validation goals"]
        assert {float(rate) for rate in tried} == set(recorded.RATES)
        assert run["inner_lr"] == float(max(tried, key=tried.get))
        rates = {run["inner_lr"]} | ({0.1} if run["method"] == "pre-trained" else set())
        assert set(run["scores"]) == {f"α {rate}" for rate in rates}


def test_the_oracle_of_the_record_can_be_played_again():
    for name, goals in recorded.TESTS.items():
        assert recorded.oracle(goals) == KEPT["oracle"][name]
