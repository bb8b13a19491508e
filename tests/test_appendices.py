"""The appendices say what is so: errors in PyTorch's own words, sums that add up, names once."""

import collections
import contextlib
import doctest
import io
import itertools
import json
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from book_site import ROOT, built_book
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.nodes import make_id
from test_package import ROW
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, dropout, mse_loss
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

import maml_tutorial
from maml_tutorial import (
    EpisodeSampler,
    SinusoidTasks,
    Task,
    init_params,
    load_benchmark,
    make_loss,
    make_predict,
    maml,
    maml_loss,
)

APPENDIX = ROOT / "book" / "appendix"
CHAPTERS = sorted(ROOT.glob("book/[0-9]*.ipynb"))
STEMS = {path.stem for path in CHAPTERS}


def page(name: str) -> str:
    return (APPENDIX / f"{name}.md").read_text("utf-8")


def chapter_text(stem: str) -> str:
    cells = json.loads((ROOT / "book" / f"{stem}.ipynb").read_text("utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


# --- Troubleshooting ------------------------------------------------------------------------


class Recurrent(nn.Module):
    """A recurrent network that reads one number at a time."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.reads, self.out = kind(1, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.reads(x[:, :, None])[0][:, -1])


class Attentive(nn.Module):
    """A transformer in which the points of a task look at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(1, 4), nn.Linear(4, 1)
        self.look = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.look(self.first(x)[None]))[0]


def leaf(value: float = 1.0) -> Tensor:
    return torch.tensor(value, requires_grad=True)


def backward_without_the_inner_graph() -> None:
    theta = leaf()
    support_loss = (theta**2 - 2) ** 2
    (gradient,) = torch.autograd.grad(support_loss, theta)
    ((theta - 0.1 * gradient) ** 2 + support_loss).backward()


def differentiate_what_was_not_used() -> None:
    a, b = leaf(), leaf()
    torch.autograd.grad(a**2, [a, b])


def adapt_under_no_grad() -> None:
    net = maml_tutorial.MLP()
    params = maml_tutorial.init_params(net, seed=0)
    with torch.no_grad():
        x = torch.zeros(5, 1)
        maml_tutorial.adapt(maml_tutorial.make_loss(net, mse_loss), params, x, x, inner_lr=0.01)


def step_in_place() -> None:
    phi = leaf() * 1.0
    for _ in range(2):
        (gradient,) = torch.autograd.grad(phi**3, phi, create_graph=True)
        phi -= 0.1 * gradient
    (phi**2).backward()


def step_in_place_on_a_leaf() -> None:
    theta = leaf()
    theta -= 0.1


def optimise_adapted_parameters() -> None:
    torch.optim.SGD([leaf() * 1.0], lr=0.1)


def batch_norm_of_one_number() -> None:
    nn.BatchNorm2d(2)(torch.ones(1, 2, 1, 1))


def batch_norm_with_averages_in_vmap() -> None:
    vmap(nn.BatchNorm2d(2))(torch.ones(3, 4, 2, 3, 3))


def dropout_in_vmap() -> None:
    vmap(lambda x: dropout(x))(torch.ones(3, 4))


def recurrent_layer_in_vmap() -> None:
    vmap(lambda x: nn.LSTM(1, 2)(x)[0])(torch.ones(3, 4, 1))


def requires_grad_in_vmap() -> None:
    vmap(lambda x: x.detach().requires_grad_())(torch.ones(3))


def item_in_vmap() -> None:
    vmap(lambda x: x * x.item())(torch.ones(3))


def branch_in_vmap() -> None:
    vmap(lambda x: x if x > 0 else -x)(torch.ones(3))


def labels_of_the_wrong_type() -> None:
    cross_entropy(torch.zeros(3, 5), torch.zeros(3, dtype=torch.int32))


def labels_out_of_range() -> None:
    cross_entropy(torch.zeros(3, 5), torch.tensor([0, 5, 1]))


def shapes_that_do_not_match() -> None:
    mse_loss(torch.zeros(5, 1), torch.zeros(5))


def waves() -> Task:
    return SinusoidTasks(5, 10)(3, torch.Generator().manual_seed(0))


def meta_loss(net: nn.Module, tasks: Task | None = None, **how: bool) -> Tensor:
    """The package's loss on a network for waves, as a reader calls it."""
    params = init_params(net, seed=0)
    return maml_loss(make_loss(net, mse_loss), params, tasks or waves(), inner_lr=0.01, **how)


def network_that_cannot_be_vectorised() -> None:
    meta_loss(nn.Sequential(nn.Linear(1, 4), nn.Dropout(), nn.Linear(4, 1)))


def one_task_alone() -> None:
    meta_loss(maml_tutorial.MLP(), waves().map(lambda tensor: tensor[0]))


def targets_without_their_axis() -> None:
    flat = waves()
    y_support, y_query = flat.y_support.squeeze(-1), flat.y_query.squeeze(-1)
    meta_loss(maml_tutorial.MLP(), flat._replace(y_support=y_support, y_query=y_query))


def exact_through_attention() -> None:
    loss_fn, params = make_loss(net := Attentive(), mse_loss), init_params(net, seed=0)
    maml(loss_fn, inner_lr=0.01).gradient(params, waves())


def more_ways_at_the_test() -> None:
    net = maml_tutorial.ConvNet(5, hidden=4)
    sampler = EpisodeSampler(torch.rand(9, 3, 1, 28, 28), n_way=6, k_shot=1, k_query=1)
    maml_tutorial.evaluate(
        maml(make_loss(net, cross_entropy), inner_lr=0.4),
        make_predict(net),
        maml_tutorial.correct,
        init_params(net, seed=0),
        sampler,
        n_tasks=2,
        generator=torch.Generator().manual_seed(0),
    )


def names_with_a_prefix() -> None:
    functional_call(nn.Sequential(nn.Linear(1, 1)), {"module.0.weight": leaf()}, torch.ones(1, 1))


PROVOKED = (
    backward_without_the_inner_graph,
    differentiate_what_was_not_used,
    adapt_under_no_grad,
    step_in_place,
    step_in_place_on_a_leaf,
    optimise_adapted_parameters,
    batch_norm_of_one_number,
    batch_norm_with_averages_in_vmap,
    dropout_in_vmap,
    recurrent_layer_in_vmap,
    requires_grad_in_vmap,
    network_that_cannot_be_vectorised,
    one_task_alone,
    targets_without_their_axis,
    exact_through_attention,
    more_ways_at_the_test,
    names_with_a_prefix,
    item_in_vmap,
    branch_in_vmap,
    labels_of_the_wrong_type,
    labels_out_of_range,
    shapes_that_do_not_match,
)


def words_of(provoke: Callable[[], None]) -> str:
    """Run something wrong; return the error, or the warning, as Python prints it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            provoke()
        except (RuntimeError, ValueError, IndexError, AttributeError, UserWarning) as error:
            return f"{type(error).__name__}: {error}"
    raise AssertionError(f"{provoke.__name__} did not fail")


def quoted_errors() -> list[str]:
    blocks = re.findall(r"```text\n(.*?)```", page("troubleshooting"), re.S)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("provoke", PROVOKED)
def test_an_error_is_quoted_in_pytorchs_own_words(provoke: Callable[[], None]) -> None:
    words = words_of(provoke)
    assert sum(words.startswith(line) for line in quoted_errors()) == 1, words


def test_no_error_is_quoted_that_is_not_provoked() -> None:
    assert len(quoted_errors()) == len(set(quoted_errors())) == len(PROVOKED)


def test_each_symptom_of_the_first_table_leads_to_its_part() -> None:
    text = page("troubleshooting")
    parts = {make_id(title) for title in re.findall(r"^## (.+)$", text, re.M)}
    tables = text[: text.index("\n## ")]
    assert set(re.findall(r"\]\(#([\w-]+)\)", tables)) == parts


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", page("troubleshooting"), re.S)


def printed_by(code: str) -> list[str]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return printed.getvalue().splitlines()


STEP = "p - alpha * g"


@pytest.mark.parametrize(
    "right, wrong, last",
    [
        ("alpha=0.1", "alpha=0.1", "gradient -9 measured -9"),
        ("create_graph=True", "create_graph=False", "gradient -18 measured -9"),
        (STEP, f"({STEP}).detach().requires_grad_()", "gradient None for w"),
        (STEP, f"torch.nn.Parameter({STEP})", "gradient None for w"),
        (STEP, "p.detach() - alpha * g", "gradient -9 measured 9"),
        ("alpha=0.1", "alpha=0.0", "gradient -36 measured -36"),
    ],
    ids=["right", "first order", "new leaf", "new Parameter", "detached p", "no step"],
)
def test_the_script_on_top_shows_what_is_wrong(right: str, wrong: str, last: str) -> None:
    (code,) = snippets()
    assert right in code
    lines = printed_by(code.replace(right, wrong))
    assert lines[-1] == last
    assert (lines[0][1:] == lines[2][1:]) == (wrong == "alpha=0.0")
    if wrong in ("alpha=0.1", "create_graph=False"):
        assert f"`{last}`" in page("troubleshooting")


def test_the_script_on_top_with_all_of_phi_detached_ends_in_an_error() -> None:
    (code,) = snippets()
    with pytest.raises(RuntimeError, match="^element 0 of tensors does not require grad"):
        printed_by(code.replace(STEP, f"({STEP}).detach()"))


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "first order"])
def test_the_script_on_top_judges_a_network_with_relu(exact: bool) -> None:
    """The paper's network for waves, ten starts, a wave each: no false alarm, and none missed."""
    (code,) = snippets()
    _, rest = code.split("def loss", 1)
    rest = rest.replace('params["w"] * x - y', "predict(params, x) - y").replace("0.1", "0.01")
    rest = rest.replace("create_graph=True", f"create_graph={exact}")
    net = maml_tutorial.MLP().double()
    for seed in range(10):
        (task,) = zip(*SinusoidTasks(5, 10)(1, torch.Generator().manual_seed(seed)), strict=True)
        x_support, y_support, x_query, y_query = (part.double() for part in task)
        names = {
            "torch": torch,
            "grad": torch.autograd.grad,
            "predict": make_predict(net),
            "theta": init_params(net, seed=seed),
            "support": (x_support, y_support),
            "query": (x_query, y_query),
        }
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec("def loss" + rest, names)
        _, promised, _, measured = printed.getvalue().splitlines()[-1].split()
        off = abs(float(promised) / float(measured) - 1)
        assert (off < 2e-6) is exact and (off > 1e-3) is not exact, (seed, off)


def test_argmax_over_the_images_is_too_good_in_order_and_stuck_in_disorder() -> None:
    scores = []
    for labels in map(torch.tensor, itertools.permutations(range(5))):
        perfect = torch.eye(5)[labels]
        assert torch.equal(perfect.argmax(dim=-1), labels)
        scores.append((perfect.argmax(dim=0) == labels).float().mean().item())
    assert scores[0] == 1 and sum(scores) / len(scores) == pytest.approx(2 / 5)


def test_clipping_does_not_mend_a_gradient_that_is_no_number() -> None:
    theta = [leaf(), leaf()]
    for p, g in zip(theta, (math.nan, 1.0), strict=True):
        p.grad = torch.tensor(g)
    nn.utils.clip_grad_norm_(theta, 10.0)
    assert all(p.grad.isnan() for p in theta)


def test_weight_norm_written_out_is_pytorchs_for_linear_layers_and_convolutions() -> None:
    text = page("troubleshooting")
    for layer, formula in (
        (nn.Linear(3, 4), "g * v / v.norm(dim=1, keepdim=True)"),
        (nn.Conv2d(3, 4, 3), "g * v / v.square().sum((1, 2, 3), keepdim=True).sqrt()"),
    ):
        parts = weight_norm(layer).parametrizations.weight
        names = {"g": parts.original0, "v": parts.original1}
        assert f"`{formula}`" in text
        torch.testing.assert_close(eval(formula, names), layer.weight)


def test_the_loss_of_a_blind_guess_is_the_logarithm_of_n() -> None:
    text = page("troubleshooting")
    said = re.search(r"(\d\.\d\d) for 2 classes, (\d\.\d\d) for 5, (\d\.\d\d) for 20", text)
    assert said and said.groups() == tuple(f"{math.log(n):.2f}" for n in (2, 5, 20))
    assert cross_entropy(torch.zeros(1, 5), torch.tensor([3])).item() == pytest.approx(math.log(5))


def test_the_silent_causes_are_as_silent_as_the_page_says() -> None:
    net = nn.Linear(1, 1)
    x = torch.ones(2, 1)
    deep = nn.Sequential(net)
    misspelt = functional_call(deep, {"0.weights": torch.full((1, 1), 9.0)}, (x,))
    assert torch.equal(misspelt, net(x))  # a misspelt name is ignored
    theta = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    functional_call(net, theta, (x,)).sum().backward()
    assert net.weight.grad is None and theta["weight"].grad is not None
    theta = leaf()
    (nn.Parameter(theta * 2) ** 2).backward()  # a new Parameter cuts the graph
    assert theta.grad is None
    theta, x = leaf(0.0), torch.tensor([1.0, 2.0])
    (theta * x - 2 * x).square().mean().backward()  # the program's task: −10 stays in .grad
    (3 * (theta - 0.1 * theta.grad.clone()) - 6).square().backward()
    assert theta.grad.item() == pytest.approx(-10 - 18) == pytest.approx(-28)
    theta = leaf()
    (gradient,) = torch.autograd.grad((kept := theta**3), theta, retain_graph=True)
    (theta - gradient + kept).backward()  # the message's own advice: no error, first order
    assert theta.grad == 1 + 3


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(1, 4), nn.Dropout(), nn.Linear(4, 1)),
        Recurrent(nn.RNN),
        Recurrent(nn.LSTM),
        Recurrent(nn.GRU),
        nn.Sequential(nn.Linear(1, 4), spectral_norm(nn.Linear(4, 4)), nn.Linear(4, 1)),
        nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)),
    ],
    ids=["dropout", "RNN", "LSTM", "GRU", "spectral norm", "running averages"],
)
def test_what_cannot_be_vectorised_is_meta_trained_in_a_loop(net: nn.Module) -> None:
    with pytest.raises(ValueError, match="pass vectorised=False"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta_loss(net)
    learner = maml(make_loss(net, mse_loss), inner_lr=0.01, vectorised=False)
    loss, gradients = learner.gradient(init_params(net, seed=0), waves())
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
    assert max(g.norm() for g in gradients) > 0


def test_attention_has_an_exact_gradient_by_the_plain_formula_and_a_first_order_one_anyway() -> (
    None
):
    loss_fn, params = make_loss(net := Attentive(), mse_loss), init_params(net, seed=0)
    with sdpa_kernel(SDPBackend.MATH):
        exact = maml(loss_fn, inner_lr=0.01).gradient(params, waves())[1]
    first = maml(loss_fn, inner_lr=0.01, first_order=True).gradient(params, waves())[1]
    assert 0 < (exact[0] - first[0]).norm() < exact[0].norm()


def test_a_loss_that_differentiates_is_written_with_torch_func() -> None:
    predict = make_predict(net := maml_tutorial.MLP())
    tasks, params = waves(), init_params(net, seed=0)

    def slope_loss(differentiate):
        return lambda params, x, y: (differentiate(params, x) - y).square().mean()

    def by_autograd(params, x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(predict(params, x).sum(), x, create_graph=True)[0]

    def by_func(params, x):
        return torch.func.grad(lambda x: predict(params, x).sum())(x)

    with pytest.raises(ValueError, match="requires_grad_"):
        maml_loss(slope_loss(by_autograd), params, tasks, inner_lr=0.01)
    torch.testing.assert_close(
        maml_loss(slope_loss(by_func), params, tasks, inner_lr=0.01),
        maml_loss(slope_loss(by_autograd), params, tasks, inner_lr=0.01, vectorised=False),
    )


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.BatchNorm1d(8, track_running_stats=False)])
def test_only_an_inner_gradient_alone_inside_vmap_goes_wrong(norm: nn.Module) -> None:
    net = nn.Sequential(nn.Linear(1, 8), norm, nn.Tanh(), nn.Linear(8, 1)).double()
    loss_fn, params = make_loss(net, mse_loss), init_params(net, seed=3)
    tasks = tuple(part.double() for part in waves())

    def one_task(params, x_support, y_support, x_query, y_query):
        g = torch.func.grad(loss_fn)(params, x_support, y_support)
        return loss_fn({name: p - 0.2 * g[name] for name, p in params.items()}, x_query, y_query)

    def by_vmap(params):
        return vmap(one_task, in_dims=(None, 0, 0, 0, 0))(params, *tasks).mean()

    def flat(gradients) -> Tensor:
        return torch.cat([g.detach().flatten() for g in gradients])

    values = [*params.values()]
    loss = torch.stack([one_task(params, *task) for task in zip(*tasks, strict=True)]).mean()
    right = flat(torch.autograd.grad(loss, values))
    both_inside = vmap(torch.func.grad(one_task), in_dims=(None, 0, 0, 0, 0))(params, *tasks)
    torch.testing.assert_close(flat(g.mean(0) for g in both_inside.values()), right)
    if torch.__version__.startswith("2.14"):  # it may be mended in another torch
        by_autograd = flat(torch.autograd.grad(by_vmap(params), values))
        by_func = flat(torch.func.grad(by_vmap)(params).values())
        for wrong in (by_autograd, by_func):
            assert (wrong - right).norm() > 1e-4 * right.norm()


