"""The moving figures show the package's numbers; a fault planted in a script is seen.

What a figure shows is read off it as a reader would: colours of a map, ends of lines, dots, words,
against the numbers beside the ticks. The figures are built here, small, with data of their own.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from figure_hands import Hands, Plot, opened, picture
from pytest import approx
from torch.nn.functional import mse_loss

from maml_tutorial import (
    MLP,
    GaussianPolicy,
    ImageClasses,
    Navigation,
    Task,
    acting,
    adapt,
    as_data,
    correct,
    fomaml,
    imaml,
    init_params,
    joint,
    load_weights,
    make_loss,
    maml,
    over_tasks,
    reinforce,
    reptile,
)
from maml_tutorial import figures as f
from maml_tutorial import make_predict as predictor
from maml_tutorial.figures.page import FOLDER
from maml_tutorial.navigation import Episodes
from maml_tutorial.params import stacked
from maml_tutorial.plots import COLOURS, show

pytestmark = pytest.mark.browser
PIXEL = 0.02  # in an axis's numbers; the ends of lines are drawn to a tenth of a pixel
WHITE = "rgb(255, 255, 255)"


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def rgb(name: str) -> str:
    """A colour of the book's palette, as the browser writes it."""
    red, green, blue = bytes.fromhex(COLOURS[name][1:])
    return f"rgb({red}, {green}, {blue})"


def numbers(pattern: str, text: str) -> list[float]:
    """The groups of `pattern` in `text`, which must be there."""
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in {text!r}"
    return [number(group) for group in found.groups()]


def still():
    return show(plt.figure(), alt="A drawing.")


# Two waves a·sin(x − b), with everything about them from the package's own `adapt`.

TWO = {"first wave": (3.8, 0.6), "second wave": (2.2, 1.9)}
STARTS = {"low": (1.2, 1.5), "high": (3.1, 0.9)}
A_AXIS, B_AXIS = torch.linspace(0, 5, 81), torch.linspace(0, 3.1, 81)
X_SUPPORT, X_QUERY = torch.tensor([-3.7, -1.2, 0.4, 2.6]), torch.linspace(-5, 5, 21)
RATE = 0.1


def wave_loss(params, x, y):
    """One loss a start."""
    a, b = params["a"][..., None], params["b"][..., None]
    return (a * torch.sin(x - b) - y).square().mean(dim=-1)


def on(wave, x):
    return wave[0] * torch.sin(x - wave[1])


def stepped(starts, wave, steps):
    """Where `steps` steps on a wave's support points lead from starts (a, b): `(n, 2)`."""
    params = {k: v.clone().requires_grad_() for k, v in zip("ab", starts.T, strict=True)}
    phi = adapt(wave_loss, params, X_SUPPORT, on(wave, X_SUPPORT), inner_lr=RATE, inner_steps=steps)
    return torch.stack([phi["a"], phi["b"]], dim=1).detach()


def loss_at(starts, wave, x):
    return wave_loss(dict(zip("ab", starts.T, strict=True)), x, on(wave, x))


def support_loss(wave):
    return lambda starts: loss_at(starts, wave, X_SUPPORT)


def loss_after(steps):
    """The mean query loss of both waves after `steps` steps, from starts (a, b)."""
    return lambda starts: torch.stack(
        [loss_at(stepped(starts, wave, steps), wave, X_QUERY) for wave in TWO.values()]
    ).mean(dim=0)


def on_the_grid(function):
    return function(torch.cartesian_prod(A_AXIS, B_AXIS)).view(len(A_AXIS), len(B_AXIS))


def lowest(values):
    """Where on the grid a map is lowest: (a, b)."""
    row, column = divmod(values.argmin().item(), len(B_AXIS))
    return A_AXIS[row].item(), B_AXIS[column].item()


def drag_theta():
    return f.drag_theta(
        TWO,
        torch.stack([on_the_grid(support_loss(wave)) for wave in TWO.values()]),
        a_axis=A_AXIS,
        b_axis=B_AXIS,
        x_support=X_SUPPORT,
        x_query=X_QUERY,
        inner_lr=RATE,
        starts={name: torch.tensor(start) for name, start in STARTS.items()},
        still=still(),
    )


def m_steps_landscape():
    landscapes = torch.stack([on_the_grid(loss_after(m)) for m in range(4)])
    return f.m_steps_landscape(landscapes, a_axis=A_AXIS, b_axis=B_AXIS, still=still())


def bands_are(plot: Plot, function: Callable, sharing: list[Callable]) -> None:
    """The map has the colour of the band that the loss lies in, at places not near an edge.

    All maps of `sharing` have one scale; the numbers written on a map say where its bands begin.
    """
    levels = f.band_levels(torch.stack([on_the_grid(other) for other in sharing])).numpy()
    middles = np.append((levels[1:] + levels[:-1]) / 2, levels[-1])
    ramp = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in f.DEEP])
    share = (middles - levels[0]) / (levels[-1] - levels[0])
    shades = np.stack([np.interp(share, [0, 0.5, 1], channel) for channel in ramp.T], axis=1)
    assert (np.diff(shades.sum(axis=1)) > 0).all(), "dark is low"
    starts = torch.cartesian_prod(torch.linspace(0.2, 4.8, 12), torch.linspace(0.1, 3.0, 12))
    around = torch.tensor([[0, 0], [0.05, 0.04], [-0.05, 0.04], [0.05, -0.04], [-0.05, -0.04]])
    losses = torch.stack([function(starts + shift) for shift in around]).numpy()
    bands = np.searchsorted(levels, losses, side="right") - 1
    clear = (bands == bands[0]).all(axis=0)
    wanted = bands[0, clear]
    assert clear.sum() > 60 and len(set(wanted)) > 5
    painted = plot.map(starts.flip(1).numpy()[clear])
    assert np.abs(painted - shades[wanted]).max() < 4
    written = [(word, at) for word, at in plot.words.items() if re.fullmatch(r"\d+\.\d+", word)]
    assert len(written) >= 2
    for word, (b, a) in written:
        assert min(abs(levels - number(word))) < 0.051
        foot = 4 / abs(plot.units[1][0])  # a number's foot lies four units below its middle
        there = function(torch.tensor([[a + foot, b]])).item()
        assert there == approx(number(word), abs=0.06 + 0.04 * number(word))


def the_maps_of_two_waves(hands: Hands) -> None:
    for i, (name, wave) in enumerate(TWO.items()):
        plot = hands.plot(2 * i)
        assert f"support loss, {name}" in plot.labels
        bands_are(plot, support_loss(wave), [support_loss(other) for other in TWO.values()])
        assert plot.words["★"] == approx((wave[1], wave[0]), abs=0.2)


def the_step_on_two_waves(hands: Hands) -> None:
    grid = torch.linspace(-5, 5, 101)
    for name, start in STARTS.items():
        hands.find(f"button:text-is('{name}')").click()
        theta, ends = torch.tensor([start]), []
        for i, wave in enumerate(TWO.values()):
            plot, phi = hands.plot(2 * i), stepped(theta, wave, 1)
            there = phi[0].flip(0).tolist()
            assert plot.handles[0] == approx(start[::-1], abs=PIXEL)
            # One line under the other, white and red, from the start to where the step ends.
            lines = plot.lines(WHITE) + plot.lines(rgb("vermilion"))
            assert len(lines) == 2
            for line in lines:
                assert line == approx(np.array([start[::-1], there]), abs=PIXEL)
            assert plot.dots == [approx(there, abs=PIXEL)]
            wanted = [loss_at(at, wave, X_QUERY).item() for at in (theta, phi)]
            # Below the map: the wave, and the curve before and after the step.
            drawn = hands.plot(2 * i + 1)
            points = torch.stack([X_SUPPORT, on(wave, X_SUPPORT)], 1).numpy()
            assert np.array(drawn.dots) == approx(points, abs=PIXEL)
            curves = {"the wave, and its support points": wave, "after the step": phi[0]}
            curves["curve of θ, before the step"] = start
            for said, (a, b) in curves.items():
                (line,) = drawn.lines(hands.colour(said))
                assert line == approx(torch.stack([grid, on((a, b), grid)], 1).numpy(), abs=PIXEL)
            (title,) = [label for label in drawn.labels if "query loss" in label]
            assert numbers(r"(\S+) → (\S+)", title) == approx(wanted, abs=0.0051)
            ends.append(wanted)
        said = numbers(r"(\S+) before, (\S+) after one step", hands.text(".mf-key strong"))
        assert said == approx(np.mean(ends, axis=0).tolist(), abs=0.0051)


