"""Typical wrong answers to the exercises of chapter 12: (exercise, answer, a word of its hint)."""

import torch

from maml_tutorial.exercises.chapter_12 import LEAKS


def chosen(names, share, generator):
    groups = sorted(set(names))
    order = torch.randperm(len(groups), generator=generator).tolist()
    return {groups[i] for i in order[: round(share * len(groups))]}


def by_rows(names, share, generator):
    order = torch.randperm(len(names), generator=generator).tolist()
    n = round(share * len(names))
    return order[n:], order[:n]


def by_group(names, of_test):
    rows = range(len(names))
    return [i for i in rows if names[i] not in of_test], [i for i in rows if names[i] in of_test]


def filled(sequences, length=max):
    x = torch.zeros(len(sequences), length(len(s) for s in sequences))
    for row, s in zip(x, sequences, strict=True):
        row[: len(s)] = torch.tensor(s)[: len(row)]
    return x


def masked(sequences):
    lengths = torch.tensor([len(s) for s in sequences])
    return torch.arange(max(lengths)) < lengths[:, None]


def at_the_end(sequences):
    return filled([s[::-1] for s in sequences]).flip(1), masked(sequences)


def scaled(x, by, **axis):
    return (x - by.mean(**axis)) / by.std(**axis)


def together(train, test):
    rows = torch.cat([train, test])
    return scaled(train, rows, dim=0), scaled(test, rows, dim=0)


def case(**wrong):
    return LEAKS | wrong


WRONG_12: list[tuple[str, object, str]] = [
    ("12.1", lambda names, share, generator: chosen(names, share, generator), "two lists"),
    ("12.1", lambda names, share, generator: ([0, 1], [1, 2]), "one only"),
    ("12.1", by_rows, "rows in both"),
    (
        "12.1",
        lambda names, share, generator: by_group(names, chosen(names, share, generator))[::-1],
        "round: training first",
    ),
    (
        "12.1",
        lambda names, share, generator: by_group(names, chosen(names, 0.5, generator)),
        "should be 3 groups",
    ),
    (
        "12.1",
        lambda names, share, generator: by_group(names, chosen(names, share, torch.Generator())),
        "same groups",
    ),
    (
        "12.1",
        lambda names, share, generator: by_group(names, chosen(names, share, None)),
        "alone decide",
    ),
    ("12.2", filled, "two tensors: the numbers"),
    ("12.2", lambda s: (filled(s, min), masked(s)), "longest*"),
    ("12.2", lambda s: (filled(s).flatten(), masked(s)), "(n, longest)"),
    ("12.2", lambda s: (filled(s), [len(one) for one in s]), "these are lengths"),
    ("12.2", lambda s: (filled(s), masked(s)[:, 1:]), "shape of the numbers"),
    ("12.2", lambda s: (filled(s), masked(s).int()), "torch.bool"),
    ("12.2", lambda s: (filled(s), ~masked(s)), "there *is*"),
    ("12.2", lambda s: (filled(s), filled(s) != 0), "from the lengths"),
    ("12.2", lambda s: (filled(s), torch.ones(3, 4, dtype=torch.bool)), "as many as it has"),
    ("12.2", at_the_end, "begin at the first place"),
    ("12.3", lambda train, test: scaled(train, train, dim=0), "two tensors: the scaled"),
    ("12.3", lambda train, test: (train[:, :2], test), "keep their shape"),
    (
        "12.3",
        lambda train, test: (scaled(train, train, dim=0), scaled(test, test, dim=0)),
        "of their own",
    ),
    ("12.3", together, "training rows alone"),
    ("12.3", lambda train, test: (scaled(train, train), scaled(test, train)), "Each column"),
    ("12.3", lambda train, test: (train - train.mean(0), test - train.mean(0)), "divide by the"),
    (
        "12.3",
        lambda train, test: (scaled(train, train, dim=0), scaled(test, train, dim=0)),
        "spread 0",
    ),
    ("12.4", {"A": True}, "the five cases"),
    ("12.4", case(A="no"), "`True`"),
    ("12.4", case(A=True), "A: what may"),
    ("12.4", case(B=False), "B: what does"),
    ("12.4", case(C=False), "C: where"),
    ("12.4", case(D=False), "D: who"),
    ("12.4", case(E=True), "E: what is new"),
]
