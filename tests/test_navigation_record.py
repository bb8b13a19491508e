"""The recorded comparison on navigation: what it does, and that what is kept is whole."""

import pytest
import torch

import benchmarks.navigation as recorded
from maml_tutorial import load_benchmark, official_goals
from maml_tutorial.policy_gradient import linear_to_go, mean_to_go

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

    def watched(theta, goals, rate, seed, data):
        asked.append((goals, seed))
        return judged(theta, goals, rate, seed, data)

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


def test_the_record_has_what_the_chapter_compares_and_the_best_rate_of_each():
    runs = [run for run in KEPT["runs"] if run["method"] != recorded.PAPER]
    made = [(run["method"], run["seed"]) for run in runs]
    possible = {(method, seed) for method in recorded.METHODS for seed in recorded.SEEDS}
    assert len(set(made)) == len(made) and set(made) <= possible
    compared = {"exact", "pre-trained", *(way + recorded.PLAIN for way in recorded.WAYS)}
    assert {(method, seed) for method in compared for seed in recorded.SEEDS} <= set(made)
    for run in runs:
        tried = run["mean return after 1 to 3 updates on validation goals"]
        assert {float(rate) for rate in tried} == set(recorded.RATES)
        assert run["inner_lr"] == float(max(tried, key=tried.get))
        rates = {run["inner_lr"]} | ({0.1} if "pre-trained" in run["method"] else set())
        assert set(run["scores"]) == {f"α {rate}" for rate in rates}


def test_the_policy_as_in_the_paper_is_the_best_of_its_steps_on_the_goals_for_validation():
    (run,) = (run for run in KEPT["runs"] if run["method"] == recorded.PAPER)
    tried = run["mean return after 1 to 3 updates on validation goals"]
    assert [int(step) for step in tried] == list(range(10, recorded.PAPER_STEPS + 1, 10))
    assert run["step"] == int(max(tried, key=tried.get))
    assert set(run["scores"]) == {f"α {recorded.INNER_LR}"}


def test_a_step_as_in_the_paper_trains_is_chosen_and_is_judged(monkeypatch):
    monkeypatch.setattr(recorded, "PAPER_UNITS", (8, 8))
    found = recorded.job_as_in_the_paper(meta_steps=1, share=20)
    assert found["step"] == 1 and list(found["scores"]) == ["α 0.1"]


def test_every_way_has_another_start_too_and_the_paper_has_its_baseline():
    exact, plain = (recorded.start_of(method, 0) for method in ("exact", "exact" + recorded.PLAIN))
    assert not exact["mean.0.bias"].any() and plain["mean.0.bias"].any()
    assert not exact["log_std"].any() and not plain["log_std"].any()
    baselines = [recorded.data_of(method).keywords["baseline"] for method in recorded.METHODS]
    assert set(baselines) == {mean_to_go}
    assert recorded.data_of(recorded.PAPER).keywords["baseline"] is linear_to_go


def test_the_oracle_of_the_record_can_be_played_again():
    for name, goals in recorded.TESTS.items():
        assert recorded.oracle(goals) == KEPT["oracle"][name]
