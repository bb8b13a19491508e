"""The policy gradient against closed forms, loops and finite differences."""

import math
from functools import partial

import pytest
import torch
from torch.distributions import Normal

from maml_tutorial import (
    GaussianPolicy,
    Navigation,
    Task,
    acting,
    adapt,
    advantages,
    as_data,
    init_params,
    make_loss,
    make_predict,
    maml_loss,
    over_tasks,
    play_and_adapt,
    play_tasks,
    reinforce,
)
from maml_tutorial.navigation import Episodes
from maml_tutorial.params import stacked
from maml_tutorial.policy_gradient import RIDGE, linear_to_go, mean_to_go, to_go

WORLD, POLICY = Navigation(horizon=30), GaussianPolicy((8, 8))
LOSS = make_loss(POLICY, reinforce)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def theta(seed=0, dtype=torch.float64):
    params = init_params(POLICY, seed=seed)
    return {name: p.detach().to(dtype).requires_grad_() for name, p in params.items()}


def walks(n_tasks=3, n_episodes=5, seed=0):
    """Walks of which some arrive early and others do not."""
    near = torch.tensor([[0.02, 0.0], [0.1, -0.1], [0.4, 0.4]], dtype=torch.float64)[:n_tasks]
    params = stacked(theta(), n_tasks)
    return WORLD.play(acting(POLICY, params), near, n_episodes, generator(seed))


def test_some_of_the_walks_of_these_tests_end_early():
    lasted = walks().alive.sum(dim=-1)
    assert lasted.min() < 30 and lasted.max() == 30


def test_a_policy_plays_as_its_network_says():
    params = stacked(theta(), 3)
    params = {n: p + torch.randn(p.shape, dtype=p.dtype) for n, p in params.items()}
    states = torch.randn(3, 5, 2, dtype=torch.float64)
    torch.testing.assert_close(
        acting(POLICY, params)(states), over_tasks(make_predict(POLICY))(params, states)
    )


def test_a_policy_starts_with_xavier_weights_no_biases_and_a_deviation_of_1():
    policy = GaussianPolicy((50, 60))
    for params in (dict(policy.named_parameters()), init_params(policy, seed=0)):
        for layer, (n_in, n_out) in {0: (2, 50), 2: (50, 60), 4: (60, 2)}.items():
            largest, most = params[f"mean.{layer}.weight"].abs().max(), (6 / (n_in + n_out)) ** 0.5
            assert 0.9 * most < largest <= most
            assert not params[f"mean.{layer}.bias"].any()
        assert not params["log_std"].any()


