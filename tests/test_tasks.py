"""Sine-wave tasks are what the paper says they are."""

import math

import pytest
import torch

from maml_tutorial.tasks import SinusoidTasks


def draw(n_tasks=2000, seed=0, **options):
    sampler = SinusoidTasks(5, 7, **options)
    return sampler(n_tasks, torch.Generator().manual_seed(seed))


def test_shapes_put_the_task_axis_first():
    tasks = draw(n_tasks=3)
    assert [tuple(v.shape) for v in tasks] == [(3, 5, 1), (3, 5, 1), (3, 7, 1), (3, 7, 1)]


def test_the_same_seed_draws_the_same_tasks_and_another_seed_others():
    assert all(torch.equal(a, b) for a, b in zip(draw(seed=1), draw(seed=1), strict=True))
    assert not torch.equal(draw(seed=1).x_support, draw(seed=2).x_support)


def test_sampling_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    draw()
    assert torch.equal(before, torch.get_rng_state())


def test_support_and_query_lie_on_one_wave_of_the_paper_s_range():
    # A sin(x − φ) = a sin x + b cos x: two support points give the wave, and it must hit the rest.
    tasks = draw(n_tasks=500)
    x, y = tasks.x_support.double(), tasks.y_support.double()
    basis = torch.cat([x.sin(), x.cos()], dim=2)
    a_b = torch.linalg.lstsq(basis, y).solution
    amplitude = a_b.norm(dim=1).squeeze()
    phase = torch.atan2(-a_b[:, 1], a_b[:, 0]).squeeze()
    query = torch.cat([tasks.x_query.sin(), tasks.x_query.cos()], dim=2).double() @ a_b
    torch.testing.assert_close(query, tasks.y_query.double(), atol=1e-3, rtol=0)
    assert 0.1 - 1e-3 < amplitude.min() < 0.3 and 4.8 < amplitude.max() < 5.0 + 1e-3
    assert -1e-3 < phase.min() < 0.1 and math.pi - 0.1 < phase.max() < math.pi + 1e-3
    assert tasks.x_support.min() < -4.9 and tasks.x_support.max() > 4.9


def test_support_and_query_points_lie_anywhere_in_the_range_and_apart_from_each_other():
    tasks = draw(n_tasks=4000)
    x = torch.cat([tasks.x_support, tasks.x_query], dim=1).squeeze(2)
    for point in x.T:
        tenths = torch.histc(point, bins=10, min=-5, max=5)
        # 4000 points over ten tenths: 400 each, give or take 5 standard deviations.
        assert tenths.sum() == 4000 and (tenths - 400).abs().max() < 5 * 400**0.5
    assert (x.T.corrcoef() - torch.eye(12)).abs().max() < 5 / 4000**0.5


def test_the_zero_function_has_the_mean_squared_error_that_arithmetic_gives():
    # E[A²]/2 when x covers whole periods; on [−5, 5] the mean of sin² differs with the phase.
    x = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    phase = torch.linspace(0, math.pi, 501, dtype=torch.float64)[:, None]
    mean_sin2 = torch.sin(x - phase).square().mean()
    mean_a2 = (5.0**3 - 0.1**3) / (3 * (5.0 - 0.1))
    y = draw(n_tasks=20_000).y_query
    assert y.square().mean().item() == pytest.approx((mean_a2 * mean_sin2).item(), rel=0.03)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"k_shot": 0}, "k_shot .* got 0"),
        ({"k_query": -1}, "k_query .* got -1"),
        ({"k_shot": 2.5}, "k_shot .* got 2.5"),
        ({"k_shot": True}, "k_shot .* got True"),
        ({"amplitude": (5.0, 0.1)}, r"amplitude .* got \(5.0, 0.1\)"),
        ({"phase": (0.0, math.inf)}, "phase .* inf"),
    ],
)
def test_bad_settings_are_named(options, named):
    with pytest.raises(ValueError, match=named):
        SinusoidTasks(**options)


def test_no_tasks_at_all_is_an_error():
    with pytest.raises(ValueError, match="n got|n must be .* got 0|n_tasks .* got 0"):
        SinusoidTasks()(0, torch.Generator())
