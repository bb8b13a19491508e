"""What a chapter builds by hand agrees with what `maml_tutorial` ships.

A cell with the tag `twin` defines something that the package has too. Every definition of such a
cell has a comparison here; it gets the notebook's definition and asserts that both agree.
"""

import ast
from collections.abc import Callable

import pytest
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from torch.nn.functional import mse_loss
from twins_02 import TWINS_02
from twins_05 import TWINS_05
from twins_06 import TWINS_06
from twins_11 import TWINS_11
from twins_13 import TWINS_13
from twins_14 import TWINS_14

import maml_tutorial
from maml_tutorial import MLP, SinusoidTasks, Task, init_params, make_loss
from maml_tutorial.params import copied, stacked
from tools.notebooks import find_notebooks, has_tag, read
from tools.notebooks.page import tree

Definition = ast.FunctionDef | ast.ClassDef


def sine_setting() -> tuple[maml_tutorial.models.LossFn, maml_tutorial.models.Params]:
    """The sine-wave network's loss and fresh parameters, in float64."""
    model = MLP().double()
    return make_loss(model, mse_loss), init_params(model, seed=0)


def sine_waves(n_tasks: int, generator: torch.Generator) -> Task:
    return Task(*(part.double() for part in SinusoidTasks(5, 10)(n_tasks, generator)))


def assert_same(a: maml_tutorial.models.Params, b: maml_tutorial.models.Params) -> None:
    assert list(a) == list(b)
    assert all(torch.allclose(a[name], b[name], rtol=1e-9, atol=1e-12) for name in a)


def compare_adapt(adapt: Callable) -> None:
    loss_fn, params = sine_setting()
    x, y, *_ = (part[0] for part in sine_waves(1, torch.Generator().manual_seed(0)))
    inner = {"inner_lr": 0.01, "inner_steps": 3}
    assert_same(
        adapt(loss_fn, params, x, y, **inner), maml_tutorial.adapt(loss_fn, params, x, y, **inner)
    )


def compare_maml_loss(maml_loss: Callable) -> None:
    loss_fn, params = sine_setting()
    tasks = sine_waves(4, torch.Generator().manual_seed(0))
    gradients = []
    for first_order in (False, True):
        for one in (maml_loss, maml_tutorial.maml_loss):
            loss = one(loss_fn, params, tasks, first_order=first_order, inner_lr=0.1, inner_steps=2)
            gradient = torch.autograd.grad(loss, list(params.values()))
            gradients.append(dict(zip(params, gradient, strict=True)))
    assert_same(gradients[0], gradients[1])
    assert_same(gradients[2], gradients[3])
    assert not torch.allclose(gradients[0]["2.weight"], gradients[2]["2.weight"], rtol=1e-3)


def compare_maml(maml: Callable) -> None:
    loss_fn, params = sine_setting()
    tasks = sine_waves(4, torch.Generator().manual_seed(0))
    x, y = tasks.x_support[0], tasks.y_support[0]
    for first_order in (False, True):
        ours, theirs = (
            make(loss_fn, inner_lr=0.1, inner_steps=2, first_order=first_order)
            for make in (maml, maml_tutorial.maml)
        )
        (our_loss, our_slopes), (loss, slopes) = (
            learner.gradient(params, tasks) for learner in (ours, theirs)
        )
        torch.testing.assert_close(our_loss.detach(), loss)
        torch.testing.assert_close(list(our_slopes), slopes)
        phi = theirs.learn(stacked(params, 1), x[None], y[None])
        assert_same(ours.learn(params, x, y), {name: p[0] for name, p in phi.items()})


def compare_meta_train(meta_train: Callable) -> None:
    loss_fn, params = sine_setting()
    learner = maml_tutorial.maml(loss_fn, inner_lr=0.01)
    theirs, ours = (
        train(
            learner,
            copied(params),
            sine_waves,
            meta_steps=5,
            generator=torch.Generator().manual_seed(0),
            **quiet,
        )
        for train, quiet in ((maml_tutorial.meta_train, {"progress": False}), (meta_train, {}))
    )
    assert_same(ours, theirs.params)
    assert not torch.allclose(ours["2.weight"], params["2.weight"], atol=1e-3)