def test_the_loss_is_the_density_of_the_actions_times_their_advantages():
    mean, log_std = torch.randn(2, 7, 2, dtype=torch.float64)
    actions, weights = torch.randn(7, 2, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    expected = -(Normal(mean, log_std.exp()).log_prob(actions).sum(dim=1) * weights).mean()
    found = reinforce((mean, log_std), torch.cat([actions, weights[:, None]], dim=1))
    torch.testing.assert_close(found, expected)


def bandit(mean, n):
    """A world of one step: a ~ N(mean, 0.25), paid −(a − 1)²."""
    log_std = math.log(0.5)
    actions = mean.detach() + math.exp(log_std) * torch.randn(n, 1, dtype=torch.float64)
    paid = -((actions - 1) ** 2)
    y = torch.cat([actions, paid - paid.mean()], dim=1)
    output = mean.expand(n, 1), torch.full((n, 1), log_std, dtype=torch.float64)
    return reinforce(output, y)


def test_its_gradient_is_the_policy_gradient():
    torch.manual_seed(0)
    mean = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(bandit(mean, 400_000), mean)
    # J(θ) = −(θ − 1)² − σ², so dJ/dθ = 2 (1 − θ)
    assert -slope.item() == pytest.approx(2 * (1 - 0.3), abs=0.02)


def test_its_second_derivative_is_not_that_of_what_is_paid():
    mean = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(bandit(mean, 1000), mean, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, mean)
    assert curvature.item() == pytest.approx(0.0, abs=1e-12)  # and truly 2: d²J/dθ² = −2


def test_returns_to_go_are_sums_to_the_end():
    rewards = torch.randn(2, 3, 6, dtype=torch.float64)
    for t in range(6):
        expected = sum(0.9**k * rewards[..., t + k] for k in range(6 - t))
        torch.testing.assert_close(to_go(rewards, gamma=0.9)[..., t], expected)


def test_advantages_have_mean_0_and_standard_deviation_1_over_the_steps_that_were_taken():
    episodes = walks()
    for task, alive in zip(advantages(episodes), episodes.alive.bool(), strict=True):
        assert task[alive].mean().item() == pytest.approx(0, abs=1e-12)
        assert task[alive].std(correction=0).item() == pytest.approx(1, rel=1e-6)
        assert not task[~alive].any()


def test_what_a_step_is_compared_with_are_the_walks_that_go_on_at_its_time():
    episodes = walks()
    ahead = to_go(episodes.rewards)
    found = mean_to_go(episodes, ahead)
    for task in range(3):
        for t in range(30):
            going = episodes.alive[task, :, t].bool()
            expected = ahead[task, going, t].mean().item() if going.any() else 0.0
            assert found[task, 0, t].item() == pytest.approx(expected, abs=1e-12)


def test_a_linear_baseline_is_the_least_squares_fit_to_the_steps_that_were_taken():
    episodes = walks(n_episodes=20)
    ahead = to_go(episodes.rewards)
    found = linear_to_go(episodes, ahead)
    time = (torch.arange(30, dtype=torch.float64) / 100).expand_as(ahead)
    features = [*episodes.states.unbind(-1), *episodes.states.square().unbind(-1)]
    features = torch.stack([*features, *(time**k for k in range(4))], dim=-1)
    ridge = RIDGE**0.5 * torch.eye(
        8, dtype=torch.float64
    )  # as eight more steps, ahead of which is 0
    for task in range(3):
        taken = episodes.alive[task].bool()
        known = torch.cat([features[task][taken], ridge])
        wanted = torch.cat([ahead[task][taken], torch.zeros(8, dtype=torch.float64)])
        weights = torch.linalg.lstsq(known, wanted[:, None]).solution
        torch.testing.assert_close(found[task], (features[task] @ weights).squeeze(-1))


def test_the_size_and_the_zero_of_the_rewards_play_no_part():
    episodes = walks(1)  # advantages are compared at each time, so steps taken must be alike
    full = episodes._replace(alive=torch.ones_like(episodes.alive))
    scaled = full._replace(rewards=7 * full.rewards - 3)
    torch.testing.assert_close(advantages(scaled), advantages(full))


def test_a_mean_over_the_examples_is_a_mean_over_the_steps_that_were_taken():
    episodes = walks()
    x, y = as_data(episodes)
    assert x.shape == (3, 150, 2) and y.shape == (3, 150, 3)
    for task in range(3):
        alive = episodes.alive[task].bool()
        mean, log_std = make_predict(POLICY)(theta(), episodes.states[task][alive])
        density = Normal(mean, log_std.exp()).log_prob(episodes.actions[task][alive]).sum(dim=1)
        expected = -(density * advantages(episodes)[task][alive]).mean()
        torch.testing.assert_close(LOSS(theta(), x[task], y[task]), expected)


def test_a_step_makes_the_better_actions_likelier():
    near = torch.tensor([[0.4, 0.0]])
    before, after = play_and_adapt(
        Navigation(),
        POLICY,
        theta(dtype=torch.float32),
        near,
        inner_lr=(0.3,),
        n_episodes=200,
        generator=generator(),
    )
    assert after.returns().mean() > before.returns().mean() + 1
    assert after.states[..., 0].mean() > before.states[..., 0].mean()


@pytest.mark.parametrize("first_order", [False, True])
def test_the_meta_gradient_is_that_of_the_walks_as_they_are(first_order):
    goals = WORLD.goals(2, generator(1)).double()
    tasks = play_tasks(
        WORLD, POLICY, theta(), goals, inner_lr=0.1, n_episodes=4, generator=generator()
    )
    params = theta()
    maml_loss(LOSS, params, tasks, inner_lr=0.1, first_order=first_order).backward()
    found = params["log_std"].grad, params["mean.4.bias"].grad

    def loss_at(name, i, step):
        moved = theta()
        with torch.no_grad():
            moved[name][i] += step
        return maml_loss(LOSS, moved, tasks, inner_lr=0.1).item()

    for name, slopes in zip(("log_std", "mean.4.bias"), found, strict=True):
        for i in range(2):
            numeric = (loss_at(name, i, 1e-5) - loss_at(name, i, -1e-5)) / 2e-5
            same = slopes[i].item() == pytest.approx(numeric, rel=1e-6)
            assert same is not first_order


def test_the_query_walks_are_those_of_the_adapted_policy():
    goals, dice = WORLD.goals(3, generator(1)).double(), generator()
    tasks = play_tasks(WORLD, POLICY, theta(), goals, inner_lr=0.1, n_episodes=4, generator=dice)
    again = generator()
    first = as_data(WORLD.play(acting(POLICY, stacked(theta(), 3)), goals, 4, again))
    phis = [adapt(LOSS, theta(), x, y, inner_lr=0.1) for x, y in zip(*first, strict=True)]
    phi = {name: torch.stack([p[name] for p in phis]) for name in phis[0]}
    then = as_data(WORLD.play(acting(POLICY, phi), goals, 4, again))
    torch.testing.assert_close(tasks, Task(*first, *then))


def test_each_update_stands_on_fresh_walks_of_the_policy_before_it():
    goals, dice = WORLD.goals(3, generator(1)).double(), generator()
    found = play_and_adapt(
        WORLD, POLICY, theta(), goals, inner_lr=(0.2, 0.1), n_episodes=4, generator=dice
    )
    again, phi = generator(), stacked(theta(), 3)
    losses = over_tasks(LOSS)
    for episodes, rate in zip(found, (0.2, 0.1, None), strict=True):
        expected = WORLD.play(acting(POLICY, phi), goals, 4, again)
        torch.testing.assert_close(episodes, expected)
        if rate:
            phi = adapt(losses, phi, *as_data(expected), inner_lr=rate)


def test_in_batches_every_goal_keeps_its_place():
    goals = torch.tensor([[0.5, 0.5], [0.1, 0.0], [-0.3, 0.0]])
    options = {"inner_lr": (), "n_episodes": 50, "batch_size": 2, "generator": generator()}
    (found,) = play_and_adapt(WORLD, POLICY, theta(dtype=torch.float32), goals, **options)
    assert found.states.shape == (3, 50, 30, 2)
    # After one move, of a tenth at most, the reward still tells how far away the goal is.
    first = found.rewards[:, :, 0].mean(dim=1)
    assert first.tolist() == pytest.approx((-goals.norm(dim=1)).tolist(), abs=0.09)


def test_the_parameters_stay_as_they_are():
    params = theta()
    before = {name: p.detach().clone() for name, p in params.items()}
    goals = WORLD.goals(2, generator(1)).double()
    play_and_adapt(
        WORLD, POLICY, params, goals, inner_lr=(0.1,), n_episodes=2, generator=generator()
    )
    assert all(torch.equal(p.detach(), before[name]) for name, p in params.items())
    assert all(p.grad is None for p in params.values())


def test_walks_of_a_world_that_is_no_plane_are_data_too():
    policy = GaussianPolicy((4,), n_in=5, n_out=1)
    episodes = Episodes(
        torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 1), torch.randn(2, 3, 6), torch.ones(2, 3, 6)
    )
    x, y = as_data(episodes)
    phi = adapt(
        over_tasks(make_loss(policy, reinforce)),
        stacked(init_params(policy, seed=0), 2),
        x,
        y,
        inner_lr=0.1,
    )
    assert phi["log_std"].shape == (2, 1)


