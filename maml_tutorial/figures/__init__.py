"""Figures that the reader can move: in the book's page, in Colab and in Jupyter, without a kernel.

Each function takes numbers that a notebook has computed, and a still, and returns what a cell
shows: one piece of HTML with a small script of its own. No network, no framework.
"""

from maml_tutorial.figures.find_the_goal import find_the_goal
from maml_tutorial.figures.landscapes import DEEP, band_levels, drag_theta, m_steps_landscape
from maml_tutorial.figures.letters import letter_adapt, one_shot_game, your_score
from maml_tutorial.figures.page import LiveFigure
from maml_tutorial.figures.starts import drag_points, meta_gradient, sine_adapt
from maml_tutorial.figures.who_pulls import who_pulls

__all__ = [
    "DEEP",
    "LiveFigure",
    "band_levels",
    "drag_points",
    "drag_theta",
    "find_the_goal",
    "letter_adapt",
    "m_steps_landscape",
    "meta_gradient",
    "one_shot_game",
    "sine_adapt",
    "who_pulls",
    "your_score",
]
