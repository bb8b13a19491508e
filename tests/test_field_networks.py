"""Networks that people bring: drawn from a seed, trained, scored, saved, loaded, used."""

import math
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from field_hands import rng, whole_way
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import parametrizations, parametrize, weight_norm

from maml_tutorial import (
    Task,
    anil,
    boil,
    cavia,
    fomaml,
    imaml,
    init_params,
    joint,
    load_weights,
    make_loss,
    make_predict,
    maml,
    maml_loss,
    meta_sgd,
    meta_train,
    params_of,
    protomaml,
    protonet,
    reptile,
    save_weights,
    squared_error,
)

# PyTorch works through some layers one by one inside `vmap`, and warns that it is slow.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)  # for what a network draws when it is made


class Last(nn.Module):
    """A layer between a linear one and a head, which gets the mean over places."""

    def __init__(self, layer):
        super().__init__()
        self.body, self.layer, self.head = nn.Linear(3, 4), layer, nn.Linear(4, 1)

    def forward(self, x):
        h = self.body(x)
        attends = isinstance(self.layer, nn.MultiheadAttention | nn.Transformer)
        out = (
            self.layer(*(h,) * (3 if isinstance(self.layer, nn.MultiheadAttention) else 2))
            if (attends)
            else self.layer(h)
        )
        return self.head((out[0] if isinstance(out, tuple) else out).mean(1))


