"""The meta-gradient, held against three independent oracles in float64.

A per-task loop that shares no line with the package, finite differences, and closed forms; for
exact and first order, 1 and 5 steps, with and without batch norm.
"""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.maml import maml_loss
from maml_tutorial.models import MLP, ConvNet, init_params, make_loss
from maml_tutorial.tasks import SinusoidTasks, Task

RELATIVE = 1e-8


class LayerNormNet(nn.Sequential):
    """A small network with layer norm, which the vectorised second derivative gets wrong too."""

    def __init__(self):
        super().__init__(nn.Linear(1, 12), nn.LayerNorm(12), nn.Tanh(), nn.Linear(12, 1))


def sine_tasks():
    return Task(*(v.double() for v in SinusoidTasks(5, 6)(3, torch.Generator().manual_seed(1))))


def image_tasks():
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(9, 8, 1, 28, 28, generator=generator, dtype=torch.float64)
    tasks = EpisodeSampler(images, n_way=3, k_shot=1, k_query=2)(2, generator)
    return tasks._replace(x_support=tasks.x_support.double(), x_query=tasks.x_query.double())


CASES = {
    "MLP": (MLP(), mse_loss, sine_tasks, 0.05),
    "layer norm": (LayerNormNet(), mse_loss, sine_tasks, 0.05),
    "conv net with batch norm": (ConvNet(3, hidden=4), cross_entropy, image_tasks, 0.1),
}


@pytest.fixture(params=CASES)
def case(request):
    model, loss, tasks, inner_lr = CASES[request.param]
    params = {n: p.detach().double() for n, p in init_params(model, seed=3).items()}
    return model.double(), loss, tasks(), inner_lr, params


steps = pytest.mark.parametrize("inner_steps", [1, 5])
orders = pytest.mark.parametrize("first_order", [False, True], ids=["exact", "first order"])


def package_gradient(case, inner_steps, first_order):
    model, loss, tasks, inner_lr, params = case
    leaves = {n: p.clone().requires_grad_() for n, p in params.items()}
    maml_loss(
        make_loss(model, loss),
        leaves,
        tasks,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        first_order=first_order,
    ).backward()
    return flat(p.grad for p in leaves.values())


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def unflat(vector, like):
    parts = vector.split([p.numel() for p in like.values()])
    return {n: v.view_as(p) for (n, p), v in zip(like.items(), parts, strict=True)}


def loop_adapt(model, loss, params, x, y, inner_lr, inner_steps, create_graph):
    for _ in range(inner_steps):
        value = loss(functional_call(model, params, (x,)), y)
        slopes = torch.autograd.grad(value, tuple(params.values()), create_graph=create_graph)
        params = {n: p - inner_lr * s for (n, p), s in zip(params.items(), slopes, strict=True)}
    return params


def loop_loss(case, vector, inner_steps):
    """The objective at the parameters `vector`, one task after the other."""
    model, loss, tasks, inner_lr, like = case
    total = 0.0
    for xs, ys, xq, yq in zip(*tasks, strict=True):
        params = {n: p.requires_grad_() for n, p in unflat(vector.clone(), like).items()}
        params = loop_adapt(model, loss, params, xs, ys, inner_lr, inner_steps, False)
        total += loss(functional_call(model, params, (xq,)), yq).item()
    return total / len(tasks.x_support)


def relative_error(a, b):
    return ((a - b).norm() / b.norm()).item()


@steps
@orders
def test_it_agrees_with_a_per_task_loop(case, inner_steps, first_order):
    model, loss, tasks, inner_lr, params = case
    gradients = []
    for xs, ys, xq, yq in zip(*tasks, strict=True):
        theta = {n: p.clone().requires_grad_() for n, p in params.items()}
        if first_order:
            # By definition: the gradient of the query loss where the inner loop ends.
            phi = loop_adapt(model, loss, theta, xs, ys, inner_lr, inner_steps, False)
            at = {n: p.detach().requires_grad_() for n, p in phi.items()}
            value = loss(functional_call(model, at, (xq,)), yq)
        else:
            at = theta
            phi = loop_adapt(model, loss, theta, xs, ys, inner_lr, inner_steps, True)
            value = loss(functional_call(model, phi, (xq,)), yq)
        gradients.append(flat(torch.autograd.grad(value, tuple(at.values()))))
    expected = torch.stack(gradients).mean(0)
    assert relative_error(package_gradient(case, inner_steps, first_order), expected) < RELATIVE