def test_averages_that_are_there_are_used_whatever_the_option_says() -> None:
    x, norm = 3 * torch.randn(8, 3), nn.BatchNorm1d(3)
    norm.track_running_stats = False
    assert not torch.allclose(norm.train()(x), norm.eval()(x), atol=0.1)
    norm.running_mean = norm.running_var = None
    assert torch.equal(norm.train()(x), norm.eval()(x))


def test_a_dataset_becomes_tasks_by_its_classes() -> None:
    dataset = [(torch.full((1, 28, 28), float(c)), c) for c in (0, 1, 2) for _ in range(2 + c)]
    sort = "for x, y in dataset: by_class[int(y)].append(x)"
    recipe = "[torch.stack(by_class[c]) for c in sorted(by_class)]"
    assert sort in page("troubleshooting") and recipe in page("troubleshooting")
    names = {"torch": torch, "dataset": dataset, "by_class": collections.defaultdict(list)}
    exec(sort, names)
    classes = eval(recipe, names)
    assert [len(some) for some in classes] == [2, 3, 4]
    tasks = EpisodeSampler(classes, n_way=3, k_shot=1, k_query=1)(4, torch.Generator())
    for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
        shown = {int(y): x.mean() for x, y in zip(x_s, y_s, strict=True)}
        assert all(x.mean() == shown[int(y)] for x, y in zip(x_q, y_q, strict=True))


