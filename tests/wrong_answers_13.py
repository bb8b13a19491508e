"""Typical wrong answers to the exercises of chapter 13: (exercise, answer, a word of its hint)."""

from collections.abc import Callable

import torch


def walk(pay: Callable[[float, int], float], first: int = 1, sign: int = -1) -> Callable:
    """A sum over the steps from `first` on of what is paid at a distance, at a time."""
    return lambda distance, horizon: sign * sum(pay(distance, t) for t in range(first, horizon + 1))


def gap(distance: float, t: int) -> float:
    return max(0.0, distance - 0.1 * t)


def to_go(term: Callable[[int, int, float], float]) -> Callable:
    """Sums over all steps k of what each counts at time t."""
    return lambda rewards, gamma: [
        sum(term(t, k, gamma) * r for k, r in enumerate(rewards)) for t in range(len(rewards))
    ]


def gradient(scale: float = 1.0, power: int = 2, baseline: bool = True) -> Callable:
    def policy_gradient(mean, std, actions, rewards):
        better = rewards - baseline * rewards.mean()
        return scale * ((actions - mean) / std**power * better).mean()

    return policy_gradient


WRONG_13: list[tuple[str, object, str]] = [
    ("13.1", walk(gap, sign=1), "the sign is not"),
    ("13.1", walk(gap, first=0), "the origin as well"),
    ("13.1", lambda distance, horizon: -distance * horizon, "stands still"),
    ("13.1", walk(lambda d, t: abs(d - 0.1 * t)), "runs on through"),
    ("13.1", walk(lambda d, t: gap(d, t) ** 2), "squared distances"),
    ("13.1", lambda distance, horizon: 0.0, "never beyond"),
    ("13.2", lambda rewards, gamma: sum(rewards), "one number for each step"),
    ("13.2", to_go(lambda t, k, g: (k <= t) * g ** (t - k)), "paid so far"),
    ("13.2", to_go(lambda t, k, g: float(k >= t)), "where is gamma"),
    ("13.2", to_go(lambda t, k, g: (k > t) * g ** (k - t)), "step itself is missing"),
    ("13.2", to_go(lambda t, k, g: (k >= t) * g**k), "starts anew"),
    ("13.2", to_go(lambda t, k, g: g**k), "Leave out what is past"),
    ("13.2", to_go(lambda t, k, g: 0.0), "from the end to the start"),
    ("13.3", lambda mean, std, actions, rewards: actions - mean, "the mean over the actions"),
    ("13.3", gradient(-1.0), "gradient of the loss"),
    ("13.3", gradient(baseline=False), "baseline is missing"),
    ("13.3", gradient(20.0), "A sum, where"),
    ("13.3", gradient(power=1), "not σ, below"),
    ("13.3", gradient(2.0), "brings a 2"),
    ("13.3", gradient(0.0), "d log π"),
    ("13.4", lambda distances: distances.mean(), "best for squared"),
    ("13.4", lambda distances: distances.max(), "all goals but one"),
    ("13.4", lambda distances: (distances.min() + distances.max()) / 2, "where are the others"),
    ("13.4", lambda distances: 0.0, "stop falling"),
    ("13.4", lambda distances: distances[len(distances) // 2], "not sorted"),
    ("13.5", lambda values, alive: values * alive, "all walks together"),
    ("13.5", lambda values, alive: values.mean(), "where is `alive`"),
    ("13.5", lambda values, alive: (values * alive).mean(), "adds nothing"),
    (
        "13.5",
        lambda values, alive: ((values * alive).sum(dim=1) / alive.sum(dim=1)).mean(),
        "mean of means",
    ),
    ("13.5", lambda values, alive: (values * alive).sum() / len(values), "number of walks"),
    ("13.5", lambda values, alive: (values * alive).sum(), "their sum"),
    ("13.5", lambda values, alive: torch.tensor(0.0), "divide by how many"),
]
