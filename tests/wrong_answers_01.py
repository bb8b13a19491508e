"""Typical wrong answers to the exercises of chapter 1: (exercise, answer, a word of its hint)."""

WRONG_01: list[tuple[str, object, str]] = []
