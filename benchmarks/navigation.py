"""Navigation with a hidden goal: MAML beside a pre-trained policy, three seeds. Written as JSON.

    python -m benchmarks.navigation maml_tutorial/data/benchmarks/navigation.json

Policies of 32-32 units are trained with Adam, 150 outer steps of 20 goals and 20 walks each, α 0.1.
Every one is then tried with five α on goals that nobody trained on, and judged with the best of
them on 400 others and on the paper's 40: returns before and after each of three updates, the second
and third at half the α, with 40 walks an update. Each starts once as the paper's code does, and
once, `PyTorch's start`, as PyTorch does. What the file holds already is not made again.

`as in the paper` is one seed of its network of 100-100 units, with its baseline, trained with its
outer step (see `benchmarks.trust_region`). Of its policies after every tenth step that one is
judged which is best on the goals for validation, with α as in training.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks.trust_region import trust_region_step
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
from maml_tutorial.navigation import Act, Episodes
from maml_tutorial.params import copied, stacked
from maml_tutorial.policy_gradient import linear_to_go, mean_to_go
from maml_tutorial.records import describe_device, describe_versions

Data = Callable[[Episodes], tuple[Tensor, Tensor]]
UNITS = (32, 32)
WORLD, POLICY = Navigation(), GaussianPolicy(UNITS)
LOSS = make_loss(POLICY, reinforce)
INNER_LR, META_LR, META_STEPS, GOALS, WALKS, SEEDS = 0.1, 1e-2, 150, 20, 20, (0, 1, 2)
RATES = (0.05, 0.1, 0.2, 0.5, 1.0)
PLAIN = ", PyTorch's start"
WAYS = ("exact", "pre-trained", "first order", "random")
METHODS = (*WAYS, *(way + PLAIN for way in WAYS))
PAPER, PAPER_UNITS, PAPER_STEPS, PAPER_SEED, EVERY = "as in the paper", (100, 100), 80, 0, 10


class PlainPolicy(GaussianPolicy):
    """The same network, with the weights that PyTorch draws."""

    def reset_parameters(self) -> None:
        """Leave the layers as they are."""
        torch.nn.init.zeros_(self.log_std)


def start_of(method: str, seed: int) -> Params:
    """Draw a start: as the official code does, or as PyTorch does."""
    policy = PlainPolicy(UNITS) if method.endswith(PLAIN) else GaussianPolicy(UNITS)
    return init_params(policy, seed=seed)


def data_of(method: str) -> Data:
    """How walks become data: with the paper's baseline, or with the mean over walks."""
    return partial(as_data, baseline=linear_to_go if method == PAPER else mean_to_go)


def loss_of(method: str, theta: Params, generator: torch.Generator) -> Tensor:
    """Play on fresh goals, and return what is to be differentiated."""
    goals, data = WORLD.goals(GOALS, generator), data_of(method)
    way = method.removesuffix(PLAIN)
    if way == "pre-trained":  # the policy gradient of all tasks together, nothing adapted
        start = stacked(theta, GOALS)
        x, y = data(WORLD.play(acting(POLICY, start), goals, WALKS, generator))
        return over_tasks(LOSS)(start, x, y).mean()
    options = {"inner_lr": INNER_LR, "n_episodes": WALKS, "generator": generator, "data": data}
    tasks = play_tasks(WORLD, POLICY, theta, goals, **options)
    first_order = way == "first order"
    return maml_loss(LOSS, theta, tasks, inner_lr=INNER_LR, first_order=first_order)


def trained(method: str, seed: int, meta_steps: int = META_STEPS) -> Params:
    """Train a policy in one of the ways; `random` is left as it was drawn."""
    theta = start_of(method, seed)
    if method.startswith("random"):
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


def trained_as_in_the_paper(meta_steps: int = PAPER_STEPS) -> dict[int, Params]:
    """Return the policies after every tenth step."""
    policy, kept = GaussianPolicy(PAPER_UNITS), {}
    theta = init_params(policy, seed=PAPER_SEED)
    generator = torch.Generator().manual_seed(PAPER_SEED)
    for step in range(1, meta_steps + 1):
        tasks = play_tasks(
            WORLD, policy, theta, WORLD.goals(GOALS, generator),
            inner_lr=INNER_LR, n_episodes=WALKS, generator=generator, data=data_of(PAPER),
        )  # fmt: skip
        theta, _ = trust_region_step(policy, theta, tasks, INNER_LR)
        if step % EVERY == 0 or step == meta_steps:
            kept[step] = copied(theta)
    return kept


