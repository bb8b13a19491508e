"""Navigation with a hidden goal: MAML beside a pre-trained policy, three seeds. Written as JSON.

    python -m benchmarks.navigation maml_tutorial/data/benchmarks/navigation.json

Policies of 32-32 units are trained with Adam, 150 outer steps of 20 goals and 20 walks each, α 0.1.
Every one is then tried with five α on goals that nobody trained on, and judged with the best of
them on 400 others and on the paper's 40: returns before and after each of three updates, the second
and third at half the α, with 40 walks an update. Two processes share the trainings; what the file
holds already is not made again.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from maml_tutorial import (
    GaussianPolicy,
    Navigation,
    acting,
    as_data,
    init_params,
    make_loss,
    maml_loss,
    official_goals,
    over_tasks,
    play_and_adapt,
    play_tasks,
    reinforce,
    score,
)
from maml_tutorial.models import Params
from maml_tutorial.navigation import Act
from maml_tutorial.params import stacked
from maml_tutorial.records import describe_device, describe_versions

WORLD, POLICY = Navigation(), GaussianPolicy((32, 32))
LOSS = make_loss(POLICY, reinforce)
INNER_LR, META_LR, META_STEPS, GOALS, WALKS, SEEDS = 0.1, 1e-2, 150, 20, 20, (0, 1, 2)
RATES = (0.05, 0.1, 0.2, 0.5, 1.0)
METHODS = ("exact", "first order", "pre-trained", "random")


def loss_of(method: str, theta: Params, generator: torch.Generator) -> Tensor:
    """Play on fresh goals, and return what is to be differentiated."""
    goals = WORLD.goals(GOALS, generator)
    if method == "pre-trained":  # the policy gradient of all tasks together, nothing adapted
        start = stacked(theta, GOALS)
        x, y = as_data(WORLD.play(acting(POLICY, start), goals, WALKS, generator))
        return over_tasks(LOSS)(start, x, y).mean()
    tasks = play_tasks(
        WORLD, POLICY, theta, goals, inner_lr=INNER_LR, n_episodes=WALKS, generator=generator
    )
    first_order = method == "first order"
    return maml_loss(LOSS, theta, tasks, inner_lr=INNER_LR, first_order=first_order)


def trained(method: str, seed: int, meta_steps: int = META_STEPS) -> Params:
    """Train a policy in one of the ways; `random` is left as it was drawn."""
    theta = init_params(POLICY, seed=seed)
    if method == "random":
        return theta
    optimizer = torch.optim.Adam(theta.values(), lr=META_LR)
    schedule = CosineAnnealingLR(optimizer, meta_steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(meta_steps):
        loss = loss_of(method, theta, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return theta


def judged(theta: Params, goals: Tensor, rate: float, seed: int) -> list[Tensor]:
    """Return the mean return for each goal after 0, 1, 2 and 3 updates."""
    generator = torch.Generator().manual_seed(seed)
    rates = (rate, rate / 2, rate / 2)
    played = play_and_adapt(WORLD, POLICY, theta, goals, inner_lr=rates, generator=generator)
    return [episodes.returns().mean(dim=1) for episodes in played]


def straight_to(goals: Tensor) -> Act:
    """Who sees the goal: straight to it, along each axis as fast as it goes, without noise."""

    def act(states: Tensor) -> tuple[Tensor, Tensor]:
        mean = ((goals[:, None] - states) / WORLD.longest_move).clamp(-1, 1)
        return mean, torch.full_like(mean, -20.0)

    return act


def rows(returns: Sequence[Tensor]) -> list[dict[str, float]]:
    """Mean and 95 % interval over goals after each number of updates."""
    scores = [score(values) for values in returns]
    return [{"mean": round(s.mean, 3), "interval": round(s.interval, 3)} for s in scores]


def unseen(n_goals: int, seed: int) -> Tensor:
    """Goals for validation or test: the same for every method and seed."""
    return WORLD.goals(n_goals, torch.Generator().manual_seed(seed))


TESTS = {"400 goals": unseen(400, 2000), "official goals": official_goals()}


def job(method: str, seed: int, meta_steps: int = META_STEPS, share: int = 1) -> dict[str, Any]:
    """Train, choose α on validation goals, judge; `share` divides the numbers of goals."""
    torch.set_num_threads(1)
    began = time.process_time()
    theta = trained(method, seed, meta_steps)
    seconds = time.process_time() - began
    validation = unseen(40 // share, 1000)
    tried = {}
    for rate in RATES:
        after = judged(theta, validation, rate, 1001)[1:]
        tried[rate] = round(sum(values.mean().item() for values in after) / 3, 3)
    best = max(RATES, key=lambda rate: tried[rate])
    tests = {
        f"α {rate}": {
            name: rows(judged(theta, goals[: len(goals) // share], rate, 2001))
            for name, goals in TESTS.items()
        }
        for rate in sorted({best, INNER_LR} if method == "pre-trained" else {best})
    }
    return {
        "method": method, "seed": seed, "train seconds": round(seconds, 1),
        "std": [round(s, 3) for s in theta["log_std"].exp().tolist()],
        "mean return after 1 to 3 updates on validation goals": tried,
        "inner_lr": best, "scores": tests,
    }  # fmt: skip


def oracle(goals: Tensor) -> dict[str, float]:
    """Return the score of who sees the goal."""
    walks = WORLD.play(straight_to(goals), goals, 1, torch.Generator())
    return rows([walks.returns().mean(dim=1)])[0]


def main(path: Path) -> None:
    """Train and judge every method with every seed, and write after each."""
    runs = json.loads(path.read_text("utf-8"))["runs"] if path.exists() else []
    made = [(run["method"], run["seed"]) for run in runs]
    jobs = [(m, seed) for seed in SEEDS for m in METHODS if (m, seed) not in made]
    record = {
        "device": f"2 processes, each on {describe_device()}",
        "versions": describe_versions(),
        "distance": {name: rows([-g.norm(dim=1)])[0] for name, g in TESTS.items()},
        "oracle": {name: oracle(goals) for name, goals in TESTS.items()},
        "runs": runs,
    }
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for run in pool.map(job, [m for m, _ in jobs], [seed for _, seed in jobs]):
            runs.append(run)
            path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
