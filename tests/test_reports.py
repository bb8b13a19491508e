"""What the command shows is what there is: presets, learning curves, words for the shell."""

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from matplotlib.axes import Axes

from maml_tutorial import presets
from maml_tutorial.__main__ import main
from maml_tutorial.records import load_record


def invoke(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_the_list_is_of_tables_with_every_setting_of_every_preset():
    said = invoke("list").output
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line}
    header = said.splitlines()[0].split()
    for name in presets.PRESETS:
        assert name in rows
    assert header[-2:] == ["inner_steps", "k_shot"] or header[-2:] == ["k_shot", "inner_steps"]
    assert dict(zip(header[-2:], rows["sinusoid-k10-pretrained"][1:], strict=True)) == {
        "k_shot": "10",
        "inner_steps": "0",
    }
    assert said.count("shuffle_seed=1") == 1 and said.count("In all: ") == 4


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_learning_curve_is_drawn(tmp_path, suffix):
    file = tmp_path / f"curve.{suffix}"
    result = invoke("show", "omniglot-20w1s-6000", "--plot", file)
    assert result.exit_code == 0 and f"wrote {file}" in result.output
    begins = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert file.read_bytes().startswith(begins[suffix])


def test_the_drawn_curve_is_the_recorded_one(tmp_path, monkeypatch):
    drawn, plot = [], Axes.plot

    def noted(axis, x, y, **how):
        drawn.append((x, y))
        return plot(axis, x, y, **how)

    monkeypatch.setattr(Axes, "plot", noted)
    invoke("show", "omniglot-20w1s-6000", "--plot", tmp_path / "curve.svg")
    curve = load_record("omniglot-20w1s-6000").curve
    assert drawn == [([step for step, _ in curve], [seen["accuracy"] for _, seen in curve])]


def test_a_curve_that_cannot_be_drawn_is_refused(tmp_path):
    result = invoke("show", "omniglot-20w1s-6000", "--plot", tmp_path / "curve.docx")
    assert result.exit_code == 1 and "ends in .svg, .png, .pdf, got 'curve.docx'" in result.output
    result = invoke("show", "sinusoid-k5", "--plot", tmp_path / "curve.svg")
    assert result.exit_code == 1 and "'sinusoid-k5' has no learning curve" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("typed", "begun", "offered"),
    [
        (["train"], "sinusoid-k5", ["sinusoid-k5", "sinusoid-k5-pretrained"]),
        (["show"], "glyphs-5w1s-f", ["glyphs-5w1s-first-order"]),
        (["train", "--learner"], "proto", ["protonet", "protomaml"]),
        (["train"], "--val", ["--validate"]),
    ],
)
def test_the_shell_is_offered_what_a_word_may_become(typed, begun, offered):
    complete = ShellComplete(main, {}, "maml-tutorial", "_MAML_TUTORIAL_COMPLETE")
    assert [item.value for item in complete.get_completions(typed, begun)] == offered
