"""How far does ordinary pre-training with a new head get, if it may train longer? Written as JSON.

    python -m benchmarks.pretraining benchmarks/pretraining.json

Chapter 2's third beginner after 5 and 20 rounds over the training letters, seed 0, on 1000
tasks of the test scripts and of Omniglot's evaluation set: chapter 8 sets it beside MAML.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from maml_tutorial import (
    EpisodeSampler,
    load_glyphs,
    load_omniglot,
    new_head,
    outcomes,
    pretrain,
    score,
)
from maml_tutorial.records import describe_device, describe_versions

EPOCHS, SHOTS = (5, 20), (1, 5)


def measure(train: Tensor, tests: Mapping[str, Tensor], epochs: int, n_tasks: int = 1000) -> dict:
    """Pre-train on `train` and judge new heads on 5-way tasks of each set of test images."""
    began, busy = time.perf_counter(), time.process_time()
    features = pretrain(train, epochs=epochs)
    found: dict = {
        "epochs": epochs,
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(time.process_time() - busy, 1),
        "scores": {},
    }
    for source, images in tests.items():
        for k_shot in SHOTS:
            sampler = EpisodeSampler(images, n_way=5, k_shot=k_shot, k_query=5)
            s = score(outcomes(sampler, lambda tasks: new_head(tasks, features), n_tasks))
            found["scores"][f"{source} 5-way {k_shot}-shot"] = [*s]
    return found


def main(path: Path) -> None:
    """Measure each length of training, one after the other."""
    train = load_glyphs("train").images
    tests = {
        "letters": load_glyphs("test").images,
        "Omniglot": load_omniglot("evaluation").images,
    }
    runs = []
    for epochs in EPOCHS:
        runs.append(measure(train, tests, epochs))
        print(runs[-1], flush=True)
    record = {"device": describe_device(), "versions": describe_versions(), "runs": runs}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
