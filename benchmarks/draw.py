"""Draw what `benchmarks.meta_step` measured: benchmarks/meta_step.svg, for the run-times page."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from maml_tutorial import load_benchmark
from maml_tutorial.plots import COLOURS, label_lines, show, style

FOLDER = Path(__file__).parent
LOOKS = {
    "ours": {"color": COLOURS["vermilion"], "marker": "o", "linestyle": "-"},
    "ours, compiled": {"color": COLOURS["blue"], "marker": "s", "linestyle": "--"},
    "ours, 2 processes": {"color": COLOURS["green"], "marker": "D", "linestyle": "-."},
    "loop": {"color": COLOURS["grey"], "marker": "^", "linestyle": ":"},
}
ALT = (
    "Three panels. Above: how many times faster than the library higher one meta-step is, for "
    "five kinds of work. On sine waves this package is over ten times as fast, compiled over "
    "thirty times; on the fully connected network more than twice, compiled over five times; on "
    "the 5-way convolutional network about twice, in two processes more; on the 20-way one less "
    "than one and a half times, in two processes more. "
    "In the middle: milliseconds of a meta-step on sine waves against the meta-batch, where the "
    "loop rises in proportion and this package far less. Below: the same against the inner "
    "steps, where both rise in proportion."
)


def speed_ups(axis: Axes, cases: dict[str, Any]) -> None:
    """Draw each way's speed as a multiple of `higher`'s, one row a kind of work."""
    names = list(cases)[::-1]
    for way, look in LOOKS.items():
        at = [(cases[n]["times faster than higher"].get(way), y) for y, n in enumerate(names)]
        xs, ys = zip(*[(x, y) for x, y in at if x is not None], strict=True)
        axis.plot(xs, ys, **(look | {"linestyle": ""}), label=way, markersize=8)
    axis.axvline(1, color=plt.rcParams["text.color"], linewidth=1)
    ticks = (0.5, 1, 2, 5, 10, 20, 50, 100)
    axis.set(xscale="log", xlabel="times as fast as higher", yticks=range(len(names)))
    labels = [name.replace(", ", ",\n", 1) for name in names]  # the figure fits a phone
    axis.set(yticklabels=labels, ylim=(-0.5, len(names) - 0.5), xticks=ticks, xticklabels=ticks)
    axis.minorticks_off()
    axis.set_xlim(
        0.5, 1.3 * max(max(c["times faster than higher"].values()) for c in cases.values())
    )


def growing(axis: Axes, found: dict[str, list[float]], setting: str, label: str) -> None:
    """Draw milliseconds against a setting."""
    for way in ("ours", "loop"):
        axis.plot(found[setting], found[way], **LOOKS[way], label=way)
    axis.set(xlabel=label, ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    label_lines(axis)


def draw(record: dict[str, Any]) -> str:
    """Return the figure as SVG."""
    with style():
        plt.rcParams["font.size"] = 12
        figure, (above, middle, below) = plt.subplots(3, figsize=(4.9, 9), height_ratios=(3, 2, 2))
        speed_ups(above, record["cases"])
        figure.legend(
            *above.get_legend_handles_labels(),
            loc="outside upper center",
            ncols=2,
        )
        grown = record["growth"]["sine waves, 1 step"]
        growing(middle, grown["meta_batch_size"], "meta_batch_size", "tasks in a meta-batch")
        growing(below, grown["inner_steps"], "inner_steps", "inner steps (8 tasks)")
        middle.set_ylabel("ms, sine waves")
        below.set_ylabel("ms, sine waves")
    return show(figure, alt=ALT).svg


def main() -> None:
    """Draw the committed measurement."""
    (FOLDER / "meta_step.svg").write_text(draw(load_benchmark("meta_step")), encoding="utf-8")


if __name__ == "__main__":
    main()