def the_start_left_behind(hands: Hands) -> None:
    """A start that was visited stays on the maps, with its step and its losses; no other does."""
    assert hands.find(".mf-ghost").count() == 0
    low, high = STARTS.items()
    for name, start in (low, high, low):
        hands.find(f"button:text-is('{name}')").click()
        hands.press(".mf-handle >> nth=0", "Shift+ArrowLeft")
        said = hands.find(f'.mf-key li:has(span:text-is("{name}:")) .mf-number').inner_text()
        theta = torch.tensor([start])
        wanted = [loss_after(m)(theta).item() for m in (0, 1)]
        assert numbers(r"(\S+) before, (\S+) after", said) == approx(wanted, abs=0.0051)
        ghosts = hands.find(".mf-plot >> nth=0").locator(".mf-ghost").all()
        plot = hands.plot(0)
        paths = [plot.path(g.get_attribute("d")) for g in ghosts if g.get_attribute("d")]
        there = stepped(theta, TWO["first wave"], 1)[0].flip(0).tolist()
        path = np.array([start[::-1], there])
        assert any(found == approx(path, abs=PIXEL) for found in paths)
    assert len(paths) == 2


def the_landscape_after_m_steps(hands: Hands) -> None:
    for m in (0, 2):
        hands.slide("steps m", m)
        plot, values = hands.plot(), on_the_grid(loss_after(m))
        bands_are(plot, loss_after(m), [loss_after(k) for k in range(4)])
        (a, b), fixed = lowest(values), lowest(on_the_grid(loss_after(0)))
        assert plot.words["★"] == approx((b, a), abs=0.2)
        assert plot.words["■"] == approx(fixed[::-1], abs=0.2)
        star, square, _ = hands.find(".mf-key .mf-number").all_inner_texts()
        at_star = numbers(r"(\S+), at a = (\S+), b = (\S+)", star)
        assert at_star == [
            approx(values.min().item(), abs=0.0051),
            approx(a, abs=0.051),
            approx(b, abs=0.0051),
        ]
        at_square = loss_after(m)(torch.tensor([fixed])).item()
        assert number(square) == approx(at_square, abs=0.0051)
        # A tap reads the loss of a start: of the one on the grid that is nearest.
        box = hands.find(".mf-plot").bounding_box()
        for across, up in ((1.02, 3.3), (2.49, 0.91)):
            spot = [v * u[0] + u[1] for v, u in zip((across, up), plot.units, strict=True)]
            at = [v * box["width"] / plot.width for v in spot]
            hands.find(".mf-plot").click(position={"x": at[0], "y": at[1]})
            ((b, a),) = hands.plot().handles
            assert abs(b - across) < 0.03 and abs(a - up) < 0.05
            said = hands.find(".mf-key li:has(span:text-is('your start:')) .mf-number").inner_text()
            own = loss_after(m)(torch.tensor([[a, b]])).item()
            wanted = [approx(own, abs=0.01), approx(a, abs=0.06), approx(b, abs=0.01)]
            assert numbers(r"(\S+), at a = (\S+), b = (\S+)", said) == wanted
    assert "Ragged edges" in hands.text(".mf-key")


def the_start_keeps_its_name(hands: Hands) -> None:
    for height in (3, 5):  # at 5 there is no room above it
        hands.press(".mf-handle >> nth=0", *["Shift+ArrowUp"] * 8 * (height == 5))
        assert hands.plot().handles[0][1] == approx(5 if height == 5 else STARTS["low"][0], abs=0.1)
        assert hands.hidden_words() == []


# One parameter, f(x) = θx.

HAND = {"theta": 0.2, "inner_lr": 0.1, "support": (1.0, 2.0), "query": (2.0, 2.0)}


def meta_gradient():
    return f.meta_gradient(**HAND, still=still())


def line_loss(params, x, y):
    return (params["theta"] * x - y).square()


def hand_numbers(theta: float, inner_lr: float) -> dict[str, float]:
    """φ, the query loss there, and both gradients, by autograd."""
    found = {}
    for name, first_order in (("exact", False), ("first order", True)):
        params = {"theta": torch.tensor(theta, dtype=torch.float64, requires_grad=True)}
        support, query = (torch.tensor(HAND[k]).double() for k in ("support", "query"))
        phi = adapt(line_loss, params, *support, inner_lr=inner_lr, first_order=first_order)
        loss = line_loss(phi, *query)
        (slope,) = torch.autograd.grad(loss, params["theta"])
        found |= {name: slope.item(), "loss": loss.item(), "phi": phi["theta"].item()}
    return found


def both_meta_gradients(hands: Hands) -> None:
    theta = HAND["theta"]
    for inner_lr in (0.1, 0.6):  # at the second, the two gradients have opposite signs
        hands.slide("step size α", round(inner_lr / 0.05))
        wanted, plot = hand_numbers(theta, inner_lr), hands.plot(1)
        assert plot.handles[0] == approx((theta, wanted["loss"]), abs=2 * PIXEL)
        said = numbers(r"exact (\S+), first order (\S+)", hands.text(".mf-sum"))
        for name, value in zip(("exact", "first order"), said, strict=True):
            slope = wanted[name]
            assert value == approx(slope, abs=0.0051)
            (cell,) = hands.find(f'tr:has(th:text-matches("^{name}")) td').all_inner_texts()
            assert number(cell) == approx(slope, abs=0.0051)
            tangent, shaft = plot.lines(hands.colour(name))
            run, rise = tangent[1] - tangent[0]
            assert rise / run == approx(slope, abs=0.1)
            assert tangent.mean(axis=0) == approx((theta, wanted["loss"]), abs=2 * PIXEL)
            # The arrow goes from θ to where a step of a tenth of the slope leads: downhill.
            assert shaft[0][0] == approx(theta, abs=PIXEL)
            assert plot.tip(hands.colour(name))[0] == approx(theta - 0.1 * slope, abs=PIXEL)
        (curve,) = [line for line in plot.lines() if len(line) > 2]
        for t, loss in curve[::10]:
            assert loss == approx(hand_numbers(t, inner_lr)["loss"], rel=0.03, abs=0.1)
        for line, slope in zip(hands.plot(0).lines(), (theta, wanted["phi"]), strict=True):
            run, rise = line[1] - line[0]
            assert rise / run == approx(slope, abs=PIXEL)


def no_word_of_the_plots_is_hidden(hands: Hands) -> None:
    hands.slide("step size α", 20)
    hands.press(".mf-handle >> nth=1", *["Shift+ArrowRight"] * 2, *["Shift+ArrowUp"] * 4)
    assert hands.plot().handles[1] == approx((3, 4), abs=PIXEL)
    assert hands.hidden_words() == []


