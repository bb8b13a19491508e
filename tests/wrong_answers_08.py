"""Typical wrong answers to the exercises of chapter 8: (exercise, answer, a word of its hint)."""

WRONG_08: list[tuple[str, object, str]] = []
