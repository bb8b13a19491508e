"""From traits to shapes: the layers of paint that make a creature, feet at v = 0, facing +u."""

from collections.abc import Iterator

import numpy as np

from maml_tutorial.creatures.details import back, crown, ears, eyes, snout, tail
from maml_tutorial.creatures.shapes import Array, Number, Place, disc, limb, oval, turned, union
from maml_tutorial.creatures.skeleton import Bones, Layer, bones
from maml_tutorial.creatures.species import Species


def layers(species: Species, at: Place, stride: Number, wag: Number) -> Iterator[Layer]:
    """Give the layers of a creature in the order in which they are painted."""
    b = bones(species, stride, wag)
    main, second, third = species.colours
    shade = (0.78 * main[0], 0.78 * main[1], 0.78 * main[2])
    socks = species.pattern == "socks"
    for leg in _legs(b, at, near=False):
        yield Layer(leg, shade, outlined=True)
    yield from tail(species, b, at)
    yield from back(species, b, at)
    yield from crown(species, b, at, far=True)
    yield from ears(species, b, at, far=True)

    trunk, coat = _trunk(b, at)
    head = disc(at, b.head, b.skull)
    neck = limb(at, b.neck, b.head, 0.62 * b.plan.height, 0.62 * b.skull)
    if b.plan.kind == "shell" or b.plan.kind == "spiral":
        neck = limb(at, (b.neck[0], b.centre[1] + 0.04), b.head, 0.15, 0.6 * b.skull)
    legs = list(_legs(b, at, near=True))
    whole = union(trunk, neck, head, soft=0.12)
    yield Layer(union(whole, *legs, soft=0.06), main, outlined=True)
    if b.plan.kind == "haunch":
        yield Layer(oval(at, (-0.20, 0.30), (0.25, 0.27)), shade)
    if coat is not None:
        yield Layer(coat, second, outlined=True)
    yield from _pattern(species, b, at, whole if coat is None else coat, coat is not None)
    feet = third if not socks else second
    for leg in legs:
        yield Layer(np.maximum(leg, at[1] - (0.55 * b.plan.leg if socks else 0.085)), feet)
    if b.plan.kind == "winged":
        c = b.centre
        wing = oval(at, (c[0] - 0.14, c[1] + 0.02), (0.30, 0.19), 0.35 + 0.25 * b.wag)
        yield Layer(wing, second, outlined=True)
    if b.plan.kind == "upright":
        c = b.centre
        hand = (c[0] + 0.40, c[1] + 0.02 + 0.12 * b.wag)
        yield Layer(limb(at, (c[0] + 0.12, c[1] + 0.22), hand, 0.11, 0.09), shade, outlined=True)
    yield from snout(species, b, at)
    yield from crown(species, b, at, far=False)
    yield from ears(species, b, at, far=False)
    yield from eyes(species, b, at)


def _trunk(b: Bones, at: Place) -> tuple[Array, Array | None]:
    """Return the body, and the shell on it if there is one."""
    plan, c = b.plan, b.centre
    if plan.kind == "shell":
        dome = np.maximum(oval(at, c, (plan.length, plan.height * 1.5)), c[1] - at[1])
        return oval(at, c, (plan.length * 0.92, 0.08)), dome
    if plan.kind == "spiral":
        foot = limb(at, (-plan.length, 0.06), (0.5 * plan.length, 0.14), 0.05, 0.16)
        return foot, disc(at, (-0.14, 0.52), 0.40)
    if plan.kind == "beads":
        n = 5
        x = np.linspace(-0.85, 0.85, n) * plan.length
        beads = [
            disc(at, (x[i], c[1] + 0.05 * np.sin(2.1 * i + 3 * b.step)), plan.height)
            for i in range(n)
        ]
        return union(*beads, soft=0.05), None
    return oval(at, c, (plan.length, plan.height), b.pitch), None


def _legs(b: Bones, at: Place, near: bool) -> Iterator[Array]:
    plan = b.plan
    if plan.legs == 0:
        return
    spread = 0.66 * plan.length if plan.legs > 2 else 0.0
    if plan.kind in ("upright", "haunch"):
        spread = 0.0
    hips = {2: [0.0], 4: [-spread, spread], 6: [-1.1 * spread, 0.0, 1.1 * spread]}[plan.legs]
    side = 1 if near else -1
    for i, hip in enumerate(hips):
        x = hip + (-0.07 if near else 0.09) + (0.0 if plan.legs > 2 else -0.10 * side)
        swing = side * (-1) ** i * b.step * (0.07 + 0.20 * plan.leg)
        top = plan.leg + 0.25 * plan.height
        leg = limb(at, (x, top), (x + swing, plan.width), 1.1 * plan.width, 0.9 * plan.width)
        toe = 0.10 if plan.kind != "haunch" else 0.22
        foot = oval(at, (x + swing + toe * 0.5, 0.055), (plan.width + toe * 0.6, 0.06))
        yield union(leg, foot, soft=0.04)


def _pattern(s: Species, b: Bones, at: Place, within: Array, shell: bool) -> Iterator[Layer]:
    """Give the marks on a body, or on its shell, which lie in the body's own frame."""
    main, second, _ = s.colours
    colour = main if shell else second
    across, up = turned(at, b.centre, b.pitch if b.plan.pitch < 70 else 0.0)
    p, q, r = s.marks
    face = disc(at, b.head, b.skull) if s.plan != "ball" else np.ones_like(across)
    if s.pattern == "spots":
        step = 0.34 + 0.10 * p
        row = np.floor(up / (0.86 * step) + q)
        x = (across / step + r + 0.5 * (row % 2)) % 1.0 - 0.5
        y = (up / (0.86 * step) + q) % 1.0 - 0.5
        marks = (np.sqrt(x * x + y * y) - 0.30) * step
    elif s.pattern == "stripes":
        width = 0.26 + 0.10 * p
        marks = (np.abs((across / width + q + 0.25 * up) % 1.0 - 0.5) - 0.25) * width
    elif s.pattern == "patches":
        wave = np.sin(4.2 * across + 6 * p + 1.4 * up) + np.sin(5.0 * up + 6 * q - 2.0 * across)
        marks = (0.25 + 0.4 * (r - 0.5) - wave) * 0.16
    elif s.pattern == "belly":
        marks = np.maximum(up + 0.04 + 0.05 * np.sin(5 * across), -face)
    elif s.pattern == "saddle":
        marks = np.maximum(np.abs(across + 0.06) - 0.24 * (1 + 0.5 * p), -face)
    elif s.pattern == "band":
        marks = np.maximum(np.abs(up - 0.05) - 0.10, -face)
    else:
        return
    yield Layer(np.maximum(marks, within + 0.01), colour)