class Bare(nn.Module):
    """A parameter that stands in no layer, and its own way of drawing it."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(4))

    def reset_parameters(self):
        nn.init.normal_(self.scale)

    def forward(self, x):
        return self.scale * x


class OwnWeightNorm(nn.Module):
    """Weight norm without `torch._weight_norm`, whose second derivative is wrong."""

    def forward(self, size, direction):
        return size * direction / direction.norm(dim=1, keepdim=True)

    def right_inverse(self, weight):
        return weight.norm(dim=1, keepdim=True), weight


def own_weight_norm(layer):
    parametrize.register_parametrization(layer, "weight", OwnWeightNorm())
    return layer


# Each with the layer, whether it can be vectorised over tasks, and whether it attends.
LAYERS = {
    "encoder layer": (partial(nn.TransformerEncoderLayer, 4, 2, 8, 0.0, batch_first=True), 1, 1),
    "attention": (partial(nn.MultiheadAttention, 4, 2, batch_first=True), 1, 1),
    "transformer": (partial(nn.Transformer, 4, 2, 1, 1, 8, 0.0, batch_first=True), 1, 1),
    "GRU": (partial(nn.GRU, 4, 4, batch_first=True), 0, 0),
    "LSTM of two layers": (partial(nn.LSTM, 4, 2, 2, batch_first=True, bidirectional=True), 0, 0),
    "RNN": (partial(nn.RNN, 4, 4, batch_first=True), 0, 0),
    "dropout": (partial(nn.Dropout, 0.2), 0, 0),
    "running averages": (partial(nn.BatchNorm1d, 6), 0, 0),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(4, 4)), 0, 0),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(4, 4)), 1, 0),
    "own weight norm": (lambda: own_weight_norm(nn.Linear(4, 4)), 1, 0),
    "bare parameter": (Bare, 1, 0),
    "layer norm": (partial(nn.LayerNorm, 4), 1, 0),
}


def sequences(n_tasks, generator, dtype=None):
    shapes = ((6, 3), (1,), (6, 3), (1,))
    return Task(*(torch.randn(n_tasks, 5, *s, generator=generator, dtype=dtype) for s in shapes))


def exact(attends):
    return sdpa_kernel(SDPBackend.MATH) if attends else nullcontext()


@pytest.mark.parametrize("name", LAYERS)
def test_the_seed_alone_draws_every_parameter_and_the_network_keeps_its_state(name):
    make, *_ = LAYERS[name]
    one, two = Last(make()), Last(make())
    before = {key: t.clone() for key, t in one.state_dict().items()}
    drawn, again, other = (init_params(n, seed=s) for n, s in ((one, 0), (two, 0), (one, 1)))
    assert drawn.keys() == dict(one.named_parameters()).keys()
    for key, p in drawn.items():
        assert torch.equal(p, again[key]), key
        if p.ndim > 1:
            assert not torch.equal(p, other[key]), key
            assert not torch.equal(p, before[key]), key
    assert one.state_dict().keys() == before.keys()
    assert all(torch.equal(t, before[key]) for key, t in one.state_dict().items())


@pytest.mark.parametrize("name", LAYERS)
def test_it_trains_is_scored_saved_loaded_and_used(name, tmp_path):
    make, vectorised, attends = LAYERS[name]
    with exact(attends):
        whole_way(
            Last(make()), mse_loss, squared_error, sequences, tmp_path, vectorised=bool(vectorised)
        )
    assert torch.backends.mha.get_fastpath_enabled(), "PyTorch's setting is left as it was"


def slope_error(net, tasks, **options):
    """Relative difference of the exact meta-gradient from a slope measured along a way like it."""
    params, loss_fn = init_params(net, seed=0), make_loss(net, mse_loss)
    options = {"inner_lr": 0.1, "inner_steps": 2} | options
    gradient = flat(maml(loss_fn, **options).gradient(params, tasks)[1])
    chance = torch.randn(gradient.shape, generator=rng(1), dtype=gradient.dtype)
    way = gradient / gradient.norm() + chance / chance.norm()

    def at(h):
        steps = way.split([p.numel() for p in params.values()])
        moved = zip(params.items(), steps, strict=True)
        theta = {n: (p.detach() + h * d.view_as(p)).requires_grad_() for (n, p), d in moved}
        return maml_loss(loss_fn, theta, tasks, **options).item()

    measured = (at(1e-6) - at(-1e-6)) / 2e-6
    return abs((gradient @ way).item() / measured - 1)


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


@pytest.mark.parametrize("name", [n for n in LAYERS if n not in ("weight norm", "dropout")])
def test_the_exact_gradient_is_that_of_finite_differences(name):
    make, vectorised, attends = LAYERS[name]
    net = Last(make()).double()
    net.eval() if name == "spectral norm" else net.train()  # else its power iteration goes on
    with exact(attends):
        error = slope_error(net, sequences(3, rng(), torch.float64), vectorised=bool(vectorised))
    assert error < 1e-6


def test_pytorch_s_own_weight_norm_has_a_wrong_second_derivative():
    """Chapter 6 and the troubleshooting page say so: when this fails, both must change."""
    tasks, found = sequences(3, rng(), torch.float64), {}
    for name in ("weight norm", "own weight norm"):
        net = Last(LAYERS[name][0]()).double()
        learners = (m(make_loss(net, mse_loss), inner_lr=0.5) for m in (fomaml, maml))
        found[name] = [flat(m.gradient(init_params(net, seed=0), tasks)[1]) for m in learners]
    (first_order, wrong), (same, right) = found.values()
    torch.testing.assert_close(first_order, same)
    assert (wrong - right).norm() > 1e-3 * right.norm()


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
def test_old_weight_norm_starts_from_what_is_there(tmp_path):
    net = Last(weight_norm(nn.Linear(4, 4)))
    whole_way(net, mse_loss, squared_error, sequences, tmp_path, params=params_of(net))


def test_in_the_loop_each_task_has_its_own_dropout_and_none_after_eval():
    net = Last(nn.Dropout(0.5))
    theta = init_params(net, seed=0)
    twins = sequences(1, rng()).map(lambda t: t.expand(2, *t.shape[1:]))
    loss_fn = make_loss(net, mse_loss)

    def losses():
        learner = maml(loss_fn, inner_lr=0.1, vectorised=False)
        return [learner.gradient(theta, twins.part(i, i + 1))[0].item() for i in (0, 1)]

    one, two = losses()
    assert one != two
    net.eval()
    one, two = losses()
    assert one == two


def test_running_averages_are_kept_with_the_weights(tmp_path):
    net = Last(nn.BatchNorm1d(6))
    training = whole_way(net, mse_loss, squared_error, sequences, tmp_path, vectorised=False)
    path = tmp_path / "all.safetensors"
    save_weights(training.params | dict(net.named_buffers()), path)
    fresh, x = Last(nn.BatchNorm1d(6)).eval(), sequences(1, rng(5)).x_query[0]
    expected = make_predict(net)(training.params, x)
    torch.testing.assert_close(make_predict(fresh)(load_weights(path), x), expected)
    assert not torch.allclose(make_predict(fresh)(training.params, x), expected)


def test_averages_are_switched_off_by_two_buffers_not_by_the_flag():
    net = Last(nn.BatchNorm1d(6))
    x = 3 + sequences(1, rng()).x_query[0]
    net.layer.track_running_stats = False
    assert not torch.allclose(net.train()(x), net.eval()(x))
    net.layer.running_mean = net.layer.running_var = None
    torch.testing.assert_close(net.train()(x), net.eval()(x))
    maml_loss(make_loss(net, mse_loss), init_params(net, seed=0), sequences(2, rng()), inner_lr=0.1)


def test_float64_stays_float64(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(18, 1)).double()
    sampler = partial(sequences, dtype=torch.float64)
    training = whole_way(net, mse_loss, squared_error, sampler, tmp_path)
    assert all(p.dtype == torch.float64 for p in training.params.values())


# A frozen backbone, in every learner of one table

NET = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
NET[0].requires_grad_(False)
LOSS, BODY = make_loss(NET, cross_entropy), make_predict(NET[:-1])
HEAD, MIDDLE = ("4.weight", "4.bias"), ("2.weight", "2.bias")
LEARNERS = {
    "maml": maml(LOSS, inner_lr=0.1),
    "fomaml": fomaml(LOSS, inner_lr=0.1),
    "anil": anil(LOSS, head=HEAD, inner_lr=0.1),
    "boil": boil(LOSS, body=MIDDLE, inner_lr=0.1),
    "meta_sgd": meta_sgd(LOSS, inner_lr=0.1),
    "reptile": reptile(LOSS, inner_lr=0.1, inner_steps=2),
    "imaml": imaml(LOSS, inner_lr=0.1, inner_steps=2, pull=2.0),
    "joint": joint(LOSS, inner_lr=0.1),
    "protonet": protonet(BODY, head=HEAD, n_way=3),
    "protomaml": protomaml(LOSS, BODY, head=HEAD, n_way=3, inner_lr=0.1),
    "cavia": cavia(LOSS, context=["4.bias"], inner_lr=0.1),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_a_frozen_backbone_stays_bit_for_bit_in_every_learner(name):
    def sampler(n, generator):
        y = torch.arange(3).repeat(n, 2)
        return Task(*(t for _ in "sq" for t in (torch.rand(n, 6, 3, generator=generator), y)))

    learner, start = LEARNERS[name], params_of(NET)
    training = meta_train(
        learner,
        start,
        sampler,
        meta_batch_size=3,
        meta_steps=3,
        generator=rng(),
        optimizer=partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
        progress=False,
    )
    phi = learner.learn(
        {key: p.expand(2, *p.shape) for key, p in training.params.items()}, *sampler(2, rng())[:2]
    )
    for key in ("0.weight", "0.bias"):
        assert torch.equal(training.params[key], start[key])
        assert torch.equal(phi[key][1], start[key])
    assert math.isfinite(training.history[-1][1])
    assert not torch.equal(training.params["2.weight"], start["2.weight"])


def test_a_frozen_backbone_under_a_new_head_goes_the_whole_way(tmp_path):
    def sampler(n, generator):
        return sequences(n, generator).map(lambda t: t[:, :, 0] if t.ndim == 4 else t)

    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    net[0].requires_grad_(False)
    own = net[0].weight.clone()
    whole_way(net, mse_loss, squared_error, sampler, tmp_path, params=params_of(net))
    assert torch.equal(net[0].weight, own)