def test_rows_of_a_table_become_tasks_by_a_function() -> None:
    rows = torch.rand(40, 2)
    groups = rows.view(4, 10, 2)  # the column that names the task

    def sampler(n_tasks: int, generator: torch.Generator) -> Task:
        picked = []
        for group in torch.randint(4, (n_tasks,), generator=generator):
            drawn = groups[group][torch.randperm(10, generator=generator)]
            picked.append((drawn[:3, :1], drawn[:3, 1:], drawn[3:, :1], drawn[3:, 1:]))
        return Task(*map(torch.stack, zip(*picked, strict=True)))

    learner = maml(make_loss(net := maml_tutorial.MLP(), mse_loss), inner_lr=0.01)
    start, generator = init_params(net, seed=0), torch.Generator()
    training = maml_tutorial.meta_train(
        learner, start, sampler, meta_steps=2, generator=generator, progress=False
    )
    assert training.params.keys() == start.keys()


def test_half_precision_is_as_far_off_as_the_page_says() -> None:
    off = []
    for net, loss, sampler, inner_lr in (
        (maml_tutorial.MLP(), mse_loss, SinusoidTasks(), 0.01),
        (
            maml_tutorial.ConvNet(5, hidden=16),
            cross_entropy,
            EpisodeSampler(maml_tutorial.load_glyphs("train").images, n_way=5, k_shot=1, k_query=3),
            0.4,
        ),
    ):
        learner, start = maml(make_loss(net, loss), inner_lr=inner_lr), init_params(net, seed=0)
        tasks = sampler(2, torch.Generator().manual_seed(0))
        full = torch.cat([g.flatten() for g in learner.gradient(start, tasks)[1]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = torch.cat([g.flatten() for g in learner.gradient(start, tasks)[1]])
        off.append(((half - full).norm() / full.norm()).item())
    assert 0.002 < min(off) and max(off) < 0.05


def test_the_recipes_for_ones_own_data_and_network_work(tmp_path: Path) -> None:
    net, tasks = maml_tutorial.MLP(), waves()
    one = tasks.map(lambda tensor: tensor[0])
    assert meta_loss(net, one.map(lambda tensor: tensor[None])).isfinite()
    uneven = Task(*([part[0][:3], part[1]] for part in tasks))
    assert meta_loss(net, uneven, vectorised=False).isfinite()

    classes = [torch.rand(n, 1, 28, 28) for n in (3, 9, 4)]
    assert (
        EpisodeSampler(classes, n_way=3, k_shot=1, k_query=2)(2, torch.Generator()).x_support.shape[
            1
        ]
        == 3
    )
    signals = EpisodeSampler(torch.rand(4, 3, 1, 1, 64), n_way=2, k_shot=1, k_query=1)
    small = maml_tutorial.ConvNet(2, hidden=4)
    loss_fn, start = make_loss(small, cross_entropy), init_params(small, seed=0)
    assert maml_loss(loss_fn, start, signals(2, torch.Generator()), inner_lr=0.4).isfinite()

    net[0].requires_grad_(False)
    params = maml_tutorial.params_of(net)
    training = maml_tutorial.meta_train(
        maml(make_loss(net, mse_loss), inner_lr=0.01),
        params,
        SinusoidTasks(),
        meta_steps=2,
        generator=torch.Generator(),
        progress=False,
    )
    maml_tutorial.save_weights(training.params, tmp_path / "mine.safetensors")
    kept = maml_tutorial.load_weights(tmp_path / "mine.safetensors")
    assert torch.equal(kept["0.weight"], net[0].weight) and not kept["0.weight"].requires_grad
    assert not torch.equal(kept["4.weight"], net[4].weight) and kept["4.weight"].requires_grad


def test_the_shares_and_factors_of_too_good_are_right() -> None:
    def zero_error(low: float, high: float) -> float:
        return (high**3 - low**3) / (3 * (high - low)) / 2

    assert "22.6 %" in page("troubleshooting") and f"{1 - (19 / 20) ** 5:.1%}" == "22.6%"
    assert round(zero_error(0.1, 5.0) / zero_error(0.1, 0.5), -1) == 80


def test_messages_of_our_own_are_quoted_as_they_are() -> None:
    code = "".join(path.read_text("utf-8") for path in ROOT.glob("maml_tutorial/*.py"))
    quoted = re.findall(r"^- \*\*`([^`]+)`\*\*", page("troubleshooting"), re.M)
    assert len(quoted) == 2 and all(words in code for words in quoted)


# --- The paper beside its code --------------------------------------------------------------


def half_width(p: float, n: int, spread: float, n_tasks: int = 600) -> float:
    return 100 * 1.96 * math.sqrt((p * (1 - p) / n + spread**2) / n_tasks)


def test_the_arithmetic_of_the_two_intervals_is_right() -> None:
    text = page("paper_and_code")
    for said, n, spread in (("1.90", 5, 0.08), ("0.79", 75, 0.08)):
        assert f"±{said} %" in text and f"{half_width(0.487, n, spread):.2f}" == said


def test_the_formula_of_the_two_intervals_is_what_score_measures() -> None:
    generator = torch.Generator().manual_seed(0)
    p = (0.487 + 0.08 * torch.randn(600, 1, generator=generator)).clamp(0, 1)
    for n in (5, 75):
        right = (torch.rand(600, n, generator=generator) < p).float()
        measured = 100 * maml_tutorial.score(right).interval
        assert measured == pytest.approx(half_width(0.487, n, 0.08), rel=0.12)


def test_the_two_alphas_of_the_paper_are_the_same_step_of_a_mean() -> None:
    outputs, labels = torch.randn(10, 5), torch.arange(5).repeat(2)  # 5-way 2-shot
    summed = cross_entropy(outputs, labels, reduction="sum") / 2
    assert summed.item() == pytest.approx(5 * cross_entropy(outputs, labels).item(), rel=1e-5)
    assert 5 * 0.4 == pytest.approx(20 * 0.1)


# --- Glossary -------------------------------------------------------------------------------


def entries() -> Iterator[tuple[str, str]]:
    for block in page("glossary").split("\n### ")[1:]:
        term, text = block.split("\n", 1)
        yield term, text.split("\n## ")[0].strip()


def test_the_anchors_of_the_glossary_are_the_same_in_the_book_and_on_github() -> None:
    terms = [term for term, _ in entries()]
    github = [re.sub(r"[^\w -]", "", term.lower()).replace(" ", "-") for term in terms]
    assert [make_id(term) for term in terms] == github
    assert len(set(github)) == len(github) and 60 <= len(github) <= 150


def listed_on_top() -> list[tuple[str, str]]:
    return re.findall(r"\[([^\]]+)\]\(#([\w-]+)\)", page("glossary").split("\n## ")[0])


def test_the_list_on_top_of_the_glossary_leads_to_every_term_in_order() -> None:
    listed = [(word, anchor) for word, anchor in listed_on_top() if "*" not in word]
    terms = sorted((term for term, _ in entries()), key=str.lower)
    assert listed == [(term, make_id(term)) for term in terms]
    words = [word.strip("*").lower() for word, _ in listed_on_top()]
    assert words == sorted(set(words))


def test_a_word_of_others_leads_to_the_entry_that_says_it() -> None:
    texts = {make_id(term): text.lower() for term, text in entries()}
    others = [(word.strip("*"), anchor) for word, anchor in listed_on_top() if "*" in word]
    assert len(others) > 9
    assert [word for word, anchor in others if word.lower() not in texts[anchor]] == []


@pytest.mark.parametrize("term, text", list(entries()))
def test_a_term_has_a_few_sentences_and_its_chapter(term: str, text: str) -> None:
    said, end = text.rsplit(" →\u00a0", 1)
    found = re.fullmatch(r"\[chapter (\d+)\]\(\.\./(\d\d_\w+)\.ipynb\)", end)
    assert found and int(found[2][:2]) == int(found[1]) and found[2] in STEMS
    assert 1 <= len(re.findall(r"[.?!](?=\s|$|\))", said)) <= 3
    assert term.lower().split()[0] in chapter_text(found[2]).lower()


# --- The package, name by name --------------------------------------------------------------


def api_page() -> BeautifulSoup:
    html = (built_book().html / "book" / "appendix" / "api.html").read_text("utf-8")
    return BeautifulSoup(html, "html.parser")


def described() -> dict[str, str]:
    """Return each described name's text, without those of its attributes."""
    signs = api_page().select("section > dl.py > dt.sig")
    return {
        sign["id"].removeprefix("maml_tutorial."): " ".join(
            sign.find_next_sibling("dd").get_text(" ").split()
        )
        for sign in signs
    }


def test_every_public_name_is_described_exactly_once() -> None:
    signs = [sign["id"] for sign in api_page().select("section > dl.py > dt.sig")]
    assert sorted(signs) == sorted(f"maml_tutorial.{name}" for name in maml_tutorial.__all__)


def test_every_public_name_says_where_it_comes_from() -> None:
    origin = "Introduced in chapter", "Used by the command"
    assert [name for name, text in described().items() if not any(o in text for o in origin)] == []


def test_docstrings_are_rendered_and_not_shown_raw() -> None:
    shown = api_page()
    for code in shown.select("code, pre"):
        code.decompose()
    prose = " ".join(dd.get_text(" ") for dd in shown.select("section > dl.py > dd"))
    assert "`" not in prose and "$" not in prose and "**" not in prose
    assert len(api_page().select("dl.py .math")) >= 5
    for name, text in described().items():
        has_example = ">>>" in (getattr(maml_tutorial, name).__doc__ or "")
        assert (">>>" in text) == has_example, name


def test_modules_stand_in_the_order_in_which_data_flows() -> None:
    titles = [h2.get_text().strip("#") for h2 in api_page().select("article h2")]
    modules = [title.split(".")[1].rstrip("\N{PILCROW SIGN}") for title in titles]
    assert modules == sorted(modules, key=lambda module: ROW[module])


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "book" / "assets"))


