"""Exercises of chapter 1: the parts of a task, how many there are, luck, and honest set-ups."""

import math
from collections.abc import Callable

from maml_tutorial.exercises.registry import exercise

PARTS = {"n_way": 4, "k_shot": 3, "support": 12, "query": 20, "meta_training_tasks": 600}
KINDS = ("ordinary", "meta-learning", "leak")


@exercise("1.1", "Name the parts")
def _(answer: dict[str, int]) -> str | None:
    """The numbers of a few-shot task told as a story."""
    if not isinstance(answer, dict) or set(answer) != set(PARTS):
        return f"Give a number for each of {', '.join(f'`{name}`' for name in PARTS)}."
    if answer["n_way"] == PARTS["k_shot"] and answer["k_shot"] == PARTS["n_way"]:
        return "N and K have changed places: one counts classes, the other examples of a class."
    hints = {
        "n_way": "`n_way` counts the classes of one task. What is a class here?",
        "k_shot": "`k_shot` counts the labelled examples of one class.",
        "support": "`support` counts all labelled recordings of the task, not those of one class.",
        "query": "`query` counts what the app is judged on, in one task.",
        "meta_training_tasks": "One outing, with other birds, is one task.",
    }
    for name, hint in hints.items():
        if answer[name] != PARTS[name]:
            return hint
    return None


@exercise("1.2", "How many support sets?")
def _(answer: Callable[[int, int, int], object]) -> str | None:
    """The number of one-shot support sets, their order not counted."""
    found = answer(4, 3, 2)  # 6 pairs of letters, 9 pairs of drawings for each
    hints = {
        108: "Each set is counted in every order; the same cards in another order are one set.",
        144: "A letter can stand on one card only. And does the order count?",
        6: "You chose the letters. Each of them can be shown by any of its drawings.",
        36: "For two letters with 3 drawings each there are more than 3 + 3 pairs of drawings.",
        18: "Each letter chooses its own drawing; yours choose the same.",
        66: "You chose among all drawings, so two of them may show the same letter.",
    }
    if found in hints:
        return hints[found]
    if found != 54:
        return f"With 4 letters, 3 drawings each, 2-way, you say {found}. List them on paper."
    found = answer(185, 20, 5)
    if not isinstance(found, int):
        return "Right in small; but a count is a whole number (an `int`): a float loses digits."
    if found != math.comb(185, 5) * 20**5:
        return f"Right for 2-way; for 185 letters, 20 drawings, 5-way you say {found}."
    return None


@exercise("1.3", "Could it be luck?")
def _(answer: Callable[[int, int, int], float]) -> str | None:
    """The probability that a guesser reaches a score."""
    found = answer(4, 5, 5)
    four, five = 5 * 0.2**4 * 0.8, 0.2**5  # exactly four right, and all five
    hints = {
        four / 5: "In which of the five rounds is the guesser wrong? There is more than one way.",
        0.2**4: "So four rounds can be right; but which four, and what of the fifth?",
        four: "This is exactly four. Somebody with five has at least four, too.",
        five: "This is more than four. At least four includes four.",
        1 - four - five: "This is the probability of fewer: who guesses seldom has four.",
        6 / 32: "This is for a coin: a guess is right once in `n_way`.",
    }
    for wrong, hint in hints.items():
        if math.isclose(found, wrong, rel_tol=1e-6):
            return hint
    if not math.isclose(found, 0.00672, rel_tol=1e-4):
        return f"For four of five with five cards you say {found:.4g}; the guessers say under 1 %."
    if not math.isclose(answer(0, 3, 5), 1, rel_tol=1e-6):
        return "Everybody gets at least nothing right."
    if not math.isclose(answer(2, 3, 2), 0.5, rel_tol=1e-6):
        return "Right for five cards; with two cards, two of three are a matter of one half."
    return None


@exercise("1.4", "Which of these is meta-learning?")
def _(answer: dict[str, str]) -> str | None:
    """Four set-ups: ordinary learning, meta-learning, or a leak."""
    if not isinstance(answer, dict) or set(answer) != set("abcd"):
        return "Give one word for each of `a`, `b`, `c` and `d`."
    for name, kind in answer.items():
        if kind not in KINDS:
            return f"`{name}` is {kind!r}; the words are {', '.join(f'`{k}`' for k in KINDS)}."
    if answer["a"] == "meta-learning":
        return "a: What is one example here, a photograph or a task? Are there any new classes?"
    if answer["a"] == "leak":
        return "a: The photographs are new. Does anybody claim that it learns new kinds of shoe?"
    if answer["b"] != "meta-learning":
        return "b: One room is one task. What is its support set, and what is new in the test?"
    if answer["c"] != "leak":
        return "c: The tasks of the test are new. Are their mushrooms?"
    if answer["d"] != "leak":
        return "d: Follow one photograph. Where else may it turn up?"
    return None