@steps
def test_the_exact_gradient_agrees_with_finite_differences(case, inner_steps):
    theta = flat(case[-1].values())
    gradient = package_gradient(case, inner_steps, first_order=False)
    assert_slopes_agree(lambda at: loop_loss(case, at, inner_steps), theta, gradient)


@steps
def test_the_first_order_gradient_agrees_with_finite_differences(case, inner_steps):
    # First order takes what adaptation added, φ − θ, for a constant: differences with it frozen.
    model, loss, tasks, inner_lr, params = case
    theta = flat(params.values())
    added = []
    for xs, ys in zip(tasks.x_support, tasks.y_support, strict=True):
        start = {n: p.clone().requires_grad_() for n, p in params.items()}
        phi = loop_adapt(model, loss, start, xs, ys, inner_lr, inner_steps, False)
        added.append(flat(p.detach() for p in phi.values()) - theta)

    def frozen(at):
        values = [
            loss(functional_call(model, unflat(at + shift, params), (xq,)), yq).item()
            for shift, xq, yq in zip(added, tasks.x_query, tasks.y_query, strict=True)
        ]
        return sum(values) / len(values)

    gradient = package_gradient(case, inner_steps, first_order=True)
    assert_slopes_agree(frozen, theta, gradient)


def assert_slopes_agree(function, theta, gradient):
    """Compare slopes along the gradient and two random directions with central differences."""
    generator = torch.Generator().manual_seed(4)
    directions = [gradient] + [
        gradient / gradient.norm()
        + torch.nn.functional.normalize(
            torch.randn(theta.numel(), generator=generator, dtype=theta.dtype), dim=0
        )
        for _ in range(2)
    ]
    for direction in directions:
        direction = direction / direction.norm()
        slope = four_point_slope(function, theta, direction)
        assert slope == pytest.approx((gradient @ direction).item(), rel=RELATIVE)


def four_point_slope(function, theta, direction, h=1e-6):
    # So small a step crosses no ReLU kink here; the four points keep the error near 1e-10.
    f = [function(theta + k * h * direction) for k in (-2, -1, 1, 2)]
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)


@steps
@orders
def test_linear_regression_has_a_closed_form(inner_steps, first_order):
    # L(φ) = mean (Xφ − y)², H = 2XᵀX/n: φ_k − φ* = (I − αH)^k (θ − φ*), so dφ_k/dθ = (I − αH)^k.
    generator = torch.Generator().manual_seed(5)
    alpha, n_tasks = 0.1, 4
    xs, xq = (torch.randn(n_tasks, n, 3, generator=generator).double() for n in (8, 6))
    ys, yq = (torch.randn(n_tasks, n, generator=generator).double() for n in (8, 6))
    theta = torch.randn(3, generator=generator).double().requires_grad_()
    maml_loss(
        lambda p, x, y: (x @ p["theta"] - y).square().mean(),
        {"theta": theta},
        Task(xs, ys, xq, yq),
        inner_lr=alpha,
        inner_steps=inner_steps,
        first_order=first_order,
    ).backward()
    expected = torch.zeros(3, dtype=torch.float64)
    for i in range(n_tasks):
        hessian = 2 * xs[i].T @ xs[i] / 8
        best = torch.linalg.lstsq(xs[i], ys[i][:, None]).solution[:, 0]
        shrink = torch.linalg.matrix_power(torch.eye(3).double() - alpha * hessian, inner_steps)
        phi = best + shrink @ (theta.detach() - best)
        slope = 2 * xq[i].T @ (xq[i] @ phi - yq[i]) / 6
        expected += (slope if first_order else shrink.T @ slope) / n_tasks
    assert relative_error(theta.grad, expected) < RELATIVE