def test_the_first_chapter_that_uses_a_name_introduces_it(extension: None, tmp_path) -> None:
    from introductions import chapters_of

    cell = {"cell_type": "code", "metadata": {}, "source": "from maml_tutorial import MLP"}
    for stem in ("02_later", "01_first", "03_last"):
        (tmp_path / f"{stem}.ipynb").write_text(json.dumps({"cells": [cell]}), "utf-8")
    assert chapters_of(tmp_path)["MLP"] == "01_first"


@pytest.mark.parametrize("module", ["api_reference", "introductions"])
def test_the_examples_of_the_directive_hold(module: str, extension: None) -> None:
    __import__(module)
    failed, attempted = doctest.testmod(sys.modules[module])
    assert attempted > 0 and failed == 0


def test_accuracies_of_a_record_are_shown_in_per_cent_and_errors_are_not(extension: None) -> None:
    from records_table import record_block

    path = ROOT / "maml_tutorial" / "data" / "sinusoid-k5.json"
    record = json.loads(path.read_text("utf-8"))
    assert "%" not in record_block(record)[2].astext()
    label = "letters 5-way 1-shot, transductive"
    record["config"]["n_way"] = 5
    record["scores"] = {label: {"0": [0.2, 0.004, 1000, 25000], "1": [0.8432, 0.0071, 1000, 25000]}}
    shown = record_block(record)[2].astext()
    assert "84.3 ± 0.7\u202f%" in shown and "20.0 ± 0.4\u202f%" in shown