def an_arrow_that_leaves_the_plot(hands: Hands) -> None:
    hands.slide("step size α", 20)
    wanted, plot = hand_numbers(HAND["theta"], 1.0), hands.plot(1)
    for name in ("exact", "first order"):
        next_theta = HAND["theta"] - 0.1 * wanted[name]
        assert not -1 < next_theta < 2
        assert plot.tip(hands.colour(name))[0] == approx(next_theta, abs=PIXEL)
        said = hands.find(f'.mf-key li:has(span:text-is("{name}")) .mf-number').inner_text()
        assert numbers(r"θ → (\S+), off the plot", said) == [approx(next_theta, abs=0.0051)]


# Two parabolas ½h(φ − c)² that pull at one θ.


def who_pulls():
    return f.who_pulls(still=still())


def parabola(params, x, y):
    """The loss of a task whose one point has x = c and y = h."""
    return (y / 2 * (params["theta"] - x).square()).mean()


TASKS = Task(*(torch.tensor(v, dtype=torch.float64)[:, None] for v in ((1, -1), (1, 4)) * 2))


def pulling(alpha: float, k: int) -> dict:
    inner = {"inner_lr": alpha, "inner_steps": k}
    return {
        "exact": maml(parabola, **inner),
        "first order": fomaml(parabola, **inner),
        "implicit": imaml(parabola, inner_lr=0.1, inner_steps=40, pull=1 / alpha),
        "Reptile": reptile(parabola, **inner),
        "joint": joint(parabola, **inner),
    }


def one(theta: float) -> dict:
    return {"theta": torch.tensor(theta, dtype=torch.float64, requires_grad=True)}


def gradient(learner, theta: float, task: slice = slice(None)) -> float:
    tasks = Task(*(part[task] for part in TASKS))
    return learner.gradient(one(theta), tasks)[1][0].item()


def choose(hands: Hands, name: str) -> None:
    hands.find(f"label:text-is(' {name}') input").check()


COLOUR_OF = dict(
    zip(pulling(0.1, 1), ("vermilion", "green", "grey", "purple", "blue"), strict=True)
)


def the_pulls_at_theta(hands: Hands) -> None:
    alpha, k, theta = 0.15, 2, 0.5
    hands.slide("step size α", 14)
    hands.slide("inner steps k", k - 1)
    hands.press(".mf-handle", *["ArrowRight"] * 4)
    for name, learner in pulling(alpha, k).items():
        choose(hands, name)
        plot, colour = hands.plot(0), rgb(COLOUR_OF[name])
        assert plot.handles[0][0] == approx(theta, abs=PIXEL)
        flat, steep = (-gradient(learner, theta, slice(i, i + 1)) for i in range(2))
        mean = -gradient(learner, theta)
        wanted = {"flat task pulls": flat, "steep task pulls": steep, "mean pull": mean}
        for start, value in wanted.items():
            (word,) = [w for w in plot.words if w.startswith(start)]
            assert numbers(r"([+−]?[\d.]+)$", word) == [approx(value, abs=0.0051)]
        line = hands.text(".mf-sum >> nth=1")
        assert numbers(r"mean gradient (\S+)", line) == [approx(-mean, abs=0.0051)]
        # The arrows: one scale for all three, and each begins at θ.
        shafts = [line for line in plot.lines() if line[0][1] < -1.5]
        assert [shaft[0][0] for shaft in shafts] == approx([theta] * 3, abs=PIXEL)
        lengths = [tip[0] - theta for tip in plot.tips()]
        assert np.divide(lengths, lengths[0]) == approx(
            np.divide((flat, steep, mean), flat), abs=0.06
        )
        # φ on each task's own curve; and the end that nobody has run to is not told.
        more = {"inner_steps": 0} if name == "joint" else {}
        phi = learner.learn(stacked(one(theta), 2), *TASKS[:2], **more)["theta"]
        for at, h, c in zip(phi.tolist(), (1, 4), (1, -1), strict=True):
            where = approx((at, h / 2 * (at - c) ** 2), abs=2 * PIXEL)
            assert any(dot == where for dot in plot.dots), (name, at)
        assert plot.lines(colour) or name == "joint"
    assert hands.find(".mf-ends td").all_inner_texts() == ["?"] * 15


def the_ends_that_were_run(hands: Hands) -> None:
    for i, name in enumerate(COLOUR_OF):
        choose(hands, name)
        hands.find("button:has-text('Let it run')").click()
        assert "mean loss after 1 plain step from θ" in hands.plot(1).labels
        assert hands.find(".mf-ends td").all_inner_texts().count("?") == 3 * (4 - i)
    for alpha, k in ((0.2, 1), (0.12, 3)):
        hands.slide("step size α", round(100 * alpha) - 1)
        hands.slide("inner steps k", k - 1)
        learners, plot = pulling(alpha, k), hands.plot(1)
        after = learners["exact"]
        for name, learner in learners.items():
            first, second = (gradient(learner, float(at)) for at in (0, 1))
            end = first / (first - second)  # a gradient is a straight line here
            loss = after.gradient(one(end), TASKS)[0].item()
            share = gradient(learner, 0.0, slice(1)) / (
                gradient(learner, 0.0, slice(1)) - gradient(learner, 0.0, slice(1, 2))
            )
            said = hands.find(f"tr:has(th:text-is('{name}')) td").all_inner_texts()
            assert [number(said[0]), number(said[2])] == [
                approx(end, abs=0.0051),
                approx(loss, abs=0.00051),
            ]
            percent = numbers(r"(\d+) : (\d+)", said[1])
            assert percent == approx([100 * share, 100 - 100 * share], abs=0.51)
            assert any(dot == approx((end, loss), abs=2 * PIXEL) for dot in plot.dots), name
            assert plot.words[name][1] < 0
            drop = plot.lines(rgb(COLOUR_OF[name]))[0]
            assert drop[0] == approx((end, loss), abs=2 * PIXEL)
        curve = max(plot.lines(), key=len)
        for theta, loss in curve[::8]:
            assert loss == approx(after.gradient(one(theta), TASKS)[0].item(), rel=0.03, abs=0.01)
    assert hands.hidden_words() == []


def one_outer_step_at_a_time(hands: Hands) -> None:
    for name, learner in pulling(0.2, 2).items():
        hands.find("button:text('As at first')").click()
        hands.slide("inner steps k", 1)
        choose(hands, name)
        theta = 0.3
        for _ in range(2):
            hands.find("button:text('One outer step')").click()
            rate = 0.2 / (0.2 * 2) if name == "Reptile" else 0.2
            theta -= rate * gradient(learner, theta)
        said = numbers(r"θ = (\S+) after 2 outer steps", hands.text(".mf-sum >> nth=1"))
        assert said == [approx(theta, abs=0.0051)]


# Networks that adapt to a wave.

LEARNERS = {name: init_params(MLP(), seed=i) for i, name in enumerate(("MAML", "random start"))}


def sine_adapt():
    return f.sine_adapt(LEARNERS, inner_lr=0.02, still=still())


def the_descent_on_a_wave(hands: Hands) -> None:
    hands.slide("steps", 6)
    height, phase = hands.value("amplitude"), hands.value("phase")
    points = hands.find(".mf-handle").evaluate_all("h => h.map(e => e.ariaValueNow)")
    x = torch.tensor([[float(p)] for p in points])
    grid = torch.linspace(-5, 5, 101)[:, None]
    curves, errors = hands.plot(0), hands.plot(1)
    assert "mean squared error" in errors.labels
    for (name, params), dot in zip(LEARNERS.items(), errors.dots, strict=True):
        found = []
        for steps in range(21):
            phi = adapt(
                make_loss(MLP(), mse_loss), params, x, height * torch.sin(x - phase),
                inner_lr=0.02, inner_steps=steps, first_order=True,
            )  # fmt: skip
            predicted = predictor(MLP())(phi, grid).detach()
            found.append(mse_loss(predicted, height * torch.sin(grid - phase)).item())
            if steps == 6:
                (curve,) = curves.lines(hands.colour(name))
                assert curve == approx(torch.cat([grid, predicted], dim=1).numpy(), abs=PIXEL)
        (path,) = errors.lines(hands.colour(name))
        assert path == approx(np.array(list(enumerate(found))), abs=PIXEL)
        assert dot == approx((6, found[6]), abs=PIXEL)
        said = hands.find(f'.mf-key li:has(span:text-is("{name}")) .mf-number').inner_text()
        assert number(said) == approx(found[6], abs=0.0051)
    assert "after 6 steps" in hands.text(".mf-key")


