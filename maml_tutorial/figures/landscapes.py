"""Figures of loss surfaces: where to start, if one may take a few steps."""

from collections.abc import Mapping

import torch
from torch import Tensor

from maml_tutorial.figures.page import LiveFigure, pack_short, page, rounded
from maml_tutorial.plots import Drawing

DEEP = ("#0B3C5D", "#4F9BC8", "#DCEBF4")  # a loss surface: dark is low


def band_levels(values: Tensor, n: int = 11) -> Tensor:
    """Where the bands of a loss surface begin: close together where it is low.

    Args:
        values: losses on a grid, `(rows, columns)`; or several maps, `(n_maps, rows, columns)`,
            which are to share their bands.
        n: bands; the last holds all above the 93rd percentile (of the map where it is highest).

    Example:
        >>> band_levels(torch.linspace(0, 1, 101)[None], n=4)
        tensor([0.0000, 0.1033, 0.4133, 0.9300])
    """
    low, top = values.min(), values.flatten(-2).quantile(0.93, dim=-1).max()
    return low + torch.linspace(0, 1, n).square() * (top - low)


def drag_theta(
    waves: Mapping[str, tuple[float, float]],
    surfaces: Tensor,
    *,
    a_axis: Tensor,
    b_axis: Tensor,
    x_support: Tensor,
    x_query: Tensor,
    inner_lr: float,
    starts: Mapping[str, Tensor],
    still: Drawing,
) -> LiveFigure:
    """Let the reader drag one start (a, b) on the loss surfaces of several waves a·sin(x − b).

    The waves, and the curve before and after the step, are drawn below the maps.

    Args:
        waves: `{name: (height, shift)}`, one panel each.
        surfaces: losses on the grid, `(n_waves, len(a_axis), len(b_axis))`.
        a_axis: heights of the grid, from 0.
        b_axis: shifts of the grid, from 0.
        x_support: where the support points are, `(n_support,)`.
        x_query: where the query points are, `(n_query,)`.
        inner_lr: the step size α.
        starts: `{words on a button: (a, b)}`; the figure opens at the first.
        still: shown where no script runs.

    Raises:
        ValueError: if `surfaces` does not fit the waves and the grid.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from maml_tutorial.plots import show
        >>> axis, (fig, _) = torch.linspace(0, 3, 4), plt.subplots()
        >>> figure = drag_theta(
        ...     {"first wave": (3.0, 0.5)}, torch.rand(1, 4, 4), a_axis=axis, b_axis=axis,
        ...     x_support=axis, x_query=axis, inner_lr=0.1, starts={"low": torch.ones(2)},
        ...     still=show(fig, alt="A map."),
        ... )
        >>> figure.alt
        'A map.'
    """
    wanted = (len(waves), len(a_axis), len(b_axis))
    if surfaces.shape != wanted:
        raise ValueError(f"surfaces must have the shape {wanted}, got {tuple(surfaces.shape)}")
    data = {
        "waves": [
            {
                "name": name,
                "wave": rounded(wave),
                "map": pack_short(surface),
            }
            for (name, wave), surface in zip(waves.items(), surfaces, strict=True)
        ],
        "levels": rounded(band_levels(surfaces)),
        "shape": wanted[1:],
        "aMax": a_axis[-1].item(),
        "bMax": b_axis[-1].item(),
        "xSupport": rounded(x_support),
        "xQuery": rounded(x_query),
        "innerLr": inner_lr,
        "starts": [{"name": name, "theta": rounded(at)} for name, at in starts.items()],
        "colours": DEEP,
    }
    label = "Interactive: one start, two waves, one step"
    return page("drag_theta", data, label=label, still=still)


def m_steps_landscape(
    landscapes: Tensor, *, a_axis: Tensor, b_axis: Tensor, still: Drawing
) -> LiveFigure:
    """Let the reader slide the number of steps m over the landscapes of the loss after m steps.

    Args:
        landscapes: mean query loss after 0, 1, … steps from every start of the grid,
            `(n_steps + 1, len(a_axis), len(b_axis))`.
        a_axis: heights of the grid, from 0.
        b_axis: shifts of the grid, from 0.
        still: shown where no script runs.

    Raises:
        ValueError: if `landscapes` does not fit the grid.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> from maml_tutorial.plots import show
        >>> axis, (fig, _) = torch.linspace(0, 3, 4), plt.subplots()
        >>> figure = m_steps_landscape(
        ...     torch.rand(2, 4, 4), a_axis=axis, b_axis=axis, still=show(fig, alt="A map.")
        ... )
        >>> '"fromSquare"' in figure.html
        True
    """
    wanted = (len(landscapes), len(a_axis), len(b_axis))
    if landscapes.shape != wanted:
        raise ValueError(f"landscapes must have the shape {wanted}, got {tuple(landscapes.shape)}")
    square = landscapes[0].argmin()
    frames = []
    for values in landscapes:
        row, column = divmod(values.argmin().item(), len(b_axis))
        frames.append(
            {
                "map": pack_short(values),
                "best": rounded((a_axis[row], b_axis[column])),
                "lowest": round(values.min().item(), 5),
                "fromSquare": round(values.flatten()[square].item(), 5),
            }
        )
    data = {
        "frames": frames,
        "levels": rounded(band_levels(landscapes)),  # one scale, whatever m
        "shape": wanted[1:],
        "aMax": a_axis[-1].item(),
        "bMax": b_axis[-1].item(),
        "colours": DEEP,
    }
    label = "Interactive: the landscape of the loss after m steps"
    return page("m_steps_landscape", data, label=label, still=still)