def cells_of(table) -> list[list[str]]:
    return [[cell.astext() for cell in row.children] for row in table.findall(nodes.row)]


def test_the_scores_of_a_record_stand_by_test_and_protocol(extension: None) -> None:
    from records_table import scores_table

    score = [0.9, 0.01, 1000, 9]
    scores = {
        "Omniglot, transductive": {"0": [0.2, 0.01, 1000, 9], "1": score},
        "Omniglot, inductive": {"1": [0.8, 0.01, 1000, 9]},
        "Omniglot, upright, transductive": {"1": [0.7, 0.01, 1000, 9]},
    }
    assert cells_of(scores_table(scores, percent=True)) == [
        ["inner steps", "transductive", "inductive"],
        ["Omniglot (1\u202f000 tasks)"],
        ["0", "20.0 ± 1.0\u202f%", "–"],
        ["1", "90.0 ± 1.0\u202f%", "80.0 ± 1.0\u202f%"],
        ["Omniglot, upright (1\u202f000 tasks)"],
        ["1", "70.0 ± 1.0\u202f%", "–"],
    ]
    waves = {
        "5-shot": {"1": [0.34567, 0.0189, 1000, 10, 0.1234, 2], "10": [None, None, 9, 9, None, 9]}
    }
    assert cells_of(scores_table(waves)) == [
        ["inner steps", "mean squared error", "median", "diverged"],
        ["5-shot (1\u202f000 tasks)"],
        ["1", "0.346 ± 0.019", "0.123", "2"],
        ["10", "all 9 diverged", "–", "9"],
    ]


