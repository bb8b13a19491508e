"""Exercises: ``check("3.2", answer)`` says whether an answer is right, and hints where it is not.

Importing this package registers the exercises of every chapter.
"""

from maml_tutorial.exercises import (
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
    chapter_07,
    chapter_08,
    chapter_09,
    chapter_10,
    chapter_11,
    chapter_12,
    chapter_13,
    chapter_14,
    chapter_15,
)
from maml_tutorial.exercises.hunts import hunt
from maml_tutorial.exercises.log import progress
from maml_tutorial.exercises.registry import check, exercise
from maml_tutorial.exercises.verdict import Verdict

__all__ = [
    "Verdict",
    "chapter_01",
    "chapter_02",
    "chapter_03",
    "chapter_04",
    "chapter_05",
    "chapter_06",
    "chapter_07",
    "chapter_08",
    "chapter_09",
    "chapter_10",
    "chapter_11",
    "chapter_12",
    "chapter_13",
    "chapter_14",
    "chapter_15",
    "check",
    "exercise",
    "hunt",
    "progress",
]