@pytest.mark.parametrize(("first_order", "expected"), [(False, -3.84), (True, -4.8)])
def test_the_hand_sized_example(first_order, expected):
    theta = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    tasks = Task(*(torch.tensor([[v]], dtype=torch.float64) for v in (1, 2, 2, 2)))
    maml_loss(
        lambda p, x, y: (p["theta"] * x - y).square().mean(),
        {"theta": theta},
        tasks,
        inner_lr=0.1,
        first_order=first_order,
    ).backward()
    assert theta.grad.item() == pytest.approx(expected, rel=1e-12)


@steps
def test_exact_and_first_order_differ(case, inner_steps):
    exact = package_gradient(case, inner_steps, first_order=False)
    first = package_gradient(case, inner_steps, first_order=True)
    assert relative_error(first, exact) > 0.01


def test_both_orders_have_the_same_loss(case):
    model, loss, tasks, inner_lr, params = case
    values = [
        maml_loss(
            make_loss(model, loss),
            {n: p.clone().requires_grad_() for n, p in params.items()},
            tasks,
            inner_lr=inner_lr,
            inner_steps=2,
            first_order=first_order,
        ).item()
        for first_order in (False, True)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    theta = flat(params.values())
    assert values[0] == pytest.approx(loop_loss(case, theta, 2), rel=1e-12)


def test_the_order_of_tasks_and_of_points_does_not_matter(case):
    model, loss, tasks, inner_lr, params = case
    turned = Task(*(v.flip(0).flip(1) for v in tasks))
    again = package_gradient((model, loss, turned, inner_lr, params), 2, first_order=False)
    assert relative_error(again, package_gradient(case, 2, first_order=False)) < RELATIVE


def test_no_inner_steps_are_joint_training_on_the_query_sets():
    model = MLP()
    params = init_params(model, seed=0)
    tasks = SinusoidTasks()(4, torch.Generator().manual_seed(0))
    value = maml_loss(make_loss(model, mse_loss), params, tasks, inner_lr=0.1, inner_steps=0)
    outputs = functional_call(model, params, (tasks.x_query,))
    torch.testing.assert_close(value, mse_loss(outputs, tasks.y_query))


def test_a_loop_over_the_tasks_gives_what_all_at_once_give(case):
    model, loss, tasks, inner_lr, params = case
    gradients = []
    for vectorised in (False, True):
        leaves = {n: p.clone().requires_grad_() for n, p in params.items()}
        maml_loss(
            make_loss(model, loss),
            leaves,
            tasks,
            inner_lr=inner_lr,
            inner_steps=2,
            vectorised=vectorised,
        ).backward()
        gradients.append(flat(p.grad for p in leaves.values()))
    assert relative_error(*gradients) < RELATIVE


def test_gradients_do_not_pile_up_in_the_inner_loop():
    model = MLP()
    params = init_params(model, seed=0)
    tasks = SinusoidTasks()(4, torch.Generator().manual_seed(0))
    maml_loss(make_loss(model, mse_loss), params, tasks, inner_lr=0.1)
    assert all(p.grad is None for p in params.values())


def test_tensors_that_disagree_on_the_number_of_tasks_are_named():
    tasks = SinusoidTasks()(4, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="'y_query': 3"):
        maml_loss(
            make_loss(MLP(), mse_loss),
            init_params(MLP(), seed=0),
            tasks._replace(y_query=tasks.y_query[:3]),
            inner_lr=0.1,
        )


@pytest.mark.parametrize("inner_steps", [-1, -5])
def test_negative_steps_are_named(inner_steps):
    tasks = SinusoidTasks()(4, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=f"inner_steps .* got {inner_steps}"):
        maml_loss(
            make_loss(MLP(), mse_loss),
            init_params(MLP(), seed=0),
            tasks,
            inner_lr=0.1,
            inner_steps=inner_steps,
        )