def test_every_score_of_every_record_stands_on_its_page(extension: None) -> None:
    from records_table import percentage, record_block, score

    for path in (ROOT / "maml_tutorial" / "data").glob("*.json"):
        record = json.loads(path.read_text("utf-8"))
        show = percentage if "n_way" in record["config"] else score
        cells = [cell for row in cells_of(record_block(record)[2]) for cell in row]
        for by_steps in record["scores"].values():
            for value in by_steps.values():
                assert show(value).split(", median")[0] in cells


def test_a_folded_command_is_the_command(extension: None) -> None:
    from records_table import folded

    for path in (ROOT / "maml_tutorial" / "data").glob("*.json"):
        command = json.loads(path.read_text("utf-8"))["command"]
        lines = folded(command).splitlines()
        assert max(map(len, lines)) <= 68
        assert folded(command).replace(" \\\n    ", " ") == command


def test_the_memory_of_a_meta_step_is_as_the_results_page_says() -> None:
    text = page("results")
    assert "four to eight times the memory" in text and "with one task at a time" in text
    assert "and 1.8 with a second process" in text
    cases = load_benchmark("meta_step")["cases"]
    assert round(cases[[*cases][-1]]["times faster than higher"]["ours, 2 processes"], 1) == 1.8
    for name, case in cases.items():
        assert case["ms"]["ours"] < case["ms"]["higher"]
        if "sine" not in name:
            by_chunk, higher = case["by chunk"], case["peak MB"]["higher"]
            assert 0.9 < by_chunk["peak MB"]["1"] / higher < 1.25
            assert 0.8 < by_chunk["ms"]["1"] / case["ms"]["higher"] < 1.3
            if "conv" in name:
                assert 4 <= case["peak MB"]["ours"] / higher < 8.5