def one_walk():
    return advantages(Episodes(*(torch.zeros(1, 1, 3, 2),) * 2, *(torch.ones(1, 1, 3),) * 2))


@pytest.mark.parametrize(
    "call, said",
    [
        (one_walk, "n_episodes must be at least 2, got 1"),
        (lambda: to_go(torch.zeros(3), gamma=1.5), "gamma must lie between 0 and 1, got 1.5"),
        (
            lambda: reinforce((torch.zeros(4, 2),) * 2, torch.zeros(4, 2)),
            r"2 \+ 1 numbers .* \(4, 2\), got \(4, 2\): as_data makes it",
        ),
        (
            lambda: acting(POLICY, stacked(theta(), 1))(torch.zeros(1, 5, 2)),
            "states are torch.float32, the parameters torch.float64: .*goals.to",
        ),
        (lambda: acting(POLICY, theta()), r"got \(2,\): .*stacked\(params, n_tasks\)"),
        (
            partial(
                play_and_adapt, WORLD, POLICY, theta(), torch.zeros(2, 2).double(),
                inner_lr=(-1.0,), generator=generator(),
            ),
            "inner_lr must be a positive, finite number, got -1.0",
        ),
    ],
)  # fmt: skip
def test_what_is_no_policy_gradient_is_refused_and_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