def loud_networks():
    """Weights three times as large: with the largest step size, descent runs off."""
    louder = {name: {k: 3 * p for k, p in params.items()} for name, params in LEARNERS.items()}
    return f.sine_adapt(louder, inner_lr=0.1, still=still())


def a_descent_that_diverges(hands: Hands) -> None:
    hands.slide("steps", 20)
    assert "diverges" in hands.text(".mf-key")
    assert not re.search("NaN|Infinity", hands.drawn())
    dots = hands.plot(1).dots
    assert len(dots) == len(LEARNERS) and all(0 <= height <= 8 for _, height in dots)


def a_marker_at_the_last_step(hands: Hands) -> None:
    hands.slide("steps", 20)
    dot = hands.find(".mf-plot >> nth=1").locator(".mf-dot").last
    svg = dot.locator("xpath=ancestor::*[name()='svg']")
    painted = np.array(picture(svg))
    scale = painted.shape[1] / hands.plot(1).width
    x, y = (float(dot.get_attribute(name)) for name in ("cx", "cy"))
    left, right = (painted[int(y * scale), int((x + by) * scale)] for by in (-3, 3))
    assert (left == right).all()


def one_step_in_words(hands: Hands) -> None:
    hands.slide("steps", 1)
    hands.find("[role=status]:text('after 1 ')").wait_for(state="attached")  # said after a while
    assert hands.text("[role=status]").startswith("Error after 1 step: ")


def pretrained():
    return f.sine_adapt(
        {"pre-trained": load_weights("sinusoid-k5-pretrained")}, inner_lr=0.01, still=still()
    )


def the_first_points_are_an_ordinary_draw(hands: Hands) -> None:
    """With them the pre-trained network comes about as far as with others of the same wave."""
    height, phase = hands.value("amplitude"), hands.value("phase")
    first = hands.find(".mf-handle").evaluate_all("h => h.map(e => Number(e.ariaValueNow))")
    draws = torch.rand(60, 5, 1, generator=torch.Generator().manual_seed(0)) * 10 - 5
    params, grid = load_weights("sinusoid-k5-pretrained"), torch.linspace(-5, 5, 101)[:, None]

    def error(x, steps):
        phi = adapt(
            make_loss(MLP(), mse_loss), params, x, height * torch.sin(x - phase),
            inner_lr=0.01, inner_steps=steps, first_order=True,
        )  # fmt: skip
        return mse_loss(predictor(MLP())(phi, grid), height * torch.sin(grid - phase)).item()

    for steps in (5, 20):
        low, high = np.quantile([error(x, steps) for x in draws], (0.1, 0.9))
        assert low < error(torch.tensor(first)[:, None], steps) < high


def drag_points():
    x = torch.tensor([-4.0, -1.5, 0.5, 2.0, 4.5])
    return f.drag_points(LEARNERS, x=x, y=2 * torch.sin(x - 1), inner_lr=0.02, still=still())


def the_curves_follow_the_points(hands: Hands) -> None:
    """As `adapt` has them, against the wave that least squares find."""
    hands.drag(".mf-handle >> nth=2", 10, -40)
    grid = torch.linspace(-5, 5, 101)[:, None]
    for steps in (0, 1, 10):
        hands.find(f"label:text-is(' {steps}') input").check()
        assert f"after {steps} step" in hands.text(".mf-key")
        plot = hands.plot()
        x, y = torch.tensor(plot.handles).float().split(1, dim=1)
        waves = [torch.cat([at.sin(), at.cos()], dim=1) for at in (x, grid)]
        best = waves[1] @ torch.linalg.lstsq(waves[0], y).solution
        (thin,) = plot.lines(hands.colour("the wave that fits the points best"))
        assert thin == approx(torch.cat([grid, best], dim=1).numpy(), abs=2 * PIXEL)
        for name, params in LEARNERS.items():
            inner = {"inner_lr": 0.02, "inner_steps": steps, "first_order": True}
            phi = adapt(make_loss(MLP(), mse_loss), params, x, y, **inner)
            predicted = predictor(MLP())(phi, grid).detach()
            (curve,) = plot.lines(hands.colour(name))
            assert curve == approx(torch.cat([grid, predicted], dim=1).numpy(), abs=2 * PIXEL)
            said = hands.find(f'.mf-key li:has(span:text-is("{name}")) .mf-number').inner_text()
            assert number(said) == approx(mse_loss(predicted, best).item(), abs=0.05)


def loud_points():
    """Weights three times as large, and a large step: descent runs off."""
    louder = {name: {k: 3 * p for k, p in params.items()} for name, params in LEARNERS.items()}
    x = torch.tensor([-4.0, -1.5, 0.5, 2.0, 4.5])
    return f.drag_points(louder, x=x, y=2 * torch.sin(x), inner_lr=0.1, still=still())


def a_curve_that_runs_off_is_called_so(hands: Hands) -> None:
    hands.find("label:text-is(' 10') input").check()
    assert hands.text(".mf-key").count("diverges") == len(LEARNERS)
    assert not re.search("NaN|Infinity", hands.drawn())
    hands.find("label:text-is(' 0') input").check()
    assert "leaves the plot" in hands.text(".mf-key")


def points_on_one_place(hands: Hands) -> None:
    """No wave is the best there; the curves stay."""
    for i in range(5):
        hands.press(f".mf-handle >> nth={i}", *["Shift+ArrowLeft"] * 20)
    assert "none: the points are too close together" in hands.text(".mf-key")
    assert len(hands.plot().lines()) == len(LEARNERS)
    assert not re.search("NaN|Infinity", hands.drawn() + hands.text(".mf-key"))


# Policies that walk to a goal: quiet ones, which stay in the plot and at times arrive.

POLICY, GOAL = GaussianPolicy((8, 8)), (0.06, -0.04)


def quiet(seed: int) -> dict:
    params = {k: 0.5 * p.detach() for k, p in init_params(POLICY, seed=seed).items()}
    return params | {"log_std": torch.tensor([-1.2, -0.5])}


WALKERS = {name: quiet(seed) for seed, name in enumerate(("MAML", "pre-trained"))}
ALPHAS = {"MAML": (0.3, 0.1, 0.2), "pre-trained": (0.6, 0.3, 0.1)}


def find_the_goal():
    return f.find_the_goal(WALKERS, inner_lr=ALPHAS, goal=GOAL, still=still())


@cache
def page_noise(seed: int) -> torch.Tensor:
    """What the page draws for twenty walks of a hundred steps: `(horizon, walks, axes)`."""
    mask, state, found = 0xFFFFFFFF, seed, []
    for _ in range(8000):
        state = (state + 0x6D2B79F5) & mask
        bits = (state ^ state >> 15) * (state | 1) & mask
        bits ^= (bits + ((bits ^ bits >> 7) * (bits | 61) & mask)) & mask
        found.append(((bits ^ bits >> 14) + 0.5) / 2**32)
    far, turn = torch.tensor(found, dtype=torch.float64).view(-1, 2).T
    return ((-2 * far.log()).sqrt() * (2 * math.pi * turn).cos()).view(100, 20, 2)


