"""The skeleton of a species: where its parts meet; and what a layer of paint is."""

import math
from typing import NamedTuple

import numpy as np

from maml_tutorial.creatures.shapes import Array, Number, Point
from maml_tutorial.creatures.species import PLANS, Colour, Plan, Species


class Layer(NamedTuple):
    """A shape in one colour, with a dark rim if it is outlined."""

    shape: Array
    colour: Colour
    outlined: bool = False


class Bones(NamedTuple):
    """Where the parts of a species meet."""

    plan: Plan
    centre: Point
    pitch: float
    neck: Point  # its root
    head: tuple[Number, Number]
    skull: float  # radius of the head
    tail: Point  # its root
    step: Number  # -1 … 1
    wag: Number


def bones(species: Species, stride: Number, wag: Number) -> Bones:
    """Put the skeleton together."""
    plan = PLANS[species.plan]
    a, b, legs, neck, head = species.shape
    plan = plan._replace(
        length=plan.length * a,
        height=plan.height * b,
        leg=plan.leg * legs,
        neck=plan.neck * neck,
        head=plan.head * head,
    )
    pitch, lean = math.radians(plan.pitch), math.radians(plan.neck_angle)
    c, s = math.cos(pitch), math.sin(pitch)
    rise = math.hypot(plan.length * s, plan.height * c)
    base = -0.06 if plan.kind == "shell" else 0.92 * rise
    centre = (0.0, plan.leg + base)

    def at(along: float, up: float) -> tuple[float, float]:
        x, y = along * plan.length, up * plan.height
        return centre[0] + c * x - s * y, centre[1] + s * x + c * y

    root = at(0.80, 0.25)
    reach = plan.neck + 0.55 * plan.head
    nod = lean + 0.07 * wag
    skull = (root[0] + reach * np.cos(nod), root[1] + reach * np.sin(nod))
    tail = at(-0.88, 0.12)
    return Bones(plan, centre, pitch, root, skull, plan.head, tail, np.sin(2 * np.pi * stride), wag)
