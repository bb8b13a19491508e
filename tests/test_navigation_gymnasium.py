"""The world of chapter 13 as others write worlds: one walk at a time, in Gymnasium's form.

Gymnasium is no requirement of the book: `pip install gymnasium` runs these two tests.
"""

import pytest
import torch

from maml_tutorial import Navigation

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed; it is optional")


class NavigationEnv(gymnasium.Env):
    """One goal and one walk; actions in units of the longest move."""

    def __init__(self, goal=(0.3, -0.2)):
        self.world, self.goal = Navigation(), torch.tensor(goal)
        bound = float("inf")
        self.observation_space = gymnasium.spaces.Box(-bound, bound, (2,))
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.steps = torch.zeros(2), 0
        return self.position.numpy(), {}

    def step(self, action):
        action = torch.as_tensor(action, dtype=torch.float32)
        self.position, reward, over = self.world.step(self.position, action, self.goal)
        self.steps += 1
        late = self.steps >= self.world.horizon
        return self.position.numpy(), reward.item(), over.item(), late, {}


@pytest.mark.filterwarnings("ignore:.*Box observation space")
def test_the_world_is_one_that_gymnasium_accepts():
    from gymnasium.utils.env_checker import check_env

    check_env(NavigationEnv(), skip_render_check=True)


@pytest.mark.parametrize("goal", [(0.3, -0.2), (0.05, 0.0)])
def test_one_walk_at_a_time_is_what_many_at_once_are(goal):
    def act(states):
        return 4 * (torch.tensor(goal) - states), torch.full_like(states, -1.0)

    walks = Navigation().play(act, torch.tensor([goal]), 3, torch.Generator().manual_seed(0))
    env = NavigationEnv(goal)
    for walk in range(3):
        at, _ = env.reset()
        for t, action in enumerate(walks.actions[0, walk]):
            assert torch.equal(torch.from_numpy(at), walks.states[0, walk, t])
            at, reward, over, late, _ = env.step(action)
            assert reward == pytest.approx(walks.rewards[0, walk, t].item(), rel=1e-6)
            assert walks.alive[0, walk, t] == 1
            if over or late:
                break
        assert not walks.alive[0, walk, t + 1 :].any()
