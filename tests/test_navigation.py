"""The world of chapter 13: walks that can be summed by hand, and goals that can be drawn again."""

import math

import pytest
import torch

from maml_tutorial import Navigation, official_goals


def straight(action, log_std=-20.0):
    """Always the same action, with next to no noise."""

    def act(states):
        return torch.as_tensor(action, dtype=states.dtype).expand_as(states), torch.full_like(
            states, log_std
        )

    return act


def play(act, goals, n_episodes=1, seed=0, **options):
    goals = torch.as_tensor(goals, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    return Navigation(**options).play(act, goals, n_episodes, generator)


def test_a_straight_walk_returns_the_sum_that_is_known():
    walks = play(straight([0.25, 0.0]), [[0.3, 0.4]], horizon=8)
    expected = -sum(math.hypot(0.3 - 0.025 * t, 0.4) for t in range(1, 9))
    assert walks.returns().item() == pytest.approx(expected, rel=1e-7)
    assert walks.states[0, 0, :, 0].tolist() == pytest.approx([0.025 * t for t in range(8)])
    assert walks.alive.sum() == 8


def test_a_walk_is_over_where_it_arrives():
    walks = play(straight([0.5, 0.0]), [[0.2, 0.0]], horizon=20)
    assert walks.alive[0, 0].tolist() == [1.0] * 4 + [0.0] * 16
    assert walks.returns().item() == pytest.approx(-(0.15 + 0.10 + 0.05))
    assert not walks.rewards[0, 0, 4:].any()


@pytest.mark.parametrize("gap, over", [((0.0099, -0.0099), True), ((0.0101, 0.0), False)])
def test_it_arrives_in_a_square_and_not_in_a_circle(gap, over):
    position = torch.zeros(2, dtype=torch.float64)
    goal = torch.tensor(gap, dtype=torch.float64)
    assert Navigation().step(position, position, goal)[2].item() is over


def test_moves_are_cut_off_axis_by_axis_and_actions_are_kept_as_drawn():
    walks = play(straight([3.0, -0.5]), [[0.5, 0.5]], horizon=2)
    assert walks.states[0, 0, 1].tolist() == pytest.approx([0.1, -0.05])
    assert walks.actions[0, 0, 0].tolist() == pytest.approx([3.0, -0.5])


def test_who_knows_the_world_can_differentiate_a_step():
    action = torch.tensor([0.2, 7.0], requires_grad=True)
    _, reward, _ = Navigation().step(torch.zeros(2), action, torch.tensor([0.32, 0.5]))
    reward.backward()
    assert action.grad.tolist() == pytest.approx([0.1 * 0.3 / 0.5, 0.0])


def test_a_turned_world_is_the_same_world():
    goals = torch.tensor([[0.3, -0.2], [0.1, 0.4]], dtype=torch.float64)
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)  # by 90 degrees
    noise = torch.randn(50, 2, 6, 2, dtype=torch.float64)

    def homing(turn):
        dice = iter(noise)
        return lambda at: ((0.1 - at @ turn.T + next(dice)) @ turn, torch.full_like(at, -30))

    plain = play(homing(torch.eye(2, dtype=torch.float64)), goals, 6, horizon=50)
    turned = play(homing(turn), goals @ turn, 6, horizon=50)
    torch.testing.assert_close(turned.states, plain.states @ turn)
    torch.testing.assert_close(turned.rewards, plain.rewards)
    assert torch.equal(turned.alive, plain.alive)


def test_nobody_tells_the_policy_its_goal():
    one, other = (
        play(straight([0.1, 0.1], 0.0), goals, 3, seed=5, horizon=10)
        for goals in ([[0.5, 0.5]], [[-0.5, -0.5]])
    )
    assert torch.equal(one.states, other.states) and not torch.equal(one.rewards, other.rewards)


def test_a_generator_is_all_that_drives_a_walk():
    first, again, other = (
        play(straight([0.0, 0.0], 0.0), [[0.3, 0.3]], 4, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.actions, again.actions)
    assert not torch.equal(first.actions, other.actions)
    assert first.actions.std().item() == pytest.approx(1.0, abs=0.1)
    assert first.actions[0].std(dim=0).min() > 0.1  # each walk has noise of its own


def test_goals_lie_anywhere_in_the_square():
    goals = Navigation().goals(20_000, torch.Generator().manual_seed(0))
    assert goals.min() >= -0.5 and goals.max() <= 0.5
    assert goals.mean(dim=0).tolist() == pytest.approx([0, 0], abs=0.01)
    assert goals.var(dim=0).tolist() == pytest.approx([1 / 12] * 2, abs=0.002)
    assert torch.corrcoef(goals.T)[0, 1].abs() < 0.03


def test_the_official_goals_are_those_of_the_seed():
    # The first numbers of NumPy's seed 1, as its users know them: 0.417, 0.720, 0.000114, 0.302.
    expected = [[0.417022 - 0.5, 0.720324 - 0.5], [0.000114 - 0.5, 0.302333 - 0.5]]
    torch.testing.assert_close(official_goals()[:2], torch.tensor(expected), atol=1e-6, rtol=0)
    assert official_goals().shape == (40, 2)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: Navigation(horizon=0), "horizon must be a whole number of at least 1, got 0"),
        (lambda: Navigation(arrived=-1.0), "arrived must be a positive, finite length, got -1.0"),
        (lambda: Navigation(longest_move=math.inf), "longest_move must be .* got inf"),
        (lambda: Navigation().goals(0, torch.Generator()), "n_tasks must be .* got 0"),
        (lambda: play(straight([0.0, 0.0]), [0.1, 0.2]), r"got \(2,\).*goal\[None\]"),
        (lambda: play(straight([0.0, 0.0]), [[0.1, 0.2]], 0), "n_episodes must be .* got 0"),
        (lambda: play(lambda at: (at[0], at), [[0.1, 0.2]]), r"\(1, 1, 2\), got \(1, 2\) and"),
        (lambda: play(straight([math.nan, 0.0]), [[0.1, 0.2]]), "have diverged.*smaller inner_lr"),
    ],
)
def test_what_cannot_be_walked_is_refused_and_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