def judged(theta: Params, goals: Tensor, rate: float, seed: int, data: Data) -> list[Tensor]:
    """Return the mean return for each goal after 0, 1, 2 and 3 updates."""
    policy = GaussianPolicy([len(theta[f"mean.{layer}.bias"]) for layer in (0, 2)])
    played = play_and_adapt(
        WORLD, policy, theta, goals, inner_lr=(rate, rate / 2, rate / 2),
        generator=torch.Generator().manual_seed(seed), data=data,
    )  # fmt: skip
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


def validated(theta: Params, rate: float, data: Data, share: int) -> float:
    """Mean return after 1 to 3 updates, on goals and walks that no score is taken on."""
    after = judged(theta, unseen(40 // share, 1000), rate, 1001, data)[1:]
    return round(sum(values.mean().item() for values in after) / 3, 3)


def tested(theta: Params, rate: float, data: Data, share: int) -> dict[str, list[dict[str, float]]]:
    """Return the scores on the goals of the tests."""
    return {
        name: rows(judged(theta, goals[: len(goals) // share], rate, 2001, data))
        for name, goals in TESTS.items()
    }


def job(method: str, seed: int, meta_steps: int = META_STEPS, share: int = 1) -> dict[str, Any]:
    """Train, choose α on validation goals, judge; `share` divides the numbers of goals."""
    torch.set_num_threads(1)
    began = time.process_time()
    theta, data = trained(method, seed, meta_steps), data_of(method)
    seconds = time.process_time() - began
    tried = {rate: validated(theta, rate, data, share) for rate in RATES}
    best = max(RATES, key=lambda rate: tried[rate])
    rates = sorted({best, INNER_LR} if method.startswith("pre-trained") else {best})
    return {
        "method": method, "seed": seed, "train seconds": round(seconds, 1),
        "std": [round(s, 3) for s in theta["log_std"].exp().tolist()],
        "mean return after 1 to 3 updates on validation goals": tried,
        "inner_lr": best,
        "scores": {f"α {rate}": tested(theta, rate, data, share) for rate in rates},
    }  # fmt: skip


def job_as_in_the_paper(meta_steps: int = PAPER_STEPS, share: int = 1) -> dict[str, Any]:
    """Train, choose the step to stop at on validation goals, judge."""
    torch.set_num_threads(1)
    began = time.process_time()
    kept, data = trained_as_in_the_paper(meta_steps), data_of(PAPER)
    seconds = time.process_time() - began
    tried = {step: validated(theta, INNER_LR, data, share) for step, theta in kept.items()}
    best = max(kept, key=lambda step: tried[step])
    return {
        "method": PAPER, "seed": PAPER_SEED, "train seconds": round(seconds, 1),
        "std after each step": {
            step: [round(s, 3) for s in theta["log_std"].exp().tolist()]
            for step, theta in kept.items()
        },
        "mean return after 1 to 3 updates on validation goals": tried,
        "step": best, "inner_lr": INNER_LR,
        "scores": {f"α {INNER_LR}": tested(kept[best], INNER_LR, data, share)},
    }  # fmt: skip


def oracle(goals: Tensor) -> dict[str, float]:
    """Return the score of who sees the goal."""
    walks = WORLD.play(straight_to(goals), goals, 1, torch.Generator())
    return rows([walks.returns().mean(dim=1)])[0]


def main(path: Path) -> None:
    """Train and judge every method with every seed, and write after each."""
    torch.set_num_threads(1)
    runs = json.loads(path.read_text("utf-8"))["runs"] if path.exists() else []
    made = {(run["method"], run["seed"]) for run in runs}
    jobs: dict[tuple[str, int], Callable[[], dict[str, Any]]]
    jobs = {(PAPER, PAPER_SEED): job_as_in_the_paper}
    jobs |= {(m, seed): partial(job, m, seed) for m in METHODS for seed in SEEDS}
    record = {
        "device": describe_device(),
        "versions": describe_versions(),
        "distance": {name: rows([-g.norm(dim=1)])[0] for name, g in TESTS.items()},
        "oracle": {name: oracle(goals) for name, goals in TESTS.items()},
        "runs": runs,
    }
    for which, train_and_judge in jobs.items():
        if which not in made:
            runs.append(train_and_judge())
            path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
