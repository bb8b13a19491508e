"""Figures are readable where they stand, and by those who cannot see them."""

import xml.etree.ElementTree as ElementTree

import matplotlib.pyplot as plt
import pytest
import torch

from maml_tutorial.evaluation import Score
from maml_tutorial.plots import (
    COLOURS,
    LEARNERS,
    draw_task,
    label_lines,
    legend_fits,
    plot_fits,
    plot_scores,
    show,
    style,
)
from maml_tutorial.tasks import Task

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("page", ["#ffffff", "#121212"])
def test_every_colour_stands_out_on_a_light_and_on_a_dark_page(name, page):
    assert contrast(COLOURS[name], page) >= 3


def test_learners_differ_in_more_than_colour():
    looks = [(look["marker"], look["linestyle"]) for look in LEARNERS.values()]
    assert len(set(looks)) == len(looks)


def draw(alt="Two lines.", **kwargs):
    with style():
        figure, axis = plt.subplots()
        plot_scores(
            axis,
            {"MAML": {0: Score(4, 0.2, 9, 9), 1: Score(1, 0.1, 9, 9)}},
            x_label="inner steps",
            y_label="mean squared error",
        )
    return show(figure, alt=alt)


def test_the_alternative_text_is_the_title_of_the_picture():
    root = ElementTree.fromstring(draw(alt='MAML & "friends" <3').svg)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == 'MAML & "friends" <3'


def test_text_stays_text_and_ink_follows_the_page():
    svg = draw().svg
    texts = [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "inner steps" in texts and "mean squared error" in texts
    assert "currentColor" in svg and "#222222" not in svg
    assert "color:#222;background:#fff" in svg, "a white card where no page sets colours"


def test_the_same_figure_is_the_same_file_and_leaves_nothing_open():
    open_before = plt.get_fignums()
    assert draw().svg == draw().svg
    assert plt.get_fignums() == open_before


def test_names_in_a_picture_are_only_those_it_refers_to():
    svg = draw().svg
    names = [e.get("id") for e in ElementTree.fromstring(svg).iter() if e.get("id")]
    assert names and all(f"#{name}" in svg for name in names)


def test_a_notebook_gets_the_picture_and_the_text():
    bundle = draw()._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"} and bundle["text/plain"] == "Two lines."


def test_a_figure_without_an_alternative_is_refused():
    with pytest.raises(ValueError, match="alt must say"):
        draw(alt="  ")


def test_the_band_is_the_interval():
    with style():
        figure, axis = plt.subplots()
        plot_scores(
            axis,
            {"MAML": {0: Score(4, 0.2, 9, 9), 1: Score(1, 0.1, 9, 9)}},
            x_label="x",
            y_label="y",
        )
    corners = {tuple(v) for v in axis.collections[0].get_paths()[0].vertices.round(6).tolist()}
    assert {(0.0, 3.8), (0.0, 4.2), (1.0, 0.9), (1.0, 1.1)} <= corners
    plt.close(figure)


def test_fits_show_the_wave_the_support_points_and_a_line_for_each_number_of_steps():
    x = torch.linspace(-5, 5, 20)[:, None]
    with style():
        figure, axis = plt.subplots()
        plot_fits(
            axis, x, x.sin(), {n: x * n for n in (0, 1, 10)}, (x[:5], x[:5]), learner="pre-trained"
        )
        legend_fits(figure)
    shown = figure.legends[0].get_texts()
    assert [t.get_text() for t in shown] == ["the wave", "0 steps", "1 step", "10 steps", "support"]
    handles = figure.legends[0].legend_handles
    styles = [line.get_linestyle() for line in axis.get_lines()]
    assert [handle.get_linestyle() for handle in handles] == styles
    # Its greys are no learner's colour of these panels, and its ink is the wave's and the points'.
    ink = axis.get_lines()[0].get_color()
    assert [handle.get_color() == ink for handle in handles] == [True, False, False, False, True]
    assert {handle.get_color() for handle in handles} == {ink, COLOURS["grey"]}
    plt.close(figure)


@pytest.mark.parametrize("width", [4.9, 6.8])
def test_the_names_of_the_fits_stay_within_the_figure(width: float):
    x = torch.linspace(-5, 5, 20)[:, None]
    with style():
        figure, axes = plt.subplots(1, 2, figsize=(width, 3.4))
        for axis in axes:
            fits = {n: x * n for n in (0, 1, 10)}
            plot_fits(axis, x, x.sin(), fits, (x[:5], x[:5]), learner="MAML")
        legend_fits(figure)
        figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    plt.close(figure)


def test_a_task_is_laid_out_with_each_image_in_the_row_of_its_label():
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 2, 2)
    task = Task(images[:2], torch.tensor([1, 0]), images[2:], torch.tensor([0, 1, 0, 1, 0, 1]))
    figure = draw_task(task, n_way=2)
    values = [
        [int(a.images[0].get_array()[0, 0]) for a in figure.axes[r * 5 : r * 5 + 5] if a.images]
        for r in range(2)
    ]
    assert values == [[1, 2, 4, 6], [0, 3, 5, 7]]
    plt.close(figure)


def test_names_beside_the_lines_keep_their_order_and_their_distance():
    with style():
        figure, axis = plt.subplots()
        axis.set_ylim(0, 1)
        for name, height in (("high", 0.9), ("low", 0.1), ("a little higher", 0.11)):
            axis.plot([0, 1], [0.5, height], label=name)
        axis.plot([0, 1], [0, 0])
        label_lines(axis, gap=0.08)
    colours = {line.get_label(): line.get_color() for line in axis.get_lines()}
    assert all(text.get_color() == colours[text.get_text()] for text in axis.texts)
    places = [(text.get_text(), text.xy[1]) for text in axis.texts]
    assert [name for name, _ in places] == ["low", "a little higher", "high"]
    heights = [height for _, height in places]
    assert heights[0] == pytest.approx(0.1) and heights[2] == pytest.approx(0.9)
    assert heights[1] - heights[0] == pytest.approx(0.08)
    plt.close(figure)
