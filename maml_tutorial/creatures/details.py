"""What tells species apart at their ends: tail, back, ears, crown, snout and eyes."""

import math
from collections.abc import Iterator

import numpy as np

from maml_tutorial.creatures.shapes import (
    Place,
    Point,
    curve,
    disc,
    limb,
    oval,
    turned,
    union,
    wedge,
)
from maml_tutorial.creatures.skeleton import Bones, Layer
from maml_tutorial.creatures.species import Species

WHITE, BLACK = (0.99, 0.99, 0.97), (0.10, 0.08, 0.10)


def tail(s: Species, b: Bones, at: Place) -> Iterator[Layer]:
    """Give the layers of the tail."""
    main, second, third = s.colours
    x, y = b.tail
    lift = 0.10 * b.wag
    if s.tail == "stub":
        yield Layer(disc(at, (x - 0.06, y + 0.06), 0.13), second, True)
    elif s.tail == "tuft":
        end = (x - 0.34, y - 0.12 + lift)
        yield Layer(curve(at, b.tail, (x - 0.26, y + 0.22), end, 0.055, 0.05), main, True)
        yield Layer(disc(at, end, 0.13), second, True)
    elif s.tail == "curl":
        end = (x - 0.06, y + 0.50 + lift)
        yield Layer(curve(at, b.tail, (x - 0.62, y + 0.22), end, 0.10, 0.07), main, True)
    elif s.tail == "bushy":
        yield Layer(oval(at, (x - 0.22, y + 0.30), (0.20, 0.42), 0.45 + lift), second, True)
        yield Layer(disc(at, (x - 0.34, y + 0.55 + 0.1 * lift), 0.11), third)
    elif s.tail == "whip":
        end = (x - 0.72, y + 0.12 + 2 * lift)
        yield Layer(curve(at, b.tail, (x - 0.30, y - 0.28), end, 0.15, 0.03), main, True)
    elif s.tail == "fan":
        for i, turn in enumerate((0.55, 1.05, 1.55)):
            across, up = -math.sin(turn), math.cos(turn)
            middle = (x + 0.27 * across, y + 0.27 * up + lift * 0.5)
            yield Layer(oval(at, middle, (0.13, 0.30), turn), (second, third)[i % 2], True)
    elif s.tail == "paddle":
        yield Layer(oval(at, (x - 0.34, y + 0.02 + lift), (0.36, 0.16), -0.2), third, True)


def back(s: Species, b: Bones, at: Place) -> Iterator[Layer]:
    """Give what stands on the back: spikes, humps or a sail."""
    plan, third = b.plan, s.colours[2]
    if plan.kind in ("shell", "spiral"):
        return
    across, up = turned(at, b.centre, b.pitch)
    here = (across, up)
    a, h = plan.length, plan.height
    if s.back == "spikes":
        for i in (-0.7, -0.25, 0.2):
            foot = h * math.sqrt(1 - i * i) - 0.08
            x = i * a
            tooth = wedge(here, (x - 0.13, foot), (x + 0.13, foot), (x - 0.05, foot + 0.28))
            yield Layer(tooth, third, True)
    elif s.back == "humps":
        hump = [oval(here, (x * a, 0.80 * h), (0.26 * a + 0.06, 0.26)) for x in (-0.42, 0.22)]
        yield Layer(union(*hump, soft=0.05), s.colours[0], True)
    elif s.back == "sail":
        yield Layer(oval(here, (-0.12 * a, 0.75 * h), (0.62 * a, 0.42)), third, True)


def ears(s: Species, b: Bones, at: Place, far: bool) -> Iterator[Layer]:
    """Give the ear behind the head, or the one before it."""
    if s.ears == "none":
        return
    r, y = b.skull, b.head[1]
    main, second, _ = s.colours
    colour = (0.78 * main[0], 0.78 * main[1], 0.78 * main[2]) if far else main
    x = b.head[0] + (0.42 * r if far else -0.45 * r)
    turn = 0.10 * b.wag + (-0.2 if far else 0.3)
    if s.ears == "round":
        shape = disc(at, (x, y + 0.92 * r), 0.52 * r)
        inner = disc(at, (x, y + 0.92 * r), 0.28 * r)
    elif s.ears == "pointed":
        tip = (x - 0.12 * r * np.sign(turn), y + 1.75 * r)
        shape = wedge(at, (x - 0.42 * r, y + 0.55 * r), (x + 0.42 * r, y + 0.55 * r), tip)
        inner = shape + 0.32 * r * 0.6
    elif s.ears == "long":
        middle: Point = (x - 0.5 * np.sin(turn) * r, y + 1.55 * r)
        shape = oval(at, middle, (0.33 * r, 0.95 * r), turn)
        inner = oval(at, middle, (0.15 * r, 0.65 * r), turn)
    else:  # floppy
        if far:
            return
        middle = (x - 0.42 * r, y - 0.10 * r)
        shape = oval(at, middle, (0.36 * r, 0.85 * r), -0.35 - turn)
        inner = shape + 9.0
        colour = second
    yield Layer(shape, colour, True)
    if not far:
        yield Layer(inner, second)


