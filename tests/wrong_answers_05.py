"""Typical wrong answers to the exercises of chapter 5: (exercise, answer, a word of its hint)."""

WRONG_05: list[tuple[str, object, str]] = []