def rounds(name: str, goal: tuple[float, float], updates: int, seed: int = 1) -> list[Episodes]:
    """The package's walks with the page's noise, before and after updates."""
    theta = {k: p.double().requires_grad_() for k, p in WALKERS[name].items()}
    phi, found = stacked(theta, 1), []
    for u in range(updates + 1):
        if u:
            losses, rate = over_tasks(make_loss(POLICY, reinforce)), ALPHAS[name][u - 1]
            phi = adapt(losses, phi, *as_data(found[-1]), inner_lr=rate, first_order=True)
            phi = {k: p.detach().requires_grad_() for k, p in phi.items()}
        draws, act = iter(page_noise(1000 * seed + u)), acting(POLICY, phi)

        def given(states, draws=draws, act=act):
            mean, log_std = act(states)
            return mean + log_std.exp() * next(draws), torch.full_like(mean, -40)

        at = torch.tensor([goal], dtype=torch.float64)
        found.append(Navigation().play(given, at, 20, torch.Generator()))
    return found


def paths(played: Episodes) -> list[np.ndarray]:
    """Each walk's places, and where its last step led."""
    found = []
    parts = (part[0] for part in (played.states, played.actions, played.alive))
    for states, actions, alive in zip(*parts, strict=True):
        steps = int(alive.sum())
        end = states[steps - 1] + 0.1 * actions[steps - 1].clamp(-1, 1)
        found.append(torch.cat([states[:steps], end[None]]).numpy())
    return found


def walks_and_updates(hands: Hands) -> None:
    """Walks, their mean and their returns after each update, as the package's own."""
    assert "Before an update" not in hands.text(".mf-sum")
    for updates in (1, 2):
        hands.find(f"label:text-is(' {updates}') input").check()
        the_walks(hands, GOAL, updates)


def the_walks(hands: Hands, goal: tuple[float, float], updates: int, seed: int = 1) -> None:
    away = math.hypot(*goal)
    for i, name in enumerate(WALKERS):
        played, plot, colour = rounds(name, goal, updates, seed), hands.plot(i), hands.colour(name)
        assert plot.handles[0] == approx(goal, abs=0.004)
        wanted = paths(played[-1])
        drawn = plot.lines(colour)
        assert [len(path) for path in drawn] == [len(path) for path in wanted]
        for path, places in zip(drawn, wanted, strict=True):
            assert path == approx(places, abs=0.004)
        whole = np.stack([np.pad(p, ((0, 101 - len(p)), (0, 0)), "edge") for p in wanted])
        _, way = plot.lines("rgb(0, 0, 0)")  # the square of the training's goals, and the mean
        assert way == approx(whole.mean(axis=0), abs=0.004)
        end = whole.mean(axis=0)[-1]
        if np.abs(end).max() < 0.75:  # no dot is drawn beside the plot
            assert plot.dots[-1] == approx(tuple(end), abs=0.004)
        said = hands.find(f'.mf-key li:has(span:text-is("{name}")) .mf-number').inner_text()
        arrived = int((np.abs(whole[:, -1] - goal).max(axis=1) < 0.01).sum())
        assert numbers(r"(\S+) out, (\d+) arrived", said) == [
            approx(end @ goal / away, abs=0.0051),
            arrived,
        ]
        cells = hands.find(f".mf-table td:nth-child({i + 2})").all_inner_texts()
        returns = [p.returns().mean().item() for p in played]
        assert [number(cell) for cell in cells[: updates + 1]] == approx(returns, abs=0.051)
    assert numbers(r"goal (\S+) out", hands.text(".mf-sum")) == [approx(away, abs=0.0051)]
    assert numbers(r"return (\S+)\.$", hands.text(".mf-table + p")) == [
        approx(-100 * away, abs=0.051)
    ]


def walks_to_another_goal(hands: Hands) -> None:
    """Nothing of the goal before is left; nor of the noise before."""
    hands.press("input[type=range] >> nth=0", "ArrowLeft", "ArrowLeft")
    assert hands.find(".mf-table td").all_inner_texts().count("?") == 4
    the_walks(hands, (0.02, -0.04), 1)
    hands.find("button:text('Other walks')").click()
    the_walks(hands, (0.02, -0.04), 1, seed=2)


# Letters: drawings of 4 × 4 fields, each with ink or without, no two alike.


@cache
def drawings(n: int) -> torch.Tensor:
    fields = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(n)) < 0.5
    assert len(fields.unique(dim=0)) == n
    return fields.repeat_interleave(7, dim=2).repeat_interleave(7, dim=3).float()


def fields(images: torch.Tensor) -> np.ndarray:
    return images[:, 0, 3::7, 3::7].numpy() > 0


def letter_task():
    """Two tasks of three letters, made-up answers after 0 … 3 steps, cards right by then."""
    images = drawings(12).view(2, 6, 1, 28, 28)
    labels = torch.tensor([[2, 0, 1], [1, 2, 0]])
    tasks = Task(images[:, :3], labels, images[:, 3:], labels.flip(1))
    generator = torch.Generator().manual_seed(5)
    answers = {
        name: torch.randn(2, 4, 3, 3, generator=generator).mul(1.5).softmax(dim=-1)
        for name in ("MAML", "random start")
    }
    cards = torch.tensor([[0, 2, 1, 3], [1, 0, 3, 2]])
    return tasks, answers, {"MAML": cards, "random start": 3 - cards}


def letter_adapt():
    tasks, answers, cards = letter_task()
    return f.letter_adapt(tasks, answers, cards, n_way=3, still=still())


def the_answers_to_letters(hands: Hands) -> None:
    tasks, answers, cards = letter_task()
    for name, task, steps in (("MAML", 0, 2), ("random start", 0, 1), ("random start", 1, 2)):
        if f"task {task + 1} of 2" != hands.text(".mf-row strong"):
            before = hands.value("inner steps")
            hands.find("button[aria-label='next task']").click()
            assert hands.value("inner steps") == before > 0
            assert f"after {before:.0f} step" in hands.text(".mf-sum")
        hands.find(f"label:has-text('{name}') input").check()
        hands.slide("inner steps", steps)
        support, query = tasks.y_support[task].argsort(), tasks.y_query[task].argsort()
        drawn = fields(torch.cat([tasks.x_support[task][support], tasks.x_query[task][query]]))
        assert (hands.cards(".mf-image") == drawn).all()
        given = answers[name][:, steps]  # (task, query image, class)
        right = correct(given.flatten(0, 1), tasks.y_query.flatten()).view(2, 3).int()
        loss = -given[task, range(3), tasks.y_query[task]].log().mean().item()
        said = hands.text(".mf-sum")
        assert f"{name}, after {steps} step" in said
        assert numbers(r"(\d) of 3 queries right", said) == [right[task].sum()]
        assert numbers(r"(\d) of 3 cards", said) == [cards[name][task, steps]]
        said = hands.text(".mf-sum + p")
        found = numbers(r"Query loss (\S+) \(knowing nothing: ([\d.]+)", said)
        assert found == approx([loss, np.log(3)], abs=0.0051)
        assert numbers(r"(\d) of 6 queries right", said) == [right.sum()]
        for k, row in enumerate(query):
            box = hands.find(".mf-query").nth(k)
            shares, wins = given[task, row], given[task, row].max()
            mark = "✓" if right[task, row] else "✗"
            verdict = f"{mark} says {shares.argmax()}, with {round(100 * wins.item())} %"
            assert box.locator(".mf-verdict").inner_text() == verdict
            heights = box.locator(".mf-bar").evaluate_all("b => b.map(e => e.clientHeight)")
            assert heights == approx((max(heights) * shares / wins).tolist(), abs=1)


