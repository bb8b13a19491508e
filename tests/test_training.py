"""Meta-training learns, reports, stops honestly, and goes on from where it stood."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import mse_loss

from maml_tutorial.maml import maml_loss
from maml_tutorial.models import MLP, init_params, make_loss
from maml_tutorial.relatives import joint, maml
from maml_tutorial.tasks import SinusoidTasks
from maml_tutorial.training import DivergenceError, Training, cosine, meta_train, outer_loop

MODEL = MLP()
LOSS = make_loss(MODEL, mse_loss)
LEARNER = maml(LOSS, inner_lr=0.01)


def train(meta_steps=20, seed=0, learner=LEARNER, **options):
    options = {"progress": False, "log_every": 5, **options}
    return meta_train(
        learner,
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
    settings = {"inner_lr": 0.01, "inner_steps": 2, "first_order": first_order}
    maml_loss(LOSS, params, tasks, **settings).backward()
    sgd = partial(torch.optim.SGD, lr=0.1)
    trained = train(meta_steps=1, learner=maml(LOSS, **settings), optimizer=sgd).params
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
        LEARNER,
        params,
        SinusoidTasks(5, 5),
        meta_steps=3,
        generator=torch.Generator(),
        progress=False,
    )
    fresh = init_params(MODEL, seed=0)
    assert all(torch.equal(params[n], fresh[n]) and params[n].grad is None for n in params)


def test_a_diverging_training_stops_and_keeps_the_last_good_parameters():
    with pytest.raises(DivergenceError, match="smaller inner_lr") as caught:
        train(meta_steps=2000, learner=maml(LOSS, inner_lr=1000.0, inner_steps=5))
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
    shown = capsys.readouterr().err
    assert "loss=" in shown and "step/s" in shown


@pytest.mark.parametrize("name", ["meta_batch_size", "meta_steps", "log_every"])
def test_counts_below_one_are_named(name):
    with pytest.raises(ValueError, match=f"{name} .* got 0"):
        train(**{name: 0})


def test_a_sampler_that_gives_another_number_of_tasks_is_named():
    def half(n_tasks, generator):
        return SinusoidTasks(5, 5)(n_tasks // 2, generator)

    with pytest.raises(ValueError, match="asked for 25 tasks and gave 12"):
        meta_train(
            LEARNER,
            init_params(MODEL, seed=0),
            half,
            meta_steps=1,
            generator=torch.Generator(),
            progress=False,
        )


def test_the_learning_rate_falls_along_half_a_cosine():
    """With SGD and a constant gradient, a step is as long as the rate."""
    at = [0.0]
    training = Training.begun(
        {"w": torch.zeros(1, requires_grad=True)},
        torch.Generator(),
        optimizer=partial(torch.optim.SGD, lr=1.0),
    )
    gradient = joint(lambda params, x, y: params["w"].sum(), inner_lr=0.1).gradient
    for now in outer_loop(
        training, gradient, SinusoidTasks(5, 5), meta_steps=8, schedule=cosine, log_every=1
    ):
        at.append(now.params["w"].item())
    steps = [before - after for before, after in zip(at, at[1:], strict=False)]
    expected = [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)]
    assert steps == pytest.approx(expected, abs=1e-6)


OPTIMIZERS = {
    "Adam": partial(torch.optim.Adam, lr=1e-3),
    "SGD with momentum": partial(torch.optim.SGD, lr=1e-3, momentum=0.9),
}


def begun(optimizer, params=None, seed=0):
    return Training.begun(
        params or init_params(MODEL, seed=seed),
        torch.Generator().manual_seed(seed + 1),
        optimizer=optimizer,
    )


def going(training, **options):
    options = {"meta_batch_size": 4, "meta_steps": 20, "log_every": 7, **options}
    return outer_loop(training, LEARNER.gradient, SinusoidTasks(5, 5), **options)


def same(one, other):
    return all(torch.equal(p, other[name]) for name, p in one.items())


@pytest.mark.parametrize("schedule", [lambda done: 1.0, cosine], ids=["constant", "cosine"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_training_goes_on_from_a_snapshot_bit_for_bit(optimizer, schedule):
    whole, kept = begun(optimizer), {}
    for now in going(whole, schedule=schedule):
        if now.logged():
            now.curve.append((now.step, {"half": now.history[-1][1] / 2}))
        kept[now.step] = now.snapshot()
    assert [step for step, _ in whole.history] == [7, 14, 20]
    for step in (1, 13, 13, 19):  # the same one twice: going on from it leaves it as it was
        resumed = begun(optimizer, seed=5)  # of which nothing may be left
        resumed.restore(kept[step])
        assert resumed.step == step
        for now in going(resumed, schedule=schedule):
            if now.logged():
                now.curve.append((now.step, {"half": now.history[-1][1] / 2}))
        assert same(whole.params, resumed.params)
        assert (whole.history, whole.curve) == (resumed.history, resumed.curve)


def test_a_snapshot_is_put_into_the_parameters_where_they_are():
    training = begun(None)
    before, kept = training.params["0.weight"], training.snapshot()
    next(going(training))
    training.restore(kept)
    assert training.params["0.weight"] is before
    assert same(training.params, init_params(MODEL, seed=0))


def test_what_is_frozen_is_left_alone_by_weight_decay_too():
    net = MLP()
    net[0].requires_grad_(False)
    params = init_params(net, seed=0)
    training = begun(partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5), params)
    *_, _ = going(training)
    for name, p in training.params.items():
        assert p.requires_grad == params[name].requires_grad == (not name.startswith("0."))
        assert torch.equal(p, params[name]) == (not p.requires_grad)


def test_nothing_that_could_learn_is_refused():
    frozen = {"w": torch.zeros(1)}
    with pytest.raises(ValueError, match="none of the parameters w requires a gradient"):
        Training.begun(frozen, torch.Generator())


@pytest.mark.parametrize("fused", [(True, None), (None, True)])
def test_how_an_optimiser_computes_is_no_part_of_a_snapshot(fused):
    """A GPU takes the step of all parameters at once; a CPU goes on from there in its own way."""
    one, other = (begun(partial(torch.optim.Adam, lr=1e-3, fused=way)) for way in fused)
    next(going(one))
    other.restore(one.snapshot())
    (group,) = other.optimizer.param_groups
    assert group["fused"] is fused[1] and group["lr"] == 1e-3
    whole, moved = (list(going(now))[-1] for now in (one, other))
    for name, p in whole.params.items():
        torch.testing.assert_close(moved.params[name], p, rtol=1e-3, atol=1e-5)


def test_tasks_go_on_as_others_where_they_were_drawn_on_another_kind_of_device():
    kept = begun(None).snapshot() | {"generator": torch.zeros(16, dtype=torch.uint8), "step": 3}
    losses = []
    for step in (3, 3, 4):
        training = begun(None)
        with pytest.warns(RuntimeWarning, match="drawn on another kind of device"):
            training.restore(kept | {"step": step})
        next(going(training, log_every=1))
        losses.append(training.history)
    fresh = begun(None)
    next(going(fresh, log_every=1))
    assert losses[0] == losses[1]  # the same each time
    assert len({loss for ((_, loss),) in (losses[0], losses[2], fresh.history)}) == 3