def compare_sample_episode(sample_episode: Callable) -> None:
    images = torch.randint(256, (30, 20, 1, 28, 28), dtype=torch.uint8)
    for sizes in ({"n_way": 5, "k_shot": 1, "k_query": 3}, {"n_way": 3, "k_shot": 4, "k_query": 2}):
        ours = sample_episode(images, **sizes, generator=torch.Generator().manual_seed(1))
        theirs = maml_tutorial.EpisodeSampler(images, **sizes)(1, torch.Generator().manual_seed(1))
        for part, same in zip(ours, theirs, strict=True):
            assert part.dtype == same.dtype and torch.equal(part, same[0])


# (notebook's name, definition's name) -> comparison with the package's
TWINS: dict[tuple[str, str], Callable[..., None]] = {
    ("03_episodes", "sample_episode"): compare_sample_episode,
    ("07_maml_on_sine_waves", "adapt"): compare_adapt,
    ("07_maml_on_sine_waves", "maml_loss"): compare_maml_loss,
    ("07_maml_on_sine_waves", "maml"): compare_maml,
    ("07_maml_on_sine_waves", "meta_train"): compare_meta_train,
    **TWINS_02,
    **TWINS_05,
    **TWINS_06,
    **TWINS_11,
    **TWINS_13,
    **TWINS_14,
}


def twins_of(notebook: NotebookNode) -> dict[str, object]:
    """The definitions in the notebook's `twin` cells, by name, made without running the rest.

    Imports, constants in capitals and the other definitions of the notebook are there for them.
    """
    statements = [
        (statement, has_tag(cell, "twin"))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for statement in tree(cell).body
    ]
    imports = [s for s, _ in statements if isinstance(s, ast.Import | ast.ImportFrom)]
    constants = [s for s, _ in statements if isinstance(s, ast.Assign) and _in_capitals(s)]
    # A decorated function is a panel of controls: it would open here, and nobody needs it.
    helpers = [
        s for s, twin in statements if isinstance(s, Definition) and not (twin or s.decorator_list)
    ]
    twins = [s for s, twin in statements if isinstance(s, Definition) and twin]
    if not twins:
        return {}
    scope: dict[str, object] = {"__name__": "notebook"}
    # Twins come last: a later `from maml_tutorial import adapt` must not take their place.
    module = ast.Module([*imports, *constants, *helpers, *twins], [])
    exec(compile(module, "<notebook>", "exec"), scope)  # noqa: S102
    return {twin.name: scope[twin.name] for twin in twins}


def _in_capitals(statement: ast.Assign) -> bool:
    return all(isinstance(t, ast.Name) and t.id.isupper() for t in statement.targets)


FOUND = {
    (path.stem, name): twin
    for path in find_notebooks()
    if path.parent.name == "book"
    for name, twin in twins_of(read(path)).items()
}


@pytest.mark.parametrize("key", sorted(TWINS), ids="-".join)
def test_a_chapters_own_version_agrees_with_the_packages(key: tuple[str, str]) -> None:
    TWINS[key](FOUND[key])


def test_every_twin_has_its_comparison_and_every_comparison_its_twin() -> None:
    assert set(FOUND) == set(TWINS)


def test_a_twin_is_the_notebooks_and_not_the_packages() -> None:
    cells = [
        new_code_cell("import math\nLIMIT = 3\ntheta = 0\ndef half(x):\n    return x / 2"),
        new_code_cell("def dist(x):\n    return half(x) + LIMIT", metadata={"tags": ["twin"]}),
        new_code_cell("from math import dist\nassert False, 'not run'"),
    ]
    twins = twins_of(new_notebook(cells=cells))
    assert list(twins) == ["dist"]
    assert twins["dist"](2.0) == 4.0
