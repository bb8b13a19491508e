"""Shapes as signed distances: below zero inside, above zero outside, in the units of the plane.

A shape is a function of the places (u, v) where the distance is wanted: arrays that broadcast
with the points and radii. A picture is made by asking at the pixels, at any size.
"""

import numpy as np

Array = np.ndarray
Number = float | Array
Point = tuple[Number, Number]
Place = tuple[Array, Array]


def disc(at: Place, centre: Point, radius: Number) -> Array:
    """Return the distance from a disc.

    Example:
        >>> disc((np.array([0.0, 3.0]), np.array([0.0, 4.0])), (0, 0), 1).tolist()
        [-1.0, 4.0]
    """
    return np.sqrt((at[0] - centre[0]) ** 2 + (at[1] - centre[1]) ** 2) - radius


def oval(at: Place, centre: Point, radii: Point, turn: Number = 0.0) -> Array:
    """Return the distance (nearly: exact at the rim) from an ellipse turned by `turn` radians."""
    x, y = turned(at, centre, turn)
    near = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2)
    steep = np.sqrt((x / radii[0] ** 2) ** 2 + (y / radii[1] ** 2) ** 2)
    return near * (near - 1) / np.maximum(steep, 1e-6)


def turned(at: Place, centre: Point, turn: Number) -> Place:
    """Return the places as seen from `centre` by someone turned by `turn` radians."""
    x, y = at[0] - centre[0], at[1] - centre[1]
    c, s = np.cos(turn), np.sin(turn)
    return c * x + s * y, c * y - s * x


def limb(at: Place, start: Point, end: Point, thick: Number, thin: Number) -> Array:
    """Return the distance from a rounded stick whose radius goes from `thick` to `thin`."""
    x, y = at[0] - start[0], at[1] - start[1]
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip((x * dx + y * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
    gap = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
    return gap - thick - along * (thin - thick)


def curve(at: Place, start: Point, bend: Point, end: Point, thick: float, thin: float) -> Array:
    """Return the distance from a bent limb: it leaves `start` towards `bend` and ends at `end`."""
    points, n = [start], 5
    for t in np.arange(1, n + 1) / n:
        weights = (1 - t) ** 2, 2 * t * (1 - t), t * t
        three = zip(weights, (start, bend, end), strict=True)
        across, up = zip(*((w * p[0], w * p[1]) for w, p in three), strict=True)
        points.append((sum(across), sum(up)))
    radii = np.linspace(thick, thin, n + 1)
    parts = [limb(at, points[i], points[i + 1], radii[i], radii[i + 1]) for i in range(n)]
    return union(*parts)


def wedge(at: Place, a: Point, b: Point, c: Point, rounded: float = 0.02) -> Array:
    """Return the distance (a lower bound of it) from a triangle with rounded corners."""
    side = np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
    edges = []
    for p, q in ((a, b), (b, c), (c, a)):
        dx, dy = q[0] - p[0], q[1] - p[1]
        across = (at[0] - p[0]) * dy - (at[1] - p[1]) * dx
        edges.append(side * across / np.sqrt(dx * dx + dy * dy + 1e-9))
    return np.maximum(np.maximum(edges[0], edges[1]), edges[2]) - rounded


def union(*shapes: Array, soft: float = 0.0) -> Array:
    """Return the distance from shapes together; `soft` fills the corners where they meet.

    Example:
        >>> float(union(np.array(0.2), np.array(0.5)))
        0.2
        >>> round(float(union(np.array(0.2), np.array(0.2), soft=0.2)), 2)
        0.15
    """
    whole = shapes[0]
    for shape in shapes[1:]:
        if soft:
            near = np.maximum(soft - np.abs(whole - shape), 0) / soft
            whole = np.minimum(whole, shape) - near * near * soft / 4
        else:
            whole = np.minimum(whole, shape)
    return whole
