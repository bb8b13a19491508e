"""Data that people bring: tables, signals, tokens, tasks of any size; rates and losses."""

import csv
from collections import defaultdict
from functools import partial

import numpy as np
import pytest
import torch
from field_hands import THETA, WAVE_LOSS, WAVES, rng, sines, whole_way
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss, nll_loss

from maml_tutorial import (
    MLP,
    ConvNet,
    EpisodeSampler,
    Task,
    correct,
    evaluate,
    init_params,
    make_loss,
    make_predict,
    maml,
    maml_loss,
    meta_sgd,
    over_tasks,
    params_of,
    protonet,
    reptile,
    squared_error,
)
from maml_tutorial.params import stacked

# Signals, tables, tokens


def test_a_signal_is_an_image_of_height_1(tmp_path):
    signals = torch.rand(4, 5, 2, 1, 40, generator=rng())  # two channels, 40 moments
    sampler = EpisodeSampler(signals, n_way=3, k_shot=2, k_query=2)
    whole_way(ConvNet(3, n_in=2, hidden=4), cross_entropy, correct, sampler, tmp_path)
    line = nn.Sequential(nn.Flatten(2), nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Flatten())
    net = nn.Sequential(line, nn.Linear(4 * 36, 3))
    whole_way(net, cross_entropy, correct, sampler, tmp_path)


def test_a_table_in_a_file_goes_the_whole_way_with_tasks_as_long_as_they_are(tmp_path):
    path = tmp_path / "sales.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["shop", "price", "day", "sold"])
        for row in torch.rand(120, 3, generator=rng()).tolist():
            writer.writerow([f"shop {len(str(row[0])) + int(9 * row[1])}", *row])
    with path.open(newline="") as file:
        shops = defaultdict(list)
        for row in csv.DictReader(file):
            shops[row["shop"]].append([float(row[k]) for k in ("price", "day", "sold")])
    tables = [torch.tensor(rows) for rows in shops.values() if len(rows) >= 6]
    assert len({len(t) for t in tables}) > 1, "shops of unequal size"

    def sampler(n_tasks, generator):
        chosen = torch.randint(len(tables), (n_tasks,), generator=generator).tolist()
        mixed = [tables[i][torch.randperm(len(tables[i]), generator=generator)] for i in chosen]
        x, y = [t[:, :2] for t in mixed], [t[:, 2:] for t in mixed]
        return Task([t[3:] for t in x], [t[3:] for t in y], [t[:3] for t in x], [t[:3] for t in y])

    net = MLP(hidden=(8,), n_in=2)
    whole_way(net, mse_loss, squared_error, sampler, tmp_path, vectorised=False)


def test_numbers_from_numpy_need_one_conversion():
    table = np.loadtxt(["0.5,1", "0.25,2", "1,3", "2,4"], delimiter=",")
    x, y = torch.from_numpy(table).float()[None].split(1, dim=-1)
    assert maml_loss(WAVE_LOSS, THETA, Task(x, y, x, y), inner_lr=0.01).isfinite()


@pytest.mark.parametrize("lists", [False, True])
def test_a_list_of_equal_tasks_is_the_stack(lists):
    tasks, options = sines(5), {"inner_lr": 0.01, "inner_steps": 2, "vectorised": False}
    given = Task(*(list(part) for part in tasks)) if lists else tasks
    loss, gradient = maml(WAVE_LOSS, **options).gradient(THETA, given)
    expected = maml(WAVE_LOSS, inner_lr=0.01, inner_steps=2).gradient(THETA, tasks)
    torch.testing.assert_close((loss, gradient), expected)


