"""One look for every figure: text stays text, ink follows the page, colours stay apart."""

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.rcsetup import cycler
from PIL import Image
from torch import Tensor

from maml_tutorial.evaluation import Score
from maml_tutorial.tasks import Task

# After Okabe & Ito's colour-blind-safe palette; each has a contrast of at least 3:1 with both a
# white and a nearly black page. A learner keeps its colour, marker and line in every figure.
COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#C0699A",
    "grey": "#7F7F7F",
}
LEARNERS: dict[str, dict[str, Any]] = {
    "MAML": {"color": COLOURS["vermilion"], "marker": "o", "linestyle": "-"},
    "pre-trained": {"color": COLOURS["blue"], "marker": "s", "linestyle": "--"},
    "random start": {"color": COLOURS["grey"], "marker": "^", "linestyle": ":"},
    "first order": {"color": COLOURS["green"], "marker": "D", "linestyle": "-."},
    "nearest neighbour": {"color": COLOURS["purple"], "marker": "P", "linestyle": "-"},
}
_INK = "#222222"  # a stand-in that `show` turns into `currentColor`


@contextmanager
def style() -> Iterator[None]:
    """Draw in the book's style inside a `with` block.

    Example:
        >>> with style():
        ...     fig, axis = plt.subplots()
        >>> axis.spines["top"].get_visible()
        False
        >>> plt.close(fig)
    """
    ink = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
    )
    settings: dict[Any, Any] = {  # matplotlib's own type lists some 300 keys
        **ink,
        "axes.prop_cycle": cycler(color=list(COLOURS.values())),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "axes.titlelocation": "left",
        "figure.figsize": (7.0, 3.4),
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "font.size": 11,
        "font.family": "sans-serif",
        "legend.frameon": False,
        "lines.linewidth": 2.0,
        "lines.markersize": 6,
        "figure.constrained_layout.use": True,
        "svg.fonttype": "none",
        "svg.hashsalt": "maml_tutorial",
    }
    with mpl.rc_context(settings):
        yield


class Drawing:
    """A finished figure with its text alternative; a notebook shows it as SVG."""

    def __init__(self, svg: str, alt: str) -> None:
        self.svg, self.alt = svg, alt

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": self.alt}


def _slim(picture: str) -> str:
    """A base64 PNG in 64 colours: matplotlib embeds four bytes a pixel, for lines in one ink."""
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    file = io.BytesIO()
    image.quantize(64, Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    slim = base64.b64encode(file.getvalue()).decode()
    return min(slim, "".join(picture.split()), key=len)


def show(figure: Figure, *, alt: str) -> Drawing:
    """Close `figure` and return it as an SVG with a text alternative.

    Args:
        figure: drawn within `style()`.
        alt: what the figure shows, in a sentence or two, for those who cannot see it.

    Raises:
        ValueError: if `alt` is empty.

    Example:
        >>> with style():
        ...     fig, axis = plt.subplots()
        >>> drawing = show(fig, alt="An empty pair of axes.")
        >>> "<title>An empty pair of axes.</title>" in drawing.svg
        True
    """
    if not alt.strip():
        raise ValueError(f"alt must say what the figure shows, got {alt!r}")
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "maml_tutorial"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*|<style.*?</style>\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace(_INK, "currentColor")
    # Any sans-serif font will do: the reader's own.
    svg = re.sub(r"font-family: [^;\"]*", "font-family: sans-serif", svg)
    svg = re.sub(r"(?<=data:image/png;base64,)[^\"]+", lambda m: _slim(m[0]), svg)
    # A hundredth of a point is finer than any screen; matplotlib writes millionths.
    svg = re.sub(r'(?<=\sd=")[^"]+', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), svg)
    # Names that nothing refers to would clash where two figures stand on one page.
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", svg)
    look = "color:#222;background:#fff;max-width:100%;height:auto;stroke-linejoin:round"
    svg = svg.replace("<svg ", f'<svg role="img" style="{look}" ', 1)
    return Drawing(svg.replace(">", f">\n <title>{escape(alt)}</title>", 1), alt)


def plot_scores(
    axis: Axes, scores: Mapping[str, Mapping[int, Score]], *, x_label: str, y_label: str
) -> None:
    """Draw a learner's score against steps (or shots) with its 95 % interval as a band.

    Args:
        axis: where to draw.
        scores: `{learner: {x: Score}}`; learners of `LEARNERS` get their own look.
        x_label: what the keys count, such as "inner steps".
        y_label: the score with its unit.
    """
    for name, by_x in scores.items():
        look = LEARNERS.get(name, {})
        xs = sorted(by_x)
        means = [by_x[x].mean for x in xs]
        (line,) = axis.plot(xs, means, label=name, **look)
        low = [by_x[x].mean - by_x[x].interval for x in xs]
        high = [by_x[x].mean + by_x[x].interval for x in xs]
        axis.fill_between(xs, low, high, color=line.get_color(), alpha=0.25, linewidth=0)
    axis.set(xlabel=x_label, ylabel=y_label)


