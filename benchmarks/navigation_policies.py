"""Train two policies of the navigation record again, and keep their weights for the page.

    python -m benchmarks.navigation_policies

The moving figure of chapter 13 carries them: exact MAML's and the pre-trained one, of the record's
first seed. They take the place of `navigation-exact.safetensors` and
`navigation-pre-trained.safetensors` in `maml_tutorial/data`. Run it whenever the record is made
anew; α is in the record.
"""

import torch

from benchmarks.navigation import SEEDS, trained
from maml_tutorial.records import RECORDS
from maml_tutorial.weights import save_weights

METHODS = ("exact", "pre-trained")


def main() -> None:
    """Train and write both; the deviations printed are those that the record has."""
    torch.set_num_threads(1)
    for method in METHODS:
        theta = trained(method, SEEDS[0])
        save_weights(theta, RECORDS / f"navigation-{method}.safetensors")
        print(f"{method:12} std {theta['log_std'].exp().tolist()}")


if __name__ == "__main__":
    main()