class Tokens(nn.Module):
    """The mean of the words that a mask lets through; `forward` takes two arguments."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(11, 4), nn.Linear(4, 3)

    def forward(self, ids, mask):
        seen = mask[..., None].float()
        return self.head((self.words(ids) * seen).sum(1) / seen.sum(1))


class OneArgument(Tokens):
    """The same, with one argument that holds both."""

    def forward(self, x):
        ids, mask = (x["ids"], x["mask"]) if isinstance(x, dict) else x
        return super().forward(ids, mask)


def sentences(n_tasks, generator, *, form):
    def some():
        ids = torch.randint(11, (n_tasks, 6, 5), generator=generator)
        mask = torch.arange(5) <= torch.randint(5, (n_tasks, 6, 1), generator=generator)
        return form(ids, mask)

    y = torch.arange(3).repeat(n_tasks, 2)
    return Task(some(), y, some(), y)


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize("form", [lambda ids, mask: {"ids": ids, "mask": mask}, lambda *x: x])
@pytest.mark.parametrize("make", [Tokens, OneArgument])
def test_tokens_with_their_mask_go_the_whole_way(make, form, vectorised, tmp_path):
    sampler = partial(sentences, form=form)
    whole_way(make(), cross_entropy, correct, sampler, tmp_path, vectorised=vectorised)
    net, tasks = make(), sampler(2, rng())
    for learner in (
        reptile(make_loss(net, cross_entropy), inner_lr=0.1, inner_steps=2, vectorised=vectorised),
        protonet(make_predict(net), head=("a", "b"), n_way=3, vectorised=vectorised),
    ):
        assert learner.gradient(init_params(net, seed=0), tasks)[0].isfinite()


@pytest.mark.parametrize("form", [lambda ids, mask: {"ids": ids, "mask": mask}, lambda *x: x])
@pytest.mark.parametrize("make", [Tokens, OneArgument])
def test_a_compiled_network_takes_the_arguments_of_the_one_inside(make, form):
    net = make()
    wrapped = torch.compile(net, backend="eager")
    x = form(torch.randint(11, (6, 5), generator=rng()), torch.ones(6, 5))
    outputs = (make_predict(m)(init_params(m, seed=0), x) for m in (net, wrapped))
    torch.testing.assert_close(*outputs)


def test_the_mask_reaches_the_network():
    net = Tokens()
    tasks = sentences(2, rng(), form=lambda *x: x)
    unmasked = tasks._replace(x_query=(tasks.x_query[0], torch.ones_like(tasks.x_query[1])))
    loss_fn, params = make_loss(net, cross_entropy), init_params(net, seed=0)
    one, other = (maml_loss(loss_fn, params, t, inner_lr=0.1) for t in (tasks, unmasked))
    assert one != other


def test_padding_never_learns_in_the_loop():
    net = nn.Sequential(nn.Embedding(9, 2, padding_idx=0), nn.Flatten(), nn.Linear(10, 1))
    ids, y = torch.randint(9, (3, 5, 5), generator=rng()), torch.rand(3, 5, 1, generator=rng())
    learner = maml(make_loss(net, mse_loss), inner_lr=0.1, vectorised=False)
    _, (words, *_) = learner.gradient(init_params(net, seed=0), Task(ids, y, ids, y))
    assert (words[0] == 0).all()
    assert (words[1:] != 0).any()


# Losses, labels and rates


def test_labels_that_a_loss_passes_over_may_be_any():
    net = ConvNet(5, hidden=4)
    tasks = EpisodeSampler(torch.rand(6, 4, 1, 8, 8), n_way=5, k_shot=1, k_query=2)(3, rng())
    hidden = tasks._replace(y_query=tasks.y_query.masked_fill(tasks.y_query == 2, -1))
    theta = init_params(net, seed=0)
    for loss in (
        partial(cross_entropy, ignore_index=-1),
        nn.CrossEntropyLoss(ignore_index=-1),
        lambda o, y: nll_loss(log_softmax(o, dim=-1), y, ignore_index=-1),
    ):
        found = [
            maml_loss(make_loss(net, loss), theta, hidden, inner_lr=0.1, vectorised=v)
            for v in (True, False)
        ]
        torch.testing.assert_close(found[0], found[1])


def test_a_loss_of_labels_need_not_be_cross_entropy():
    net = ConvNet(5, hidden=4)
    tasks = EpisodeSampler(torch.rand(6, 4, 1, 8, 8), n_way=5, k_shot=1, k_query=2)(3, rng())
    logs = nn.Sequential(net, nn.LogSoftmax(dim=-1))
    theta = init_params(net, seed=0)
    named = {f"0.{name}": p for name, p in theta.items()}
    expected = maml_loss(make_loss(net, cross_entropy), theta, tasks, inner_lr=0.1)
    for loss in (nll_loss, nn.NLLLoss()):
        found = maml_loss(make_loss(logs, loss), named, tasks, inner_lr=0.1)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rate", [torch.tensor(0.01), torch.tensor([0.01]), np.float32(0.01)])
def test_a_rate_may_be_any_number(rate):
    expected = maml_loss(WAVE_LOSS, THETA, sines(), inner_lr=0.01)
    for rates in (rate, dict.fromkeys(THETA, rate)):
        torch.testing.assert_close(maml_loss(WAVE_LOSS, THETA, sines(), inner_lr=rates), expected)


def test_a_name_moves_by_its_own_rate_and_not_without():
    tasks = sines()
    rates = {"0.weight": 0.0, "2.weight": -0.01, "2.bias": torch.tensor([0.02])}
    start = stacked(THETA, 3)
    phi = maml(WAVE_LOSS, inner_lr=rates).learn(start, tasks.x_support, tasks.y_support)
    loss = over_tasks(WAVE_LOSS)(start, tasks.x_support, tasks.y_support).sum()
    for name, g in zip(start, torch.autograd.grad(loss, list(start.values())), strict=True):
        torch.testing.assert_close(phi[name], start[name] - rates.get(name, 0) * g)
    assert torch.equal(phi["0.weight"], start["0.weight"])
    assert torch.equal(phi["0.bias"], start["0.bias"])


def test_rates_with_one_tensor_a_weight_are_learnt_by_a_measured_slope():
    net = MLP(hidden=(4,)).double()
    theta, tasks = init_params(net, seed=0), sines().map(torch.Tensor.double)
    rates = {name: torch.full_like(p, 0.01).requires_grad_() for name, p in theta.items()}
    loss_fn = make_loss(net, mse_loss)
    maml_loss(loss_fn, theta, tasks, inner_lr=rates, inner_steps=2).backward()
    h, weight = 1e-6, "0.weight"
    ends = []
    for sign in (1, -1):
        moved = rates[weight].detach().clone()
        moved[1, 0] += sign * h
        ends.append(
            maml_loss(loss_fn, theta, tasks, inner_lr=rates | {weight: moved}, inner_steps=2)
        )
    slope = (ends[0] - ends[1]).item() / (2 * h)
    assert rates[weight].grad[1, 0].item() == pytest.approx(slope, rel=1e-6)
    learner = meta_sgd(loss_fn, inner_lr=0.01, inner_steps=2)
    start = learner.start(theta)
    found = dict(zip(start, learner.gradient(start, tasks)[1], strict=True))
    torch.testing.assert_close(found[f"rate.{weight}"], rates[weight].grad)


def test_a_derivative_inside_a_loss_is_taken_by_torch_func_or_in_the_loop():
    predict = make_predict(WAVES)

    def by_func(params, x, y):
        slope = torch.func.grad(lambda x: predict(params, x).sum())(x)
        return (slope - y).square().mean()

    def by_autograd(params, x, y):
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(predict(params, x).sum(), x, create_graph=True)
        return (slope - y).square().mean()

    at_once = maml(by_func, inner_lr=0.01).gradient(THETA, sines())
    looped = maml(by_autograd, inner_lr=0.01, vectorised=False).gradient(THETA, sines())
    torch.testing.assert_close(at_once, looped)


def test_more_ways_at_the_test_than_in_training_need_a_head_made_of_the_task():
    net = ConvNet(5, hidden=4)
    images = torch.rand(9, 3, 1, 8, 8, generator=rng())
    head = ("14.weight", "14.bias")
    learner = protonet(make_predict(net[:-1]), head=head, n_way=7)
    seven = EpisodeSampler(images, n_way=7, k_shot=1, k_query=2)
    result = evaluate(
        learner,
        make_predict(net),
        correct,
        params_of(net),
        seven,
        inner_steps=(0,),
        n_tasks=4,
        generator=rng(),
    )
    assert result.query[0].n_predictions == 4 * 7 * 2