def letters_to_play():
    """Six letters of two drawings, and three rounds of five cards: right are 3, 4 and 0."""
    images = drawings(30)
    letters = ImageClasses(images[:12].view(6, 2, 1, 28, 28), ("?",) * 6, ("Script",) * 6)
    return letters, (images[12:27].view(3, 5, 1, 28, 28), images[27:], [3, 4, 0])


def game_and_score():
    """The game, and a plot from 0 to 100 % beside it, with a line that marks both ends."""
    letters, opening = letters_to_play()
    game = f.one_shot_game(letters, opening, drawings=2, still=still())
    figure, axis = plt.subplots(figsize=(4, 3))
    axis.plot([1, 1], [0, 100], color="#123456")
    axis.set(xlim=(0, 4), ylim=(-5, 105))
    star = f.your_score(figure, axis, x=2, alt="A plot.")
    return f.LiveFigure(game.html + star.html, game.alt)


def wilson(right: int, rounds: int) -> list[float]:
    """The rates p with (right − np)² = 1.96² np(1 − p), low and high."""
    z2 = 1.96**2
    return sorted(np.roots([rounds**2 + z2 * rounds, -rounds * (2 * right + z2), right**2]).real)


def a_game_and_its_score(hands: Hands) -> None:
    _, (cards, asked, answers) = letters_to_play()
    score = Hands(hands.page, "your_score")
    right = 0
    for i, (answer, choice) in enumerate(zip(answers, (3, 0, 0), strict=True)):
        drawn = fields(torch.cat([asked[i : i + 1], cards[i]]))
        assert (hands.cards(".mf-image") == drawn).all()
        hands.find(".mf-card").nth(choice).click()
        right += choice == answer
        verdict = "✓ Right." if choice == answer else f"✗ It was card {answer}."
        assert hands.text(".mf-sum") == verdict
        outlines = hands.find(".mf-card").evaluate_all(
            "cards => cards.map(e => getComputedStyle(e).outlineColor)"
        )
        assert [colour == rgb("green") for colour in outlines] == [k == answer for k in range(5)]
        low_and_high = wilson(right, i + 1)
        said = [right, i + 1, *(round(100 * end) for end in low_and_high)]
        pattern = r"(\d) of (\d) right.*interval.*?(\d+) to (\d+) %"
        assert numbers(pattern, hands.text(".mf-score")) == said
        assert numbers(pattern, score.text(".mf-note")) == said
        # The whisker and the dot, between where 0 and 100 % are written.
        read = """f => [...f.querySelectorAll('.mf-interval :is(text, .mf-blue)')].map(e => [
          e.textContent, ...['x', 'x1', 'x2', 'cx'].map(a => parseFloat(e.getAttribute(a)))])"""
        drawn = hands.figure.evaluate(read)
        zero, hundred = (next(e[1] for e in drawn if e[0] == end) for end in ("0 %", "100 %"))
        (_, _, *ends, _), (_, _, _, _, dot) = (e for e in drawn if not e[0])
        places = [(at - zero) / (hundred - zero) for at in (*ends, dot)]
        assert places == approx([*low_and_high, right / (i + 1)], abs=0.002)
        # The same in the plot, between the ends of its own line.
        read = """f => [...f.querySelectorAll('.mf-still path')].filter(e => [
          e.style.stroke, getComputedStyle(e).stroke].includes('rgb(18, 52, 86)'))
          .concat(...f.querySelectorAll('.mf-you path')).map(e => e.getAttribute('d'))"""
        scale, whisker = (
            np.array([float(n) for n in re.findall(r"-?[\d.]+", d)]).reshape(-1, 2)[:, 1]
            for d in score.figure.evaluate(read)
        )
        places = (whisker - scale[0]) / (scale[1] - scale[0])
        assert places == approx(low_and_high, abs=0.002)
        star = float(score.find(".mf-star-you").get_attribute("y")) - 6
        assert (star - scale[0]) / (scale[1] - scale[0]) == approx(right / (i + 1), abs=0.002)
        if i < 2:
            hands.find("button:text('Next round')").click()


