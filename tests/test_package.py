"""The package keeps its rules: one direction of imports, documented names, a working command."""

import ast
import inspect
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from few import few_tests

import maml_tutorial
from maml_tutorial import presets
from maml_tutorial.__main__ import main
from maml_tutorial.glyphs import load_glyphs
from maml_tutorial.records import load_record
from maml_tutorial.weights import load_weights
from tools.order import rows

PACKAGE = Path(maml_tutorial.__file__).parent
PROTOCOLS = ("inductive", "transductive")
# A module imports only from the rows before its own, or from its own row.
ROW = {module: i for i, row in enumerate(rows()) for module in row}


def imports_of(source):
    """Modules of the package that a module's source imports."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (n.split(".")[1] for n in names if n.startswith("maml_tutorial."))


def wrong_imports(module, source):
    return [other for other in imports_of(source) if ROW[other] > ROW[module]]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_data_flows_one_way(path):
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert wrong_imports(module, path.read_text(encoding="utf-8")) == []


def test_the_order_names_every_module_once_and_nothing_else():
    there = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert sorted(module for row in rows() for module in row) == sorted(there)


def test_an_import_against_the_flow_would_be_seen():
    assert wrong_imports("adapt", "from maml_tutorial.training import meta_train") == ["training"]
    assert wrong_imports("adapt", "import maml_tutorial.plots") == ["plots"]


@pytest.mark.parametrize("name", maml_tutorial.__all__)
def test_every_public_name_has_a_docstring(name):
    assert len(inspect.getdoc(getattr(maml_tutorial, name)) or "") > 40


# The example of `load_omniglot` would need the data; tests/test_omniglot.py runs it for real.
FUNCTIONS = [
    name
    for name in maml_tutorial.__all__
    if inspect.isfunction(getattr(maml_tutorial, name)) and name != "load_omniglot"
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_executed_example(name):
    assert ">>>" in inspect.getdoc(getattr(maml_tutorial, name))


@pytest.mark.parametrize("options", [[], ["--first-order"]])
def test_the_command_writes_a_record_that_says_it_is_unfinished(tmp_path, monkeypatch, options):
    few_tests(monkeypatch, presets.Sinusoid, 1000)
    arguments = ["train", "sinusoid-k5", "--meta-steps", "20", "--seed", "3", *options]
    result = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (path,) = tmp_path.glob("*.json")
    record = load_record(path.stem, tmp_path)
    assert load_weights(path.stem, tmp_path)["0.weight"].shape == (40, 1)
    assert (record.steps_done, record.steps_planned) == (20, 70_000)
    assert record.command.split()[3:5] == ["train", "sinusoid-k5"]
    assert ("--first-order" in record.command) is bool(options)
    assert record.config["first_order"] is bool(options)
    assert record.seeds == {"init": 3, "train": 4, "test": 5, "curve": 6}
    assert str(record.scores["5-shot"][1]) in result.output


def test_an_unknown_preset_is_named_with_those_there_are():
    result = CliRunner().invoke(main, ["train", "sinusoid-k7"])
    assert result.exit_code == 2
    assert "'sinusoid-k7'" in result.output and "sinusoid-k10" in result.output


def test_a_run_on_letters_is_judged_on_both_sources_and_by_both_protocols(tmp_path, monkeypatch):
    few_tests(monkeypatch, presets.Glyphs, 4)
    monkeypatch.setattr(presets.Glyphs, "test_steps", (0, 1))
    letters = load_glyphs("test")
    monkeypatch.setattr(presets, "load_omniglot", lambda split: letters)
    arguments = ["train", "glyphs-5w1s", "--meta-steps", "2", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    record = load_record("glyphs-5w1s", tmp_path)
    assert sorted(record.scores) == [
        f"{source} 5-way 1-shot, {protocol}"
        for source in ("Omniglot", "letters")
        for protocol in PROTOCOLS
    ]
    assert all(s.n_predictions == 4 * 25 for by in record.scores.values() for s in by.values())
    assert load_weights("glyphs-5w1s", tmp_path)["0.weight"].shape == (32, 1, 3, 3)
    # Before adaptation both protocols guess; on the same tasks they differ afterwards.
    one, other = (
        record.scores[f"letters 5-way 1-shot, {p}"] for p in ("transductive", "inductive")
    )
    assert one[1] != other[1]


def test_a_run_on_letters_never_trains_on_the_letters_it_is_tested_on(monkeypatch):
    monkeypatch.setattr(presets, "load_omniglot", lambda split: load_glyphs("validation"))
    run = presets.PRESETS["glyphs-5w1s"]
    trained = run.sampler().images
    assert torch.equal(trained, load_glyphs("train").images)
    for test in run.tests():
        unseen = load_glyphs("test" if test.label.startswith("letters") else "validation").images
        assert torch.equal(test.sampler.images, unseen)


def test_without_omniglot_the_other_tests_of_a_run_are_kept(tmp_path, monkeypatch):
    def out_of_reach(split):
        raise ConnectionError("no network; there are three ways out")

    few_tests(monkeypatch, presets.Glyphs, 4)
    monkeypatch.setattr(presets.Glyphs, "test_steps", (0, 1))
    monkeypatch.setattr(presets, "load_omniglot", out_of_reach)
    arguments = ["train", "glyphs-5w1s", "--meta-steps", "1", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and "three ways out" in result.output
    assert len(load_record("glyphs-5w1s", tmp_path).scores) == 2
