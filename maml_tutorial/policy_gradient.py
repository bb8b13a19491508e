"""Learning from rewards: a policy that draws its actions, and the gradient of what it was paid."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from maml_tutorial.adapt import Rates, adapt
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import MLP, Params, make_loss
from maml_tutorial.navigation import Act, Episodes, Navigation
from maml_tutorial.params import copied, stacked
from maml_tutorial.tasks import Task, require_at_least

# (walks, returns to go) → what is subtracted from the returns to go
Baseline = Callable[[Episodes, Tensor], Tensor]
SMALL = 1e-8  # keeps walks that were all paid alike from a division by zero
RIDGE = 1e-5  # keeps a fit to walks that stand still from having many solutions


class GaussianPolicy(nn.Module):
    r"""What to do where: a normal distribution of actions for each state.

    $$\pi_\theta(a \mid s) = \mathcal{N}\bigl(a;\, \mu_\theta(s),\, \sigma^2\bigr)$$

    The mean comes from a network of fully connected layers; the standard deviation, one an axis,
    is the same everywhere and learned as its logarithm `log_std`, which starts at 0.

    Args:
        hidden: units of each hidden layer.
        n_in: numbers that describe a state.
        n_out: numbers that make an action.

    Example:
        >>> mean, log_std = GaussianPolicy()(torch.zeros(7, 2))
        >>> mean.shape, log_std.shape
        (torch.Size([7, 2]), torch.Size([7, 2]))

    Reference:
        Finn, Abbeel & Levine 2017, section 5.3: two hidden layers of 100 units.
    """

    def __init__(self, hidden: Sequence[int] = (100, 100), *, n_in: int = 2, n_out: int = 2):
        super().__init__()
        self.mean = MLP(hidden, n_in=n_in, n_out=n_out)
        self.log_std = nn.Parameter(torch.zeros(n_out))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the paper's code does: Xavier's weights, biases 0, standard deviation 1."""
        for layer in self.mean:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.log_std)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation for each state: `(n, n_in)` → `(n, n_out)`."""
        mean = self.mean(states)
        return mean, self.log_std.expand_as(mean)


def reinforce(output: tuple[Tensor, Tensor], y: Tensor) -> Tensor:
    r"""The loss whose gradient is the policy gradient: good actions shall become more likely.

    $$\mathcal{L}(\theta) = -\frac{1}{n} \sum_{t=1}^{n} \log \pi_\theta(a_t \mid s_t)\, A_t$$

    The actions and their advantages are data here. That they were drawn by the policy itself is
    not seen by a derivative of this loss: its first one is the policy gradient, its second one is
    not the second derivative of what the policy is paid.

    Args:
        output: mean and log standard deviation, each `(n, n_actions)`, as `GaussianPolicy` gives.
        y: the action and, last, its advantage, `(n, n_actions + 1)`, as `as_data` makes them.

    Returns:
        A scalar.

    Raises:
        ValueError: if `y` is not one column wider than the mean.

    Example:
        One action, one unit above the mean and better than the others by 2; log density
        −0.5 − 0.919:

        >>> output = torch.zeros(1, 1), torch.zeros(1, 1)
        >>> round(reinforce(output, torch.tensor([[1.0, 2.0]])).item(), 3)
        2.838

    Reference:
        Williams 1992; with it MAML's loss is equation (4) of Finn, Abbeel & Levine 2017.
    """
    mean, log_std = output
    if y.shape != (*mean.shape[:-1], mean.shape[-1] + 1):
        raise ValueError(
            f"y must hold each action and its advantage, {mean.shape[-1]} + 1 numbers for each of "
            f"the means {tuple(mean.shape)}, got {tuple(y.shape)}: as_data makes it from episodes"
        )
    z = (y[..., :-1] - mean) / log_std.exp()
    log_density = -(0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(dim=-1)
    return -(log_density * y[..., -1]).mean()


def to_go(rewards: Tensor, *, gamma: float = 0.99) -> Tensor:
    r"""What is still to come: $R_t = r_t + \gamma R_{t+1}$, along the last axis.

    Args:
        rewards: `(..., horizon)`.
        gamma: what a reward is worth one step later, 0 … 1.

    Returns:
        Returns to go, `(..., horizon)`.

    Raises:
        ValueError: if `gamma` is not in 0 … 1.

    Example:
        >>> to_go(torch.tensor([-1.0, -1.0, -2.0]), gamma=0.5)
        tensor([-2., -2., -2.])
    """
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma must lie between 0 and 1, got {gamma!r}")
    found, rest = torch.empty_like(rewards), torch.zeros_like(rewards[..., 0])
    for t in reversed(range(rewards.shape[-1])):
        rest = rewards[..., t] + gamma * rest
        found[..., t] = rest
    return found


def mean_to_go(episodes: Episodes, to_go: Tensor) -> Tensor:
    """What the walks of a task have ahead of them at each time, on average: a baseline.

    Args:
        episodes: some walks in each task.
        to_go: their returns to go, `(n_tasks, n_episodes, horizon)`.

    Returns:
        The mean over those walks that are not over, `(n_tasks, 1, horizon)`; 0 where all are.

    Example:
        >>> walks = Episodes(*(torch.zeros(1, 2, 1, 2),) * 2, *(torch.ones(1, 2, 1),) * 2)
        >>> mean_to_go(walks, torch.tensor([[[-4.0], [-6.0]]]))
        tensor([[[-5.]]])
    """
    n_walking = episodes.alive.sum(dim=1, keepdim=True)
    return (to_go * episodes.alive).sum(dim=1, keepdim=True) / n_walking.clamp(min=1)


def linear_to_go(episodes: Episodes, to_go: Tensor) -> Tensor:
    r"""What is still to come, foretold from position and time by least squares: a baseline.

    In each task, over its own walks: a weight for each state, each state's square, 1, t, t² and t³.
    To stand near the goal is then no merit of the next action, as it is with `mean_to_go`, so
    advantages are less noisy.

    Args:
        episodes: some walks in each task.
        to_go: their returns to go, `(n_tasks, n_episodes, horizon)`.

    Returns:
        What the fit says at each step, `(n_tasks, n_episodes, horizon)`.

    Example:
        What is left depends on the position alone here, and so nothing is unforeseen:

        >>> states = torch.randn(1, 5, 10, 2, generator=torch.Generator().manual_seed(0))
        >>> walks = Episodes(states, states, *(torch.ones(1, 5, 10),) * 2)
        >>> ahead = 3 * states[..., 0] - 7
        >>> (linear_to_go(walks, ahead) - ahead).abs().max().item() < 1e-4
        True

    Reference:
        Duan et al. 2016, as in the code of Finn, Abbeel & Levine 2017: the same features and the
        same ridge.
    """
    states, alive = episodes.states.double(), episodes.alive.double()[..., None]
    time = torch.arange(to_go.shape[-1], dtype=states.dtype, device=states.device) / 100
    clock = torch.stack([time**0, time, time**2, time**3], dim=-1)
    clock = clock.expand(*states.shape[:-1], 4)
    features = torch.cat([states, states.square(), clock], dim=-1)
    known, wanted = (features * alive).flatten(1, 2), (to_go[..., None] * alive).flatten(1, 2)
    ridge = RIDGE * torch.eye(known.shape[-1], dtype=known.dtype, device=known.device)
    weights = torch.linalg.solve(known.mT @ known + ridge, known.mT @ wanted)
    return (features.flatten(1, 2) @ weights).view_as(to_go).to(to_go.dtype)


def advantages(
    episodes: Episodes, *, gamma: float = 0.99, baseline: Baseline = mean_to_go
) -> Tensor:
    r"""How much better each step went than a step at that time goes on average.

    $$A_t = \frac{R_t - b_t - m}{s}, \qquad R_t = r_t + \gamma R_{t+1}$$

    m and s are the mean and the standard deviation over all steps of a task, so that the size of
    the rewards plays no part in the length of a step.

    Args:
        episodes: some walks in each task.
        gamma: what a reward is worth one step later, 0 … 1.
        baseline: `(episodes, returns to go)` → what is subtracted from the returns to go, a
            tensor that broadcasts to them; here the mean over the walks of the same task at the
            same time. `linear_to_go` looks at the position too.

    Returns:
        `(n_tasks, n_episodes, horizon)`: in each task of mean 0 and standard deviation 1 over the
        steps that were taken, and 0 once a walk is over.

    Raises:
        ValueError: if there is only one walk in a task: it is no better than itself. Or as
            `to_go` does.

    Example:
        Two walks of one step:

        >>> walks = Episodes(*(torch.zeros(1, 2, 1, 2),) * 2, torch.tensor([[[-1.0], [-3.0]]]),
        ...                  torch.ones(1, 2, 1))
        >>> advantages(walks).flatten()
        tensor([ 1., -1.])

    Reference:
        Finn, Abbeel & Levine 2017, section 5.3: γ and the scaling are those of their code; their
        baseline is `linear_to_go`.
    """
    alive = episodes.alive
    if alive.shape[1] < 2:
        raise ValueError(
            "advantages compare walks with each other: n_episodes must be at least 2, got "
            f"{alive.shape[1]}"
        )
    ahead = to_go(episodes.rewards, gamma=gamma)
    better = ahead - baseline(episodes, ahead)
    n_steps = alive.sum(dim=(1, 2), keepdim=True)
    better = (better - (better * alive).sum(dim=(1, 2), keepdim=True) / n_steps) * alive
    return better / ((better.square().sum(dim=(1, 2), keepdim=True) / n_steps).sqrt() + SMALL)


def as_data(
    episodes: Episodes, *, gamma: float = 0.99, baseline: Baseline = mean_to_go
) -> tuple[Tensor, Tensor]:
    """Turn walks into inputs and targets: every step of every walk is an example.

    Steps that were not taken weigh nothing. The others weigh so much more that the mean over all
    examples, which `reinforce` takes, is the mean over the steps that were taken.

    Args:
        episodes: some walks in each task.
        gamma: see `advantages`.
        baseline: see `advantages`.

    Returns:
        x, the states, `(n_tasks, n_episodes · horizon, 2)`, and y, the action and, last, its
        advantage, `(n_tasks, n_episodes · horizon, 3)`: for `adapt`, or half of a `Task`.

    Example:
        >>> from maml_tutorial import GaussianPolicy, Navigation, init_params
        >>> from maml_tutorial.params import stacked
        >>> world, policy = Navigation(), GaussianPolicy((8,))
        >>> act = acting(policy, stacked(init_params(policy, seed=0), 4))
        >>> goals = world.goals(4, torch.Generator().manual_seed(0))
        >>> x, y = as_data(world.play(act, goals, 20, torch.Generator().manual_seed(1)))
        >>> x.shape, y.shape
        (torch.Size([4, 2000, 2]), torch.Size([4, 2000, 3]))
    """
    weights = advantages(episodes, gamma=gamma, baseline=baseline)
    weights = weights / episodes.alive.mean(dim=(1, 2), keepdim=True)
    y = torch.cat([episodes.actions, weights[..., None]], dim=-1)
    return episodes.states.flatten(1, 2), y.flatten(1, 2)


def acting(policy: GaussianPolicy, params: Params) -> Act:
    """Return what `Navigation.play` asks for: a policy of its own for each task.

    Args:
        policy: gives the shape of the network.
        params: its parameters, stacked over tasks; nothing is differentiated through them.

    Returns:
        States `(n_tasks, n_episodes, n_in)` → mean and log standard deviation of the actions,
        each `(n_tasks, n_episodes, n_out)`.

    Raises:
        ValueError: if `params` are not stacked over tasks; later, if the states are of another
            dtype.

    Example:
        >>> from maml_tutorial import GaussianPolicy, init_params
        >>> from maml_tutorial.params import stacked
        >>> policy = GaussianPolicy((8,))
        >>> act = acting(policy, stacked(init_params(policy, seed=0), 4))
        >>> act(torch.zeros(4, 20, 2))[0].shape
        torch.Size([4, 20, 2])
    """
    if params["log_std"].ndim != 2:
        raise ValueError(
            "log_std must have the shape (n_tasks, n_actions), got "
            f"{tuple(params['log_std'].shape)}: the same policy for all tasks is "
            "maml_tutorial.params.stacked(params, n_tasks)"
        )
    # `vmap` of the network gives the same; a walk has many small steps, and this is quicker.
    names = [f"mean.{i}" for i, layer in enumerate(policy.mean) if isinstance(layer, nn.Linear)]
    weights = [params[f"{name}.weight"].detach().mT for name in names]
    biases = [params[f"{name}.bias"].detach()[:, None] for name in names]
    log_std = params["log_std"].detach()[:, None]

    def act(states: Tensor) -> tuple[Tensor, Tensor]:
        if states.dtype != log_std.dtype:
            raise ValueError(
                f"the states are {states.dtype}, the parameters {log_std.dtype}: walks are of the "
                f"dtype of their goals, so give goals.to({log_std.dtype})"
            )
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            states = torch.baddbmm(bias, states, weight).relu()
        mean = torch.baddbmm(biases[-1], states, weights[-1])
        return mean, log_std.expand_as(mean)

    return act


def play_tasks(
    world: Navigation,
    policy: GaussianPolicy,
    params: Params,
    goals: Tensor,
    *,
    inner_lr: Rates,
    n_episodes: int = 20,
    generator: torch.Generator,
    data: Callable[[Episodes], tuple[Tensor, Tensor]] = as_data,
) -> Task:
    r"""Play, adapt, play again: a meta-batch whose data depend on the parameters.

    The support set of a task are walks of the policy θ, its query set walks of the policy φ that
    one step on the support set leads to. `maml_loss` of the result, with the same θ and α, has the
    meta-gradient as its gradient.

    Args:
        world: where the walks are.
        policy: gives the shape of the network.
        params: θ.
        goals: one a task, `(n_tasks, 2)`.
        inner_lr: α; see `adapt`.
        n_episodes: walks before, and as many after.
        generator: draws the actions.
        data: turns walks into inputs and targets.

    Returns:
        A `Task`, stacked over tasks; good for one outer step, at this θ.

    Example:
        >>> from maml_tutorial import GaussianPolicy, Navigation, init_params
        >>> world, policy = Navigation(), GaussianPolicy((8,))
        >>> generator = torch.Generator().manual_seed(0)
        >>> tasks = play_tasks(world, policy, init_params(policy, seed=0),
        ...                    world.goals(3, generator), inner_lr=0.1, generator=generator)
        >>> tasks.x_support.shape, tasks.y_query.shape
        (torch.Size([3, 2000, 2]), torch.Size([3, 2000, 3]))

    Reference:
        Finn, Abbeel & Levine 2017, algorithm 3.
    """
    theta = stacked(params, len(goals))
    support = data(world.play(acting(policy, theta), goals, n_episodes, generator))
    losses = over_tasks(make_loss(policy, reinforce))
    phi = adapt(losses, theta, *support, inner_lr=inner_lr, first_order=True)
    query = data(world.play(acting(policy, phi), goals, n_episodes, generator))
    return Task(*support, *query)


def play_and_adapt(
    world: Navigation,
    policy: GaussianPolicy,
    params: Params,
    goals: Tensor,
    *,
    inner_lr: Sequence[float],
    n_episodes: int = 40,
    generator: torch.Generator,
    batch_size: int = 40,
    data: Callable[[Episodes], tuple[Tensor, Tensor]] = as_data,
) -> list[Episodes]:
    """Play in each task, before and after each of some updates: every one on fresh walks.

    Args:
        world: where the walks are.
        policy: gives the shape of the network.
        params: θ, from which every task starts.
        goals: one a task, `(n_tasks, 2)`.
        inner_lr: α of each update, in their order.
        n_episodes: walks before each update, and after the last.
        generator: draws the actions.
        batch_size: tasks at once.
        data: turns walks into inputs and targets.

    Returns:
        Walks after 0, 1, … updates: one more entry than `inner_lr` has. The mean return in each
        task, for `score`, is `episodes.returns().mean(dim=1)`.

    Raises:
        ValueError: if a rate is not positive and finite, or as `Navigation.play` does.

    Example:
        >>> from maml_tutorial import GaussianPolicy, Navigation, init_params
        >>> world, policy = Navigation(), GaussianPolicy((8,))
        >>> generator = torch.Generator().manual_seed(0)
        >>> walks = play_and_adapt(world, policy, init_params(policy, seed=0),
        ...                        world.goals(3, generator), inner_lr=(0.1, 0.05),
        ...                        n_episodes=5, generator=generator)
        >>> len(walks), walks[2].returns().shape
        (3, torch.Size([3, 5]))

    Reference:
        Finn, Abbeel & Levine 2017, section 5.3: 40 walks an update; α = 0.1, then half.
    """
    require_at_least(1, batch_size=batch_size)
    losses = over_tasks(make_loss(policy, reinforce))
    parts = []
    for some in goals.split(batch_size):
        phi = copied(stacked(params, len(some)))
        walks = [world.play(acting(policy, phi), some, n_episodes, generator)]
        for rate in inner_lr:
            moved = adapt(losses, phi, *data(walks[-1]), inner_lr=rate, first_order=True)
            phi = copied(moved)
            walks.append(world.play(acting(policy, phi), some, n_episodes, generator))
        parts.append(walks)
    return [Episodes(*map(torch.cat, zip(*part, strict=True))) for part in zip(*parts, strict=True)]