def plot_fits(
    axis: Axes,
    x: Tensor,
    truth: Tensor,
    fits: Mapping[int, Tensor],
    support: tuple[Tensor, Tensor],
    *,
    learner: str,
) -> None:
    """Draw a network's curve after several numbers of steps, with the wave and the support points.

    Args:
        axis: where to draw.
        x: `(n,)` or `(n, 1)`, in increasing order.
        truth: the wave itself, like `x`.
        fits: `{inner steps: predictions}`; more steps are drawn stronger.
        support: the points adapted to, `(x, y)`.
        learner: a name of `LEARNERS`, for the colour.
    """
    x = x.flatten()
    axis.plot(x, truth.flatten(), color=_INK, linewidth=1.2, label="the wave")
    colour = LEARNERS[learner]["color"]
    strengths = {1: (1.0,), 2: (0.85, 1.0)}.get(len(fits), (0.65, 0.85, 1.0))
    for (steps, y), alpha, dash in zip(fits.items(), strengths, (":", "--", "-"), strict=False):
        label = f"{steps} step" + ("" if steps == 1 else "s")
        axis.plot(x, y.detach().flatten(), color=colour, alpha=alpha, linestyle=dash, label=label)
    axis.plot(
        support[0].flatten(), support[1].flatten(), "o", color=_INK, markersize=7, label="support"
    )
    axis.set(title=learner, xlabel="x")


def legend_fits(figure: Figure) -> None:
    """Explain panels drawn by `plot_fits` below them, once for all.

    The colour of the curves differs from panel to panel, so here it is grey: what a curve's
    dashes say is the same in all. In a figure too narrow for one row of names there are two.

    Args:
        figure: its first axis is one of the panels.
    """
    handles = []
    for line in figure.axes[0].get_lines():
        handle = Line2D([], [])
        handle.update_from(line)
        handle.set(label=line.get_label(), alpha=1)
        handle.set_color(_INK if line.get_color() == _INK else COLOURS["grey"])
        handles.append(handle)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles) if figure.get_figwidth() > 6 else 3,  # inches
        fontsize=10,
        handlelength=1.8,
        columnspacing=1.2,
    )


def label_lines(axis: Axes, *, gap: float = 0.08) -> None:
    """Write each line's name beside its right end, in its colour, in place of a legend.

    Call it last, when the axis' limits are set. Lines without a label are left out, and names
    that would touch are moved apart.

    Args:
        axis: with lines drawn by `plot(..., label=...)` or `axhline`.
        gap: the least distance between two names, as a share of the axis' height.

    Example:
        >>> with style():
        ...     fig, axis = plt.subplots()
        ...     _ = axis.plot([0, 1], [0, 1], label="up"), axis.plot([0, 1], [0, 0], label="flat")
        ...     label_lines(axis)
        >>> [text.get_text() for text in axis.texts]
        ['flat', 'up']
        >>> plt.close(fig)
    """
    left, _ = axis.get_xlim(), axis.get_ylim()  # settles both limits before they are used
    to_share = axis.transData + axis.transAxes.inverted()
    lines = [line for line in axis.get_lines() if not str(line.get_label()).startswith("_")]
    rights = [(left[0], float(np.asarray(line.get_ydata())[-1])) for line in lines]
    ends = [float(np.asarray(to_share.transform(right))[1]) for right in rights]
    at = -gap
    for height, line in sorted(zip(ends, lines, strict=True), key=lambda pair: pair[0]):
        at = max(height, at + gap)
        axis.annotate(
            str(line.get_label()),
            (1.0, at),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=line.get_color(),
        )


def draw_card(axis: Axes, image: Tensor, title: str = "") -> None:
    """Draw an image on a card: `(height, width)` or `(1, height, width)` as dark ink on light.

    `(3, height, width)` is a picture in colour, uint8 in 0 … 255 or floats in 0 … 1.
    """
    if image.ndim == 3 and len(image) == 3:
        axis.imshow(image.detach().permute(1, 2, 0).numpy())
    else:
        ink = image.detach().float().squeeze(0).numpy()
        axis.imshow(ink, cmap="gray_r", interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=10, loc="center", pad=3)
    for spine in axis.spines.values():
        spine.set(visible=True, color=COLOURS["grey"], linewidth=0.8)


def draw_task(task: Task, *, n_way: int, class_names: Sequence[str] | None = None) -> Figure:
    """Lay out one image task as cards: the support set on the left, the query set on the right.

    Args:
        task: a single task (no task axis) with images `(n, channels, height, width)`.
        n_way: classes of the task; a row each.
        class_names: written beside the rows; by default the labels 0 … n_way − 1.

    Returns:
        The figure, to be given to `show`.
    """
    k_shot, k_query = len(task.y_support) // n_way, len(task.y_query) // n_way
    with style():
        ratios = [1.0] * k_shot + [0.35] + [1.0] * k_query
        figure, axes = plt.subplots(
            n_way,
            len(ratios),
            figsize=(0.62 * sum(ratios) + 0.6, 0.66 * n_way + 0.4),
            width_ratios=ratios,
            squeeze=False,
        )
        for label in range(n_way):
            axes[label, k_shot].axis("off")
            rows = (
                (axes[label, :k_shot], task.x_support[task.y_support == label]),
                (axes[label, k_shot + 1 :], task.x_query[task.y_query == label]),
            )
            for cells, images in rows:
                for cell, image in zip(cells, images, strict=True):
                    draw_card(cell, image)
            name = str(label) if class_names is None else class_names[label]
            axes[label, 0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
        axes[0, 0].set_title("support", loc="left", fontsize=11)
        axes[0, k_shot + 1].set_title("query", loc="left", fontsize=11)
    return figure