def crown(s: Species, b: Bones, at: Place, far: bool) -> Iterator[Layer]:
    """Give the horns, feelers or feathers behind the head, or those before it."""
    (x, y), r = b.head, b.skull
    _, second, third = s.colours
    if s.crown == "horn":
        if not far:
            a, c = (x + 0.10 * r, y + 0.80 * r), (x + 0.62 * r, y + 0.60 * r)
            yield Layer(wedge(at, a, c, (x + 0.95 * r, y + 2.0 * r)), third, True)
    elif s.crown == "horns":
        x = x + (0.35 * r if far else -0.35 * r)
        side = 0.7 if far else -0.7
        end = (x + side * 0.55 * r, y + 1.95 * r)
        bend = (x + side * 1.35 * r, y + 1.2 * r)
        yield Layer(curve(at, (x, y + 0.75 * r), bend, end, 0.24 * r, 0.10 * r), third, True)
    elif s.crown == "feelers":
        x = x + (0.40 * r if far else -0.30 * r)
        end = (x + (0.55 if far else -0.25) * r + 0.12 * b.wag * r, y + 1.85 * r)
        yield Layer(limb(at, (x, y + 0.7 * r), end, 0.12 * r, 0.10 * r), s.colours[0], True)
        yield Layer(disc(at, end, 0.27 * r), third, True)
    elif s.crown == "crest" and far:
        for turn in (-0.9, -0.2, 0.5):
            tip = (x + 1.75 * r * math.sin(turn), y + 1.75 * r * math.cos(turn))
            a = (x + 0.9 * r * math.sin(turn - 0.4), y + 0.9 * r * math.cos(turn - 0.4))
            c = (x + 0.9 * r * math.sin(turn + 0.4), y + 0.9 * r * math.cos(turn + 0.4))
            yield Layer(wedge(at, a, c, tip), third, True)
    elif s.crown == "tuft" and not far:
        for turn in (-0.55, 0.0, 0.55):
            end = (x + 0.85 * r * math.sin(turn), y + 0.75 * r + 0.85 * r * math.cos(turn))
            yield Layer(limb(at, (x, y + 0.8 * r), end, 0.10 * r, 0.24 * r), second, True)
    elif s.crown == "antlers":
        side = 0.55 if far else -0.55
        x = x + side * 0.6 * r
        fork = (x + side * 0.7 * r, y + 1.5 * r)
        tips = (x + side * 0.3 * r, y + 2.2 * r), (x + side * 2.1 * r, y + 1.9 * r)
        parts = [limb(at, (x, y + 0.7 * r), fork, 0.16 * r, 0.14 * r)]
        parts += [limb(at, fork, tip, 0.14 * r, 0.11 * r) for tip in tips]
        yield Layer(union(*parts), third, True)


def snout(s: Species, b: Bones, at: Place) -> Iterator[Layer]:
    """Give the muzzle, beak, trunk or long nose; or else a smile."""
    (x, y), r = b.head, b.skull
    main, second, third = s.colours
    if s.snout == "muzzle":
        yield Layer(oval(at, (x + 0.72 * r, y - 0.28 * r), (0.55 * r, 0.42 * r)), second, True)
        yield Layer(oval(at, (x + 1.08 * r, y - 0.12 * r), (0.19 * r, 0.15 * r)), BLACK)
    elif s.snout == "beak":
        tip = (x + 1.75 * r, y - 0.25 * r)
        bill = wedge(at, (x + 0.72 * r, y + 0.25 * r), (x + 0.72 * r, y - 0.55 * r), tip)
        yield Layer(bill, third, True)
    elif s.snout == "trunk":
        end = (x + 1.55 * r, y - 1.15 * r)
        bend = (x + 1.55 * r, y - 0.10 * r)
        yield Layer(
            curve(at, (x + 0.7 * r, y - 0.1 * r), bend, end, 0.30 * r, 0.19 * r), main, True
        )
    elif s.snout == "long":
        end = (x + 1.65 * r, y - 0.45 * r)
        yield Layer(limb(at, (x + 0.5 * r, y - 0.15 * r), end, 0.46 * r, 0.22 * r), main, True)
        yield Layer(disc(at, (x + 1.75 * r, y - 0.40 * r), 0.17 * r), BLACK)
    else:
        smile = disc(at, (x + 0.45 * r, y - 0.28 * r), 0.26 * r)
        yield Layer(np.maximum(np.abs(smile) - 0.045 * r, at[1] - y + 0.34 * r), BLACK)


def eyes(s: Species, b: Bones, at: Place) -> Iterator[Layer]:
    """Give one eye or two."""
    (x, y), r = b.head, b.skull
    y = y + 0.18 * r
    if s.eyes == "bead":
        yield Layer(disc(at, (x + 0.30 * r, y), 0.26 * r), BLACK)
        yield Layer(disc(at, (x + 0.38 * r, y + 0.09 * r), 0.09 * r), WHITE)
        return
    places = [x + 0.28 * r] if s.eyes == "big" else [x + 0.62 * r, x - 0.02 * r]
    white = 0.40 * r if s.eyes == "big" else 0.31 * r
    for place in places:
        yield Layer(disc(at, (place, y), white), WHITE, outlined=True)
        yield Layer(disc(at, (place + 0.10 * r, y), 0.58 * white), BLACK)
        yield Layer(disc(at, (place + 0.15 * r, y + 0.08 * r), 0.18 * white), WHITE)
