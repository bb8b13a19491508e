"""Typical wrong answers to the exercises of chapter 1: (exercise, answer, a word of its hint)."""

import math

RIGHT = {"n_way": 4, "k_shot": 3, "support": 12, "query": 20, "meta_training_tasks": 600}
KINDS = {"a": "ordinary", "b": "meta-learning", "c": "leak", "d": "leak"}


def in_order(n_classes: int, n_drawings: int, n_way: int) -> int:
    return math.perm(n_classes, n_way) * n_drawings**n_way


def with_replacement(n_classes: int, n_drawings: int, n_way: int) -> int:
    return (n_classes * n_drawings) ** n_way


def letters_only(n_classes: int, n_drawings: int, n_way: int) -> int:
    return math.comb(n_classes, n_way)


def drawings_added(n_classes: int, n_drawings: int, n_way: int) -> int:
    return math.comb(n_classes, n_way) * n_drawings * n_way


def same_drawing(n_classes: int, n_drawings: int, n_way: int) -> int:
    return math.comb(n_classes, n_way) * n_drawings


def any_drawings(n_classes: int, n_drawings: int, n_way: int) -> int:
    return math.comb(n_classes * n_drawings, n_way)


def letters_times_drawings(n_classes: int, n_drawings: int, n_way: int) -> int:
    return n_classes * n_drawings


def as_float(n_classes: int, n_drawings: int, n_way: int) -> float:
    return float(math.comb(n_classes, n_way) * n_drawings**n_way)


def two_way_only(n_classes: int, n_drawings: int, n_way: int) -> int:
    return n_classes * (n_classes - 1) // 2 * n_drawings**n_way


def _exactly(right: int, rounds: int, n_way: int) -> float:
    return math.comb(rounds, right) * (1 / n_way) ** right * (1 - 1 / n_way) ** (rounds - right)


def exactly(right: int, rounds: int, n_way: int) -> float:
    return _exactly(right, rounds, n_way)


def in_this_order(right: int, rounds: int, n_way: int) -> float:
    return _exactly(right, rounds, n_way) / math.comb(rounds, right)


def first_rounds(right: int, rounds: int, n_way: int) -> float:
    return (1 / n_way) ** right


def more_than(right: int, rounds: int, n_way: int) -> float:
    return sum(_exactly(k, rounds, n_way) for k in range(right + 1, rounds + 1))


def fewer_than(right: int, rounds: int, n_way: int) -> float:
    return sum(_exactly(k, rounds, n_way) for k in range(right))


def a_coin(right: int, rounds: int, n_way: int) -> float:
    return sum(_exactly(k, rounds, 2) for k in range(right, rounds + 1))


def expected_share(right: int, rounds: int, n_way: int) -> float:
    return right / rounds / n_way


def never_nothing(right: int, rounds: int, n_way: int) -> float:
    return sum(_exactly(k, rounds, n_way) for k in range(max(right, 1), rounds + 1))


def always_five_cards(right: int, rounds: int, n_way: int) -> float:
    return sum(_exactly(k, rounds, 5) for k in range(right, rounds + 1))


WRONG_01: list[tuple[str, object, str]] = [
    ("1.1", {"n_way": 4}, "each of"),
    ("1.1", RIGHT | {"n_way": 3, "k_shot": 4}, "changed places"),
    ("1.1", RIGHT | {"n_way": 5}, "counts the classes"),
    ("1.1", RIGHT | {"k_shot": 12}, "of one class"),
    ("1.1", RIGHT | {"support": 3}, "all labelled"),
    ("1.1", RIGHT | {"query": 80}, "judged on"),
    ("1.1", RIGHT | {"meta_training_tasks": 2400}, "One outing"),
    ("1.2", in_order, "every order"),
    ("1.2", with_replacement, "one card only"),
    ("1.2", letters_only, "chose the letters"),
    ("1.2", drawings_added, "3 + 3"),
    ("1.2", same_drawing, "its own drawing"),
    ("1.2", any_drawings, "same letter"),
    ("1.2", letters_times_drawings, "on paper"),
    ("1.2", as_float, "whole number"),
    ("1.2", two_way_only, "Right for 2-way"),
    ("1.3", exactly, "exactly four"),
    ("1.3", in_this_order, "more than one way"),
    ("1.3", first_rounds, "which four"),
    ("1.3", more_than, "includes four"),
    ("1.3", fewer_than, "of fewer"),
    ("1.3", a_coin, "coin"),
    ("1.3", expected_share, "under 1 %"),
    ("1.3", never_nothing, "nothing right"),
    ("1.3", always_five_cards, "two cards"),
    ("1.4", KINDS | {"d": "cheating"}, "the words are"),
    ("1.4", {"a": "ordinary"}, "one word for each"),
    ("1.4", KINDS | {"a": "meta-learning"}, "new classes"),
    ("1.4", KINDS | {"a": "leak"}, "claim"),
    ("1.4", KINDS | {"b": "ordinary"}, "One room"),
    ("1.4", KINDS | {"c": "meta-learning"}, "mushrooms"),
    ("1.4", KINDS | {"d": "meta-learning"}, "Follow one"),
]