def test_the_line_of_a_record_has_the_score_of_its_first_test(extension: None) -> None:
    from records_table import headline, summary

    paths = sorted((ROOT / "maml_tutorial" / "data").glob("*.json"))
    records = [json.loads(path.read_text("utf-8")) for path in paths]
    shown = {record["name"]: headline(record) for record in records}
    assert shown["omniglot-20w1s"] == ("88.8 ± 0.4\u202f%", "5")
    assert shown["omniglot-5w1s"][1] == "3" and shown["sinusoid-k5-pretrained"][1] == "1"
    assert len(summary(records).astext().split("omniglot-5w5s")) == 2
    rows = cells_of(summary(records))
    lines = {row[0]: [cell.replace("\xa0", " ") for cell in row[1:]] for row in rows}
    assert lines["sinusoid-k5-pretrained"] == ["2.551 ± 0.048", "2.41", "70\u202f000 in 3 min"]
    first = ["81.2 ± 0.6", "89.4 ± 0.5", "2\u202f000 in 16 min"]
    assert lines["omniglot-20w1s-first-order"] == first
    assert lines["omniglot-5w1s-full"][2] == "60\u202f000 in 8 min on a GPU"
    for record in records:  # the page: exact, unless the name says otherwise
        config = record["config"]
        assert record["name"].endswith("-first-order") == config["first_order"]
        assert record["name"].endswith("-pretrained") == (config["inner_steps"] == 0)
    assert [row[0] for row in rows if len(row) == 1] == [
        "Sine waves: mean squared error, after 1 inner step",
        "Animals and letters, 5-way 1-shot: accuracy in %, transductive, after 1 or 5 inner steps",
        "Omniglot: accuracy in %, transductive, after 3 or 5 inner steps",
    ]
    assert len(rows) == 1 + 3 + len(records)
    lead = page("results").split("```{records}")[0]
    for name in ("sinusoid-k5", "sinusoid-k5-first-order", "sinusoid-k5-pretrained"):
        assert lines[name][0].split()[0] in lead
    for name in ("glyphs-5w1s", "omniglot-20w1s"):
        pair = [lines[name + order][0] for order in ("-first-order", "")]
        steps = lines[name][2].split(" in ")[0].replace("\u202f", "")
        assert re.search(rf"{' beside '.join(pair)} % after {steps}\b", lead)


def test_the_papers_number_beside_a_record_stands_on_the_papers_page(extension: None) -> None:
    from records_table import PAPER

    text, names = page("paper_and_code"), {p.stem for p in (ROOT / "maml_tutorial/data").iterdir()}
    assert PAPER.keys() <= names and all(number in text for number in PAPER.values())
    maml = [PAPER[f"omniglot-{task}"] for task in ("5w1s", "5w5s", "20w1s")]
    assert f"| MAML | {' | '.join(maml)} |" in text  # each in its own column


