"""Typical wrong answers to the exercises of chapter 2: (exercise, answer, a word of its hint)."""

WRONG_02: list[tuple[str, object, str]] = []
