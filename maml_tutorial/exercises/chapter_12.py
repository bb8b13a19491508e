"""Exercises of chapter 12, your own data, your own network."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maml_tutorial.exercises.registry import exercise

Split = Callable[[Sequence[str], float, torch.Generator], tuple[Sequence[int], Sequence[int]]]


@exercise("12.1", "A split by group")
def _(split_groups: Split) -> str | None:
    """Rows of training and of test, so that no group is in both."""
    names = [f"P{7 * i * i % 10}" for i in range(20)] + [f"P{i % 10}" for i in range(37)]
    answer = split_groups(names, 0.3, torch.Generator().manual_seed(0))
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "Return two lists of row numbers: those of training, then those of the test."
    train, test = ([int(i) for i in rows] for rows in answer)
    if sorted(train + test) != list(range(len(names))):
        return "Each row belongs into one of the two lists, and into one only."
    of_test = {names[i] for i in test}
    if of_test & {names[i] for i in train}:
        return "A group has rows in both: draw the *groups* of the test, and let rows follow them."
    if len(of_test) == 7:
        return "Yours are the other way round: training first, then the test."
    if len(of_test) != 3:
        return f"0.3 of ten groups should be 3 groups for the test; yours has {len(of_test)}."

    def groups(seed: int) -> set[str]:
        _, rows = split_groups(names, 0.3, torch.Generator().manual_seed(seed))
        return {names[int(i)] for i in rows}

    if any(groups(seed) != groups(seed) for seed in range(3)):
        return "The same generator, the same split: let `generator` alone decide."
    if len({tuple(sorted(groups(seed))) for seed in range(8)}) == 1:
        return "Every generator gives the same groups: draw them at random."
    return None


@exercise("12.2", "Fill up and mask")
def _(fill_up: Callable[[list[list[float]]], tuple[Tensor, Tensor]]) -> str | None:
    """Sequences of unequal length as a tensor and a mask."""
    sequences = [[3.0, 0.0, 1.0], [5.0], [0.0, 2.0, 4.0, 6.0]]
    answer = fill_up(sequences)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "Return two tensors: the numbers, then the mask."
    x, mask = (torch.as_tensor(part) for part in answer)
    if x.shape == (3, 1):
        return "Nothing should be cut off: as long as the *longest*."
    if x.shape != (3, 4):
        return f"The numbers should have the shape (n, longest), so (3, 4); got {tuple(x.shape)}."
    lengths = torch.tensor([len(s) for s in sequences])
    right = torch.arange(4) < lengths[:, None]
    if mask.shape == lengths.shape:
        return "A mask says of *each place* whether it counts; these are lengths."
    if mask.shape != right.shape:
        return f"The mask should have the shape of the numbers, got {tuple(mask.shape)}."
    if mask.dtype != torch.bool:
        return f"A mask is of yes and no, `torch.bool`; yours is {mask.dtype}."
    if torch.equal(mask, ~right):
        return "True where there *is* a number; yours is the other way round."
    if torch.equal(mask, x != 0):
        return "A zero can be a number that was measured: make the mask from the lengths."
    if not torch.equal(mask, right):
        return "The mask should be True at the first places of each row, as many as it has numbers."
    if any(x[i, : len(s)].tolist() != s for i, s in enumerate(sequences)):
        return "The numbers should begin at the first place of each row, in their order."
    return None


@exercise("12.3", "One scale for both")
def _(scale: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> str | None:
    """Columns of training and test, scaled by what training alone knows."""
    generator = torch.Generator().manual_seed(0)
    train = torch.randn(30, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.1]) + 2
    test = torch.randn(8, 3, generator=generator) + torch.tensor([4.0, 0.0, 1.0])
    answer = scale(train.clone(), test.clone())
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "Return two tensors: the scaled training rows, then the scaled test rows."
    got = [torch.as_tensor(part) for part in answer]
    if [part.shape for part in got] != [train.shape, test.shape]:
        return "Both should keep their shape."

    def by(rows: Tensor, x: Tensor, dim: int | None = None) -> list[Tensor]:
        """The two usual ways to take a spread."""
        return [(x - rows.mean(dim)) / rows.std(dim, correction=c) for c in (0, 1)]

    def near(x: Tensor, several: list[Tensor]) -> bool:
        return any(torch.allclose(x, one, atol=1e-3) for one in several)

    if near(got[1], by(test, test, dim=0)):
        return "The test rows have a scale of their own: a shift between the two would vanish."
    if near(got[1], by(torch.cat([train, test]), test, dim=0)):
        return "That scale knows the test rows: take mean and spread from the training rows alone."
    if near(got[0], by(train, train)):
        return "Each column has a mean and a spread of its own."
    if not (near(got[0], by(train, train, dim=0)) and near(got[1], by(train, test, dim=0))):
        return "From each column, take away the training mean, and divide by the training spread."
    train[:, 1] = 7.0
    if not all(torch.as_tensor(part).isfinite().all() for part in scale(train, test)):
        return "A column that never changes in training has spread 0: do not divide by that."
    return None


LEAKS = {"A": False, "B": True, "C": True, "D": True, "E": False}
LOOK_AT = {
    "A": "A: what may be known of a new machine? That is what a support set is.",
    "B": "B: what does the query picture show that the support picture does not?",
    "C": "C: where does the mean come from?",
    "D": "D: who picked the winner, and who hands out the prize?",
    "E": "E: what is new where it will be used: the hospital, or the patient?",
}


@exercise("12.4", "Leak or no leak?")
def _(leaks: dict[str, bool]) -> str | None:
    """Five ways of dealing tasks."""
    if not isinstance(leaks, dict) or set(leaks) != set(LEAKS):
        return "Give a dictionary with the five cases, A to E."
    if not all(isinstance(value, bool) for value in leaks.values()):
        return "For each case `True`, it leaks, or `False`, it does not."
    for case, leak in LEAKS.items():
        if leaks[case] != leak:
            return LOOK_AT[case]
    return None
