"""Typical wrong answers to the exercises of chapter 4: (exercise, answer, a word of its hint)."""

WRONG_04: list[tuple[str, object, str]] = []
