"""Which network and meta-batch learn letters fastest per second? Written as JSON.

    python -m benchmarks.letters_search benchmarks/letters_search.json

One training of 40 seconds for each setting, seed 0, judged on the validation scripts: chapter 8
shows the table. Seconds depend on the machine, and so do the accuracies after them.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from maml_tutorial import (
    ConvNet,
    EpisodeSampler,
    correct,
    evaluate,
    init_params,
    load_glyphs,
    make_loss,
    make_predict,
    maml,
    maml_loss,
)
from maml_tutorial.records import describe_device, describe_versions

INNER_LR, MARKS = 0.4, (10, 20, 30, 40)  # α; seconds of training after which accuracy is taken
SETTINGS = [
    {"net": "mean", "meta_batch_size": 16, "meta_lr": 0.001},
    {"net": "mean", "meta_batch_size": 8, "meta_lr": 0.001},
    {"net": "mean", "meta_batch_size": 4, "meta_lr": 0.001},
    {"net": "mean", "meta_batch_size": 8, "meta_lr": 0.003},
    {"net": "mean", "meta_batch_size": 4, "meta_lr": 0.003},
    {"net": "flat", "meta_batch_size": 8, "meta_lr": 0.001},
    {"net": "flat", "meta_batch_size": 8, "meta_lr": 0.003},
]


def network(kind: str, hidden: int = 32) -> nn.Module:
    """The package's network, or with the last map's four places kept instead of their mean."""
    net = ConvNet(5, hidden=hidden)
    if kind == "mean":
        return net
    return nn.Sequential(*list(net)[:-3], nn.Flatten(), nn.Linear(4 * hidden, 5))


def search(setting: dict, marks: tuple[int, ...] = MARKS, n_tasks: int = 400) -> dict:
    """Train until the last mark; return the steps and the accuracies after 1 and 3 inner steps."""
    train, validation = (
        EpisodeSampler(load_glyphs(split).images, n_way=5, k_shot=1, k_query=5)
        for split in ("train", "validation")
    )
    model = network(setting["net"])
    loss_fn, predict = make_loss(model, cross_entropy), make_predict(model)
    theta = init_params(model, seed=0)
    optimizer = torch.optim.Adam(theta.values(), lr=setting["meta_lr"])
    generator = torch.Generator().manual_seed(1)
    seconds, steps, accuracy = 0.0, 0, {}
    for mark in marks:
        while seconds < mark:
            began = time.perf_counter()
            tasks = train(setting["meta_batch_size"], generator)
            loss = maml_loss(loss_fn, theta, tasks, inner_lr=INNER_LR)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds, steps = seconds + time.perf_counter() - began, steps + 1
        scores = evaluate(
            maml(loss_fn, inner_lr=INNER_LR), predict, correct, theta, validation,
            inner_steps=(1, 3), n_tasks=n_tasks, generator=torch.Generator().manual_seed(5),
            batch_size=20,
        ).query  # fmt: skip
        accuracy[mark] = {k: round(s.mean, 3) for k, s in scores.items()}
    ms = round(1000 * seconds / steps)
    return setting | {"steps": steps, "ms_per_step": ms, "accuracy": accuracy}


def main(path: Path) -> None:
    """Run every setting, one after the other."""
    runs = [search(setting) for setting in SETTINGS]
    record = {"device": describe_device(), "versions": describe_versions(), "runs": runs}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
