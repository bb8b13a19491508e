"""Exercises: ``check("3.2", answer)`` says whether an answer is right, and hints where it is not.

Importing this package registers the exercises of every chapter.
"""

from maml_tutorial.exercises import chapter_03, chapter_07
from maml_tutorial.exercises.registry import check, exercise
from maml_tutorial.exercises.verdict import Verdict

__all__ = ["Verdict", "chapter_03", "chapter_07", "check", "exercise"]