COATS = torch.tensor([[i % 2, i // 2 % 2, i // 4] for i in range(7)]) * 200 + 20  # red, green, blue


def game_of_animals():
    """Seven animals in two shades, each named after its colour; right are 3 and 1."""
    shades = torch.stack([COATS, COATS + 30], dim=1).byte()
    pictures = shades[..., None, None].expand(7, 2, 3, 32, 32)
    names = tuple("-".join(str(c) for c in coat) for coat in COATS.tolist())
    cards = torch.stack([pictures[[0, 1, 2, 3, 4], 0], pictures[[6, 5, 0, 2, 1], 1]])
    opening = cards, torch.stack([pictures[3, 1], pictures[5, 0]]), [3, 1]
    letters, letters_opening = letters_to_play()
    animals = ImageClasses(pictures, names, ("kin",) * 7), opening
    return f.one_shot_game(letters, letters_opening, animals=animals, drawings=2, still=still())


def a_game_of_animals(hands: Hands) -> None:
    def coat(selector: str) -> list[int]:
        image = picture(hands.find(selector))
        red, green, blue = image.getpixel((image.width // 2, image.height // 2))
        return [20 + 200 * (c > 128) for c in (red, green, blue)]

    def cards() -> list[list[int]]:
        return [coat(f".mf-card >> nth={k} >> .mf-image") for k in range(5)]

    first = cards()
    for number, (answer, choice) in enumerate(((3, 3), (1, 0)), start=1):
        assert f"Round {number} of the first 2" in hands.text(".mf-note")
        assert cards()[answer] == coat(".mf-asked .mf-image")
        for k, colours in enumerate(cards()):
            name = "-".join(str(c) for c in colours)
            assert hands.text(f".mf-card >> nth={k} >> b") == name
            label = hands.find(f".mf-card >> nth={k}").get_attribute("aria-label")
            assert label == f"card {k} {name}"
        right = cards()[answer]
        hands.find(".mf-card").nth(choice).click()
        missed = f"✗ It was card {answer}, {'-'.join(str(c) for c in right)}."
        assert hands.text(".mf-sum") == ("✓ Right." if choice == answer else missed)
        assert numbers(r"(\d) of (\d) right", hands.text(".mf-score")) == [1, number]
        hands.find("button:text('Next round')").click()
    assert hands.text(".mf-note") == "Round 3."
    hands.find("label:has-text('letters')").click()
    assert "No round with 5 cards yet" in hands.text(".mf-score")
    hands.find("label:has-text('animals')").click()
    # Who forgets the score does not get the known rounds again.
    hands.find("button:text('Forget')").click()
    assert hands.text(".mf-note") == "Round 1." and cards() != first
    shown = [coat(".mf-asked .mf-image"), *cards()]
    assert shown.count(shown[0]) == 2


# Each check, and the figure it reads.
CHECKS = {
    the_maps_of_two_waves: drag_theta,
    the_step_on_two_waves: drag_theta,
    the_start_left_behind: drag_theta,
    the_start_keeps_its_name: drag_theta,
    the_landscape_after_m_steps: m_steps_landscape,
    both_meta_gradients: meta_gradient,
    no_word_of_the_plots_is_hidden: meta_gradient,
    an_arrow_that_leaves_the_plot: meta_gradient,
    the_pulls_at_theta: who_pulls,
    the_ends_that_were_run: who_pulls,
    one_outer_step_at_a_time: who_pulls,
    the_curves_follow_the_points: drag_points,
    a_curve_that_runs_off_is_called_so: loud_points,
    points_on_one_place: drag_points,
    the_descent_on_a_wave: sine_adapt,
    a_descent_that_diverges: loud_networks,
    a_marker_at_the_last_step: sine_adapt,
    one_step_in_words: sine_adapt,
    the_first_points_are_an_ordinary_draw: pretrained,
    walks_and_updates: find_the_goal,
    walks_to_another_goal: find_the_goal,
    the_answers_to_letters: letter_adapt,
    a_game_and_its_score: game_and_score,
    a_game_of_animals: game_of_animals,
}


class Fault(NamedTuple):
    """What is planted in a script, and the check that must see it."""

    script: str
    right: str
    wrong: str
    check: Callable[[Hands], None]


DOWN = "(1 - j / (height - 1)) * (rows - 1)", "(j / (height - 1)) * (rows - 1)"
SHADES = "const stops = ramp.map", "const stops = [...ramp].reverse().map"
FAULTS = {
    "the maps upside down": Fault("plot", *DOWN, the_maps_of_two_waves),
    "the landscape upside down": Fault("plot", *DOWN, the_landscape_after_m_steps),
    "the maps' colours reversed": Fault("plot", *SHADES, the_maps_of_two_waves),
    "the landscape's colours reversed": Fault("plot", *SHADES, the_landscape_after_m_steps),
    "the landscape of another m": Fault(
        "m_steps_landscape",
        "plot.bands(frames[m].map",
        "plot.bands(frames[Math.max(0, m - 1)].map",
        the_landscape_after_m_steps,
    ),
    "a scale of its own for every m": Fault(
        "m_steps_landscape",
        "plot.bands(frames[m].map, data.shape, data.levels",
        "plot.bands(frames[m].map, data.shape, data.levels.map((v) => v / (1 + m))",
        the_landscape_after_m_steps,
    ),
    "numbers of other bands": Fault(
        "contours",
        "digits(level, level < 1 ? 2 : 1)",
        "digits(1.5 * level, level < 1 ? 2 : 1)",
        the_maps_of_two_waves,
    ),
    "the curve before the step for the one after": Fault(
        "drag_theta",
        'drawing.line(grid, curve(phi), "mf-vermilion")',
        'drawing.line(grid, curve(theta), "mf-vermilion")',
        the_step_on_two_waves,
    ),
    "a ghost without its step": Fault(
        "drag_theta",
        "ghost(plot, at, steps[i].phi)",
        "ghost(plot, at, at)",
        the_start_left_behind,
    ),
    "the star where the square is": Fault(
        "m_steps_landscape",
        "plot.text(best[1], best[0]",
        "plot.text(first[1], first[0]",
        the_landscape_after_m_steps,
    ),
    "the loss of a start before any step": Fault(
        "m_steps_landscape",
        "digits(frames[m].map[mine",
        "digits(frames[0].map[mine",
        the_landscape_after_m_steps,
    ),
    "a name above the plot": Fault(
        "plot", "dy < 0 && above < this.top + 10", "false", the_start_keeps_its_name
    ),
    "the start's name under its knob": Fault(
        "drag_theta", "dy: -18, look", "dy: 0, look", the_start_keeps_its_name
    ),
    "a word under a point": Fault(
        "meta_gradient",
        "points.clear();",
        'points.clear();\n    points.text(...state.query, "query");',
        no_word_of_the_plots_is_hidden,
    ),
    "an arrow that stops at the edge": Fault(
        "meta_gradient",
        "slopes.arrow([state.theta, height], [next,",
        "slopes.arrow([state.theta, height], [Math.min(2, Math.max(-1, next)),",
        an_arrow_that_leaves_the_plot,
    ),
    "first order's pull for the exact one": Fault(
        "who_pulls", "exact: walk * slope", "exact: slope", the_pulls_at_theta
    ),
    "a spring that is too strong": Fault(
        "who_pulls", "1 / (1 + alpha * h)", "1 / (1 + 0.5 * alpha * h)", the_pulls_at_theta
    ),
    "pulls uphill": Fault(
        "who_pulls",
        "now.map(({ gradient }) => -gradient)",
        "now.map(({ gradient }) => gradient)",
        the_pulls_at_theta,
    ),
    "φ left at θ": Fault(
        "who_pulls",
        "pulls.dot(phi, loss(phi)",
        "pulls.dot(state.theta, loss(state.theta)",
        the_pulls_at_theta,
    ),
    "ends that nobody has run": Fault(
        "who_pulls", "done = state.found.has(name)", "done = true", the_pulls_at_theta
    ),
    "ends that do not follow": Fault(
        "who_pulls",
        "endOf(name, tasks, alpha, k), -top",
        "endOf(name, tasks, 0.2, 1), -top",
        the_ends_that_were_run,
    ),
    "an end's loss before any step": Fault(
        "who_pulls",
        "((1 - alpha * h) ** k * (theta - c)) ** 2",
        "(theta - c) ** 2",
        the_ends_that_were_run,
    ),
    "flat and steep exchanged": Fault(
        "who_pulls", "(100 * share[0])", "(100 * share[1])", the_ends_that_were_run
    ),
    "Reptile with the others' step size": Fault(
        "who_pulls", "beta / (alpha * k)", "beta", one_outer_step_at_a_time
    ),
    "a step too few under the points": Fault(
        "drag_points",
        "data.innerLr, state.steps)[state.steps]",
        "data.innerLr, state.steps)[Math.max(0, state.steps - 1)]",
        the_curves_follow_the_points,
    ),
    "the wave's sine and cosine swapped": Fault(
        "drag_points",
        "a * Math.sin(x) + b * Math.cos(x)",
        "b * Math.sin(x) + a * Math.cos(x)",
        the_curves_follow_the_points,
    ),
    "a curve that runs off unsaid": Fault(
        "drag_points", 'return "diverges"', 'return ""', a_curve_that_runs_off_is_called_so
    ),
    "a wave through one place": Fault("drag_points", "det < 0.01", "det < 0", points_on_one_place),
    "an error that is no number": Fault(
        "sine_adapt", "error < 8 ? error : 8", "Math.min(error, 8)", a_descent_that_diverges
    ),
    "dots cut at the axes": Fault(
        "plot", "this.dots.append(", "this.marks.append(", a_marker_at_the_last_step
    ),
    "one steps": Fault("sine_adapt", 'state.steps === 1 ? "" : "s"', '"s"', one_step_in_words),
    "points that help the pre-trained network": Fault(
        "sine_adapt",
        "[-4.4, -1.9, -0.5, 4.1, 4.7]",
        "[-4.2, -2.2, -0.4, 1.9, 3.6]",
        the_first_points_are_an_ordinary_draw,
    ),
    "an update uphill": Fault("policy", "v - rate * by[i]", "v + rate * by[i]", walks_and_updates),
    "the first step size for all updates": Fault(
        "find_the_goal", "innerLr[u - 1], world", "innerLr[0], world", walks_and_updates
    ),
    "the walks before the update": Fault(
        "find_the_goal",
        "const { walked, way } = rounds[state.updates];\n      plot.title",
        "const { walked, way } = rounds[0];\n      plot.title",
        walks_and_updates,
    ),
    "the walks to the last goal": Fault(
        "find_the_goal",
        "{ rounds: [], policies: [learner.policies[0]] }",
        "{ policies: [learner.policies[0]] }",
        walks_to_another_goal,
    ),
    "steps forgotten with the task": Fault(
        "letter_adapt",
        "% data.nTasks;\n    deal();",
        "% data.nTasks;\n    steps.set((state.steps = 0));\n    deal();",
        the_answers_to_letters,
    ),
    "arrows uphill": Fault(
        "meta_gradient",
        "const next = state.theta - 0.1 * slope",
        "const next = state.theta + 0.1 * slope",
        both_meta_gradients,
    ),
    "a step uphill": Fault(
        "drag_theta",
        "[a - innerLr * slopeA, b - innerLr * slopeB]",
        "[a + innerLr * slopeA, b + innerLr * slopeB]",
        the_step_on_two_waves,
    ),
    "a line that leads away from the step": Fault(
        "drag_theta",
        "plot.line([theta[1], phi[1]], [theta[0], phi[0]]",
        "plot.line([theta[1], 2 * theta[1] - phi[1]], [theta[0], 2 * theta[0] - phi[0]]",
        the_step_on_two_waves,
    ),
    "exact and first order swapped in the plot": Fault(
        "meta_gradient",
        '[[now.firstOrder, "mf-green mf-dash-dotted", -top / 4, keys[1]], [now.exact,',
        '[[now.exact, "mf-green mf-dash-dotted", -top / 4, keys[1]], [now.firstOrder,',
        both_meta_gradients,
    ),
    "exact and first order swapped in the legend": Fault(
        "meta_gradient",
        'key("exact", "mf-vermilion"), key("first order", "mf-green mf-dash-dotted")',
        'key("first order", "mf-vermilion"), key("exact", "mf-green mf-dash-dotted")',
        both_meta_gradients,
    ),
    "exact and first order swapped in the table": Fault(
        "meta_gradient",
        "now.firstOrder, now.curvature, now.factor, now.exact]",
        "now.exact, now.curvature, now.factor, now.firstOrder]",
        both_meta_gradients,
    ),
    "the step's dot left at the start": Fault(
        "drag_theta",
        "plot.dot(phi[1], phi[0]",
        "plot.dot(theta[1], theta[0]",
        the_step_on_two_waves,
    ),
    "the error's dot left at the start": Fault(
        "sine_adapt", "errors.dot(state.steps,", "errors.dot(0,", the_descent_on_a_wave
    ),
    "the curves before any step": Fault(
        "sine_adapt",
        "plot.line(grid, curves[state.steps]",
        "plot.line(grid, curves[0]",
        the_descent_on_a_wave,
    ),
    "bits for nats": Fault(
        "letter_adapt", "-Math.log(Math.max", "-Math.log2(Math.max", the_answers_to_letters
    ),
    "a guesser's loss in bits": Fault(
        "letter_adapt", "Math.log(nWay)", "Math.log2(nWay)", the_answers_to_letters
    ),
    "absolute error on an axis that says squared": Fault(
        "sine_adapt",
        "(y - wave(grid[i])) ** 2",
        "Math.abs(y - wave(grid[i]))",
        the_descent_on_a_wave,
    ),
    "absolute error on two waves": Fault(
        "drag_theta",
        "(a * Math.sin(x - b) - ys[i]) ** 2)",
        "Math.abs(a * Math.sin(x - b) - ys[i]))",
        the_step_on_two_waves,
    ),
    "one wave twice in the total": Fault(
        "drag_theta", "ends.map((end) => end", "ends.map(() => ends[0]", the_step_on_two_waves
    ),
    "the other wave's query loss": Fault(
        "drag_theta",
        "loss(phi, data.xQuery, wave.query)",
        "loss(phi, data.xQuery, waves[0].query)",
        the_step_on_two_waves,
    ),
    "one task counted for all": Fault(
        "letter_adapt", "sum + rightOf(task)", "sum + rightOf(state.task)", the_answers_to_letters
    ),
    "the cards right after the last step": Fault(
        "letter_adapt",
        "cards[state.task][state.steps]",
        "cards[state.task][nSteps]",
        the_answers_to_letters,
    ),
    "the cards right a step before": Fault(
        "letter_adapt",
        "cards[state.task][state.steps]",
        "cards[state.task][Math.max(0, state.steps - 1)]",
        the_answers_to_letters,
    ),
    "the cards of the first task": Fault(
        "letter_adapt",
        "const first = state.task * 2 * nWay;",
        "const first = 0;",
        the_answers_to_letters,
    ),
    "the cards of the round before": Fault(
        "one_shot_game",
        "opening[met]",
        "opening[Math.max(0, met - 1)]",
        a_game_and_its_score,
    ),
    "the first rounds again for who forgets": Fault(
        "one_shot_game",
        "delete kept[place()];",
        "delete kept[place()]; kept.met = {};",
        a_game_of_animals,
    ),
    "the names of their neighbours": Fault(
        "one_shot_game", "names?.[classes", "names?.[1 + classes", a_game_of_animals
    ),
    "animals that score as letters": Fault(
        "one_shot_game", "(letters() ? ways() : deck)", "ways()", a_game_of_animals
    ),
    "tick and cross exchanged on answers": Fault(
        "letter_adapt", '"✓" : "✗"', '"✗" : "✓"', the_answers_to_letters
    ),
    "tick and cross exchanged in the game": Fault(
        "one_shot_game", '"✓ Right." : `✗ It', '"✗ Right." : `✓ It', a_game_and_its_score
    ),
    "an interval half as long": Fault(
        "kit", "(1.96 * Math.sqrt", "(0.98 * Math.sqrt", a_game_and_its_score
    ),
    "the game's whisker half as long": Fault(
        "one_shot_game",
        "line(low, high, 22,",
        "line((3 * low + high) / 4, (low + 3 * high) / 4, 22,",
        a_game_and_its_score,
    ),
    "the star's whisker half as long": Fault(
        "your_score",
        "`M${x1} ${y1}L${x2} ${y2}`",
        "`M${(x + x1) / 2} ${(y + y1) / 2}L${(x + x2) / 2} ${(y + y2) / 2}`",
        a_game_and_its_score,
    ),
}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    from page_checks import launched

    with launched(chromium) as started:
        yield started


@cache
def built(figure: Callable) -> str:
    return figure().html


@pytest.fixture
def hands(browser, tmp_path) -> Iterator[Callable]:
    """Hands on a page that holds one figure and nothing else."""
    with ExitStack() as stack:

        def laid_on(html: str, width: int = 1280) -> Hands:
            path = tmp_path / "page.html"
            head = '<!doctype html><meta charset="utf-8"><title>A figure</title>'
            path.write_text(f'{head}<body style="max-width: 46rem">{html}', encoding="utf-8")
            page = stack.enter_context(
                opened(browser, path.as_uri(), width=width, reduced_motion="reduce")
            )
            found = page.locator(".maml-figure").first
            assert found.get_attribute("data-state") == "live"
            return Hands(page, found.get_attribute("data-figure"))

        yield laid_on


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_figure_shows_the_packages_numbers(hands, check):
    check(hands(built(CHECKS[check])))


@pytest.mark.parametrize(
    "figure",
    [
        drag_points,
        drag_theta,
        m_steps_landscape,
        meta_gradient,
        sine_adapt,
        letter_adapt,
        who_pulls,
        find_the_goal,
    ],
)
def test_a_figure_is_large_enough_for_a_phone(hands, figure):
    laid = hands(built(figure), width=340)
    for what, least in ((".mf-plot", 240), ("input[type=range]", 160)):
        widths = laid.find(what).evaluate_all("e => e.map(e => e.getBoundingClientRect().width)")
        assert all(width >= least for width in widths), (what, widths)
    small = """f => [...f.querySelectorAll('.mf-stage *')].filter(e => parseFloat(
      getComputedStyle(e).fontSize) < 11).map(e => e.outerHTML)"""
    assert laid.figure.evaluate(small) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_planted_in_a_script_is_seen(hands, name):
    script, right, wrong, check = FAULTS[name]
    source = (FOLDER / f"{script}.js").read_text("utf-8")
    html = built(CHECKS[check])
    planted = source.count(right) == 1 and right in html
    assert planted, f"{script}.js no longer has one {right!r}: plant the fault anew"
    laid = hands(html.replace(right, wrong))
    with pytest.raises(AssertionError):
        check(laid)