def test_the_lines_above_the_tables_name_the_machines() -> None:
    text = page("results")
    paths = sorted((ROOT / "maml_tutorial" / "data").glob("*.json"))
    records = [json.loads(path.read_text("utf-8")) for path in paths]
    gpu, cpu = ([r for r in records if ("NVIDIA" in r["device"]) is on] for on in (True, False))
    assert {r["device"] for r in gpu} == {"NVIDIA H200"}
    assert {r["device"].removeprefix("2 processes, each on ") for r in cpu} == {
        "x86_64 CPU, 1 thread",
        "x86_64 CPU, 2 threads",
    }
    torches = [{r["versions"]["torch"] for r in some} for some in (cpu, gpu)]
    assert torches == [{"2.14.1"}, {"2.11.0"}]
    assert "x86-64, one or two threads, PyTorch 2.14.1" in text
    assert "one NVIDIA H200, PyTorch 2.11.0" in text
    bench = load_benchmark("meta_step")
    assert bench["machine"]["processor"] == "x86_64" and bench["machine"]["cores"] == 2
    assert bench["versions"]["torch"] == "2.14.1"
    for name, case in bench["cases"].items():
        assert case["threads"] == (1 if "sine" in name else 2)
    assert "two cores; one thread on sine waves, two on images; PyTorch 2.14.1" in text
    for grown in bench["growth"].values():  # the loop: the faster with one task, not with four
        tasks = grown["meta_batch_size"]
        columns = (tasks[key] for key in ("meta_batch_size", "ours", "loop"))
        for n, ours, loop in zip(*columns, strict=True):
            assert n == 2 or (loop < ours) == (n == 1)


def test_a_record_says_its_memory_where_that_was_measured(extension: None) -> None:
    from records_table import record_block

    path = ROOT / "maml_tutorial" / "data" / "sinusoid-k5.json"
    record = json.loads(path.read_text("utf-8"))
    assert "MiB" not in record_block(record)[3].astext()
    assert "memory 1\u202f224 MiB a process" in record_block(record | {"peak_mb": 1224})[3].astext()


def test_the_papers_number_stands_beside_every_run_of_its_preset(extension: None) -> None:
    from records_table import of_paper, summary

    paths = (ROOT / "maml_tutorial" / "data").glob("*.json")
    rows = cells_of(summary([json.loads(path.read_text("utf-8")) for path in paths]))
    paper = {row[0]: row[2].replace("\xa0", " ") for row in rows if len(row) > 1}
    assert paper["omniglot-5w1s"] == paper["omniglot-5w1s-full"] == "98.7 ± 0.4"
    assert paper["omniglot-20w1s-6000"] == "95.8 ± 0.3"
    assert paper["omniglot-20w1s-first-order"] == "89.4 ± 0.5"
    assert paper["sinusoid-k5-first-order"] == paper["glyphs-5w1s"] == "–"
    config = {"first_order": False, "learner": "maml", "validate": False}
    maml = {"preset": "omniglot-5w1s", "config": config}
    assert of_paper(maml) == "omniglot-5w1s"
    for other in ({"learner": "reptile"}, {"validate": True}):  # its numbers are of MAML's tests
        assert of_paper(maml | {"config": config | other}) == ""


def test_a_record_says_that_a_gpu_was_allowed_to_round(extension: None) -> None:
    from records_table import record_block

    for name, said in (("omniglot-5w1s", False), ("omniglot-5w1s-full", True)):
        path = ROOT / "maml_tutorial" / "data" / f"{name}.json"
        shown = record_block(json.loads(path.read_text("utf-8")))[3].astext()
        assert ("NVIDIA H200, with TF32; memory 483 MiB" in shown) is said


# --- First page, map, README ----------------------------------------------------------------


def chapters_of_the_contents() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [file for file in files if re.match(r"book/\d", file)]


def test_the_map_leads_to_every_chapter_in_order() -> None:
    picture = (ROOT / "book" / "assets" / "map.svg").read_text("utf-8")
    assert re.findall(r'href="(.+?)\.html"', picture) == chapters_of_the_contents()
    titles = re.findall(r"<title>(.+?)</title>", picture)
    numbers = [int(file.removeprefix("book/")[:2]) for file in chapters_of_the_contents()]
    assert len(titles) == 1 and all(f" {n} " in titles[0] for n in numbers)


def test_the_first_page_gives_each_chapters_own_times() -> None:
    text = (ROOT / "index.md").read_text("utf-8")
    for chapter in chapters_of_the_contents():
        row = re.search(rf"\]\({chapter}\.ipynb\)<br>.*\? \| (.+?) \|", text)
        assert row, f"{chapter} has no row"
        stem = chapter.removeprefix("book/")
        said = re.search(r"\*\*Time\*\*.*?(\d+) minutes.*?(\d+) seconds", chapter_text(stem))
        assert said, f"{stem}: no times in its opening box"
        assert row[1].replace("\u00a0", " ") == f"{said[1]} min · {said[2]} s"


def test_the_map_of_the_readme_names_every_chapter_and_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    table = text[text.index("## The map") : text.index("## Without a GPU")]
    links = re.findall(r"\]\(([^)]+)\)", table)
    missing = [link for link in links if not (ROOT / link).exists()]
    assert missing == []
    assert [f"{name}.ipynb" for name in chapters_of_the_contents()] == [
        link for link in links if link.endswith(".ipynb")
    ]


def test_the_pictures_of_the_readme_are_there_and_light() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    names = set(re.findall(r'src(?:set)?="([^"]+)"', text))
    assert len(names) == 6
    assert all((ROOT / name).stat().st_size < 500_000 for name in names)
    assert all(re.search(r'alt="[^"]{20,}"', tag) for tag in re.findall(r"<img [^>]*>", text))
