"""Meta-training learns, reports, and stops honestly."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import mse_loss

from maml_tutorial.maml import maml_loss
from maml_tutorial.models import MLP, init_params, make_loss
from maml_tutorial.tasks import SinusoidTasks
from maml_tutorial.training import DivergenceError, meta_train

MODEL = MLP()
LOSS = make_loss(MODEL, mse_loss)


def train(meta_steps=20, seed=0, **options):
    options = {"inner_lr": 0.01, "progress": False, "log_every": 5, **options}
    return meta_train(
        LOSS,
        init_params(MODEL, seed=0),
        SinusoidTasks(5, 5),
        meta_steps=meta_steps,
        generator=torch.Generator().manual_seed(seed),
        **options,
    )


@pytest.mark.parametrize("first_order", [False, True])
def test_a_step_is_an_optimiser_step_along_the_meta_gradient(first_order):
    params = init_params(MODEL, seed=0)
    tasks = SinusoidTasks(5, 5)(25, torch.Generator().manual_seed(0))
    maml_loss(LOSS, params, tasks, inner_lr=0.01, inner_steps=2, first_order=first_order).backward()
    trained = train(
        meta_steps=1,
        inner_steps=2,
        first_order=first_order,
        optimizer=partial(torch.optim.SGD, lr=0.1),
    ).params
    for name, p in params.items():
        torch.testing.assert_close(trained[name], p - 0.1 * p.grad)


def test_training_improves_the_objective():
    history = train(meta_steps=600, log_every=100).history
    assert history[-1][1] < 0.8 * history[0][1]


def test_the_history_holds_means_over_the_steps_between():
    fine, coarse = (train(meta_steps=12, log_every=n).history for n in (1, 5))
    losses = [loss for _, loss in fine]
    assert [step for step, _ in coarse] == [5, 10, 12]
    means = [sum(losses[a:b]) / (b - a) for a, b in ((0, 5), (5, 10), (10, 12))]
    assert [loss for _, loss in coarse] == pytest.approx(means)


def test_the_same_seed_trains_the_same_parameters():
    a, b, c = (train(seed=s).params for s in (0, 0, 1))
    assert all(torch.equal(a[n], b[n]) for n in a)
    assert not torch.equal(a["0.weight"], c["0.weight"])


def test_the_start_is_left_as_it_was():
    params = init_params(MODEL, seed=0)
    meta_train(
        LOSS,
        params,
        SinusoidTasks(5, 5),
        inner_lr=0.01,
        meta_steps=3,
        generator=torch.Generator(),
        progress=False,
    )
    fresh = init_params(MODEL, seed=0)
    assert all(torch.equal(params[n], fresh[n]) and params[n].grad is None for n in params)


def test_a_diverging_training_stops_and_keeps_the_last_good_parameters():
    with pytest.raises(DivergenceError, match="smaller inner_lr") as caught:
        train(meta_steps=2000, inner_lr=1000.0, inner_steps=5)
    error = caught.value
    assert error.step >= 1 and f"step {error.step}" in str(error)
    assert all(torch.isfinite(p).all() for p in error.params.values())


def test_the_last_good_parameters_are_those_of_the_last_finite_loss():
    # Steps of 10^12 with plain SGD: the first loss is finite, the second cannot be.
    start = init_params(MODEL, seed=0)
    with pytest.raises(DivergenceError) as caught:
        train(meta_steps=50, optimizer=partial(torch.optim.SGD, lr=1e12))
    assert caught.value.step == 2
    assert all(torch.equal(caught.value.params[n], start[n]) for n in start)


def test_progress_shows_the_loss(capsys):
    train(meta_steps=10, progress=True)
    assert "loss=" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["meta_batch_size", "meta_steps", "log_every"])
def test_counts_below_one_are_named(name):
    with pytest.raises(ValueError, match=f"{name} .* got 0"):
        train(**{name: 0})


def test_the_learning_rate_falls_along_half_a_cosine():
    """With SGD and a constant gradient, a step is as long as the rate."""
    steps, at = [], []

    def loss_fn(params, x, y):
        return params["w"].sum()

    meta_train(
        loss_fn,
        {"w": torch.zeros(1)},
        SinusoidTasks(5, 5),
        inner_lr=0.1,
        inner_steps=0,
        meta_steps=8,
        log_every=1,
        decay=True,
        optimizer=partial(torch.optim.SGD, lr=1.0),
        generator=torch.Generator(),
        progress=False,
        watch=lambda step, loss, params: at.append(params["w"].item()) or {},
    )
    steps = [before - after for before, after in zip([0.0, *at], at, strict=False)]
    expected = [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)]
    assert steps == pytest.approx(expected, abs=1e-6)


def test_what_is_watched_is_kept_in_the_curve_and_shown(capsys):
    seen = []

    def watch(step, loss, params):
        seen.append((step, loss))
        assert params["0.weight"].requires_grad
        return {"accuracy": step / 100} if step % 10 == 0 else {}

    training = train(meta_steps=20, log_every=5, watch=watch, progress=True)
    assert seen == training.history
    assert training.curve == [(10, {"accuracy": 0.1}), (20, {"accuracy": 0.2})]
    shown = capsys.readouterr().err
    assert "accuracy=0.2" in shown and "loss=" in shown and "step/s" in shown
