"""The benchmark compares like with like."""

import pytest

import benchmarks.meta_step as meta_step


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
