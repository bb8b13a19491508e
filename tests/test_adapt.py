"""The inner loop is plain gradient descent, and differentiable."""

import pytest
import torch
from torch.func import functional_call, vmap
from torch.nn.functional import mse_loss

from maml_tutorial.adapt import adapt
from maml_tutorial.models import MLP, init_params, make_loss
from maml_tutorial.tasks import SinusoidTasks

MODEL = MLP()
LOSS = make_loss(MODEL, mse_loss)


def double_params(seed=0):
    return {
        n: p.detach().double().requires_grad_() for n, p in init_params(MODEL, seed=seed).items()
    }


def double_tasks(n_tasks=4):
    return [v.double() for v in SinusoidTasks(5, 5)(n_tasks, torch.Generator().manual_seed(0))]


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("inner_steps", [1, 2, 5])
def test_the_steps_are_those_of_torch_optim_sgd(inner_steps, first_order):
    x, y, *_ = (v[0] for v in double_tasks())
    params = double_params()
    adapted = adapt(
        LOSS, params, x, y, inner_lr=0.05, inner_steps=inner_steps, first_order=first_order
    )
    model = MLP().double()
    model.load_state_dict(params)
    sgd = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(inner_steps):
        sgd.zero_grad()
        mse_loss(model(x), y).backward()
        sgd.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(adapted[name], p, rtol=1e-12, atol=1e-14)


def test_a_meta_batch_adapts_each_task_as_if_it_were_alone():
    x, y, *_ = double_tasks()
    params = double_params()
    start = {n: p.expand(4, *p.shape) for n, p in params.items()}
    together = adapt(vmap(LOSS), start, x, y, inner_lr=0.05, inner_steps=3)
    for i in range(4):
        alone = adapt(LOSS, params, x[i], y[i], inner_lr=0.05, inner_steps=3)
        for name in params:
            torch.testing.assert_close(together[name][i], alone[name], rtol=1e-12, atol=1e-14)


def test_the_old_parameters_stay_and_keep_no_gradient():
    params = double_params()
    before = {n: p.detach().clone() for n, p in params.items()}
    x, y, *_ = (v[0] for v in double_tasks())
    adapt(LOSS, params, x, y, inner_lr=0.05)
    assert all(torch.equal(before[n], p) and p.grad is None for n, p in params.items())


def test_no_steps_return_the_parameters_themselves():
    params = double_params()
    x, y, *_ = (v[0] for v in double_tasks())
    adapted = adapt(LOSS, params, x, y, inner_lr=0.05, inner_steps=0)
    assert all(adapted[n] is params[n] for n in params)


def test_it_needs_nothing_of_a_model_but_a_loss():
    params = {"centre": torch.tensor([3.0, -2.0], requires_grad=True)}
    adapted = adapt(
        lambda p, x, y: (p["centre"] - x).square().sum(),
        params,
        torch.tensor([1.0, 1.0]),
        torch.tensor(0.0),
        inner_lr=0.5,
    )
    torch.testing.assert_close(adapted["centre"], torch.tensor([1.0, 1.0]))


def test_only_exact_adaptation_carries_second_derivatives():
    # L = θ⁴: φ = θ − 4αθ³, so dφ/dθ is 1 − 12αθ² (exact) or 1 (first order).
    for first_order, expected in ((False, 1 - 12 * 0.01 * 4), (True, 1.0)):
        theta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        phi = adapt(
            lambda p, x, y: p["theta"] ** 4,
            {"theta": theta},
            theta,
            theta,
            inner_lr=0.01,
            first_order=first_order,
        )["theta"]
        assert torch.autograd.grad(phi, theta)[0].item() == pytest.approx(expected, rel=1e-12)


def squares(params, x, y):
    return params["body"].square().sum() + params["head"].square().sum()


def body_and_head(frozen=()):
    return {
        name: torch.tensor([2.0, -1.0], requires_grad=name not in frozen)
        for name in ("body", "head")
    }


def stepped(params, **options):
    adapted = adapt(squares, params, torch.zeros(1), torch.zeros(1), **options)
    return {name: p.tolist() for name, p in adapted.items()}


def test_rates_by_name_move_those_names_alone_each_weight_at_its_own():
    assert stepped(body_and_head(), inner_lr={"head": 0.25}) == {
        "body": [2.0, -1.0],
        "head": [1.0, -0.5],
    }
    rates = {"body": torch.tensor([0.25, 0.5]), "head": 0.5}
    assert stepped(body_and_head(), inner_lr=rates) == {"body": [1.0, 0.0], "head": [0.0, 0.0]}


def test_what_is_frozen_stays_and_can_have_no_rate():
    params = body_and_head(frozen=["body"])
    assert stepped(params, inner_lr=0.25, inner_steps=2) == {
        "body": [2.0, -1.0],
        "head": [0.5, -0.25],
    }
    with pytest.raises(ValueError, match="'body', which is frozen"):
        stepped(params, inner_lr={"body": 0.25})
    with pytest.raises(ValueError, match="requires a gradient: nothing can learn"):
        stepped(body_and_head(frozen=["body", "head"]), inner_lr=0.25)


def test_a_spring_pulls_back_to_the_start():
    # θ = 2, L = φ² + λ/2 (φ − θ)²: the first step feels no spring, the second λ (φ − θ).
    first = 2 - 0.1 * 4
    second = first - 0.1 * (2 * first + 3 * (first - 2))
    (found, _) = stepped(body_and_head(), inner_lr=0.1, inner_steps=2, pull=3.0)["body"]
    assert found == pytest.approx(second)


def test_functional_call_alone_gives_the_same_loss():
    params = double_params()
    x, y, *_ = (v[0] for v in double_tasks())
    torch.testing.assert_close(
        LOSS(params, x, y), mse_loss(functional_call(MLP(), params, (x,)), y)
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"inner_steps": -1}, "inner_steps .* got -1"),
        ({"inner_steps": 1.5}, "inner_steps .* got 1.5"),
        ({"inner_lr": 0.0}, "inner_lr .* got 0.0"),
        ({"inner_lr": float("nan")}, "inner_lr .* got nan"),
        ({"inner_lr": {"0.weights": 0.1}}, "did you mean '0.weight'"),
        ({"inner_lr": {"0.bias": torch.ones(3)}}, r"rate of '0.bias' has the shape \(3,\)"),
    ],
)
def test_bad_settings_are_named(options, named):
    x, y, *_ = (v[0] for v in double_tasks())
    with pytest.raises(ValueError, match=named):
        adapt(LOSS, double_params(), x, y, **{"inner_lr": 0.01, **options})
