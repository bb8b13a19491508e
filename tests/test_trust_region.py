"""The paper's outer step against closed forms and double backward passes."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import benchmarks.trust_region as region
from maml_tutorial import GaussianPolicy, Navigation, init_params, play_tasks

POLICY = GaussianPolicy((8, 8))


def played():
    world, dice = Navigation(horizon=40), torch.Generator().manual_seed(0)
    theta = {n: p.detach().double() for n, p in init_params(POLICY, seed=0).items()}
    theta = {n: p.requires_grad_() for n, p in theta.items()}
    goals = world.goals(4, dice).double()
    return theta, play_tasks(
        world, POLICY, theta, goals, inner_lr=0.1, n_episodes=10, generator=dice
    )


def test_the_divergence_is_that_of_normal_distributions():
    old, new = torch.randn(2, 2, 7, 2, dtype=torch.float64)
    expected = kl_divergence(Normal(old[0], old[1].exp()), Normal(new[0], new[1].exp()))
    found = region.divergence(tuple(old), tuple(new))
    torch.testing.assert_close(found, expected.sum(dim=-1).mean())


def test_conjugate_gradients_solve():
    root = torch.randn(6, 6, dtype=torch.float64)
    matrix, b = root @ root.T + torch.eye(6), torch.randn(6, dtype=torch.float64)
    found = region.solved(lambda v: matrix @ v, b, rounds=20)
    torch.testing.assert_close(matrix @ found, b, atol=1e-4, rtol=1e-4)


def test_a_step_goes_as_far_as_it_may_and_lowers_the_loss():
    theta, tasks = played()
    there, far = region.trust_region_step(POLICY, theta, tasks, 0.1)
    old, new = (region.known(POLICY, p, tasks, 0.1) for p in (theta, there))
    assert region.divergence(old, new).item() == pytest.approx(far)
    assert region.FARTHEST / 4 < far <= region.FARTHEST
    actions, weights = tasks.y_query[..., :-1], tasks.y_query[..., -1]
    gain = (region.log_density(new, actions) - region.log_density(old, actions)) * weights
    assert gain.mean() > 0


def test_the_curvature_turns_the_step(monkeypatch):
    """Of all steps that change the adapted policies as much, it gains the most, to first order."""
    monkeypatch.setattr(region, "EVERY", 1)
    theta, tasks = played()
    loss = region.maml_loss(region.make_loss(POLICY, region.reinforce), theta, tasks, inner_lr=0.1)
    down = -region.slope(loss, theta)
    before = torch.cat([p.detach().flatten() for p in theta.values()])

    def gain_of(params):
        step = torch.cat([p.detach().flatten() for p in params.values()]) - before
        old, new = (region.known(POLICY, p, tasks, 0.1) for p in (theta, params))
        return (down @ step / region.divergence(old, new).sqrt()).item()

    there, _ = region.trust_region_step(POLICY, theta, tasks, 0.1)
    steepest = region.moved(theta, 0.01 * down / down.norm())
    assert gain_of(there) > 1.1 * gain_of(steepest)


def test_where_no_step_helps_it_stays():
    theta, tasks = played()
    nothing = tasks._replace(y_query=torch.zeros_like(tasks.y_query))
    found, far = region.trust_region_step(POLICY, theta, nothing, 0.1)
    assert found is theta and far == 0
