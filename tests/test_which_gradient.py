"""The appendix' `which_gradient`: the cell that readers copy, on code as they have it."""

import warnings
from collections.abc import Callable

import pytest
import torch
from test_exercises import BOOK
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, dropout, mse_loss

from maml_tutorial import MLP, ConvNet, SinusoidTasks, Task, init_params, make_loss, maml_loss
from tools.notebooks import read

CELL = next(
    cell.source
    for cell in read(BOOK / "appendix" / "which_gradient.ipynb").cells
    if cell.id == "which-gradient"
)
SCOPE: dict[str, Callable[..., str]] = {}
exec(compile(CELL, "<which_gradient>", "exec"), SCOPE)  # noqa: S102
which_gradient = SCOPE["which_gradient"]

WAVES = Task(*(part.double() for part in SinusoidTasks(5, 10)(3, torch.Generator().manual_seed(2))))


def sine_net() -> nn.Module:
    torch.manual_seed(0)
    return MLP().double()


def after_adapting(net: nn.Module, **inner: bool) -> Tensor:
    """The query loss of somebody's code whose parameters stay in the network."""
    params = dict(net.named_parameters())
    return maml_loss(make_loss(net, mse_loss), params, WAVES, inner_lr=0.01, **inner)


def test_frozen_parameters_are_passed_over() -> None:
    net = sine_net()
    net[0].requires_grad_(False)
    frozen = net[0].weight.clone()
    assert which_gradient(lambda: after_adapting(net), net.parameters()).startswith("EXACT")
    first = partial_first_order(net)
    assert which_gradient(first, net.parameters()).startswith("NOT EXACT")
    assert torch.equal(net[0].weight, frozen)
    net.requires_grad_(False)
    assert which_gradient(lambda: 1.0, net.parameters()).startswith("NONE: none of these")


def partial_first_order(net: nn.Module) -> Callable[[], Tensor]:
    return lambda: after_adapting(net, first_order=True)


def at_phi(net: nn.Module) -> list[Tensor | None]:
    """First order is the query loss's gradient at φ; frozen parameters have none."""
    moving = [p for p in net.parameters() if p.requires_grad]
    found = iter(torch.autograd.grad(partial_first_order(net)(), moving))
    return [next(found) if p.requires_grad else None for p in net.parameters()]


def test_first_order_is_recognised_beside_frozen_parameters() -> None:
    net = sine_net()
    net[2].requires_grad_(False)
    everything = at_phi(net)
    for given in (everything, [g for g in everything if g is not None]):
        verdict = which_gradient(partial_first_order(net), net.parameters(), given)
        assert verdict.startswith("FIRST ORDER: slopes off by 1"), verdict


@pytest.mark.parametrize("height", [1e-5, 1e-4, 1e-2])
@pytest.mark.parametrize("distance", [3e-9, 5e-8, -3e-7])
def test_a_kink_close_to_theta_does_not_make_an_exact_gradient_wrong(
    height: float, distance: float
) -> None:
    start = torch.tensor([0.4, -0.7, 1.1], dtype=torch.float64)
    theta, slope = start.clone().requires_grad_(), start.new_tensor([1.0, 2.0, -1.0])

    def loss(lost: float = 0.0) -> Tensor:
        bent = height * torch.relu(slope @ (theta - start) - distance)
        return theta.pow(4).sum() + theta.prod() + bent + lost * (theta - theta.detach()).sum()

    assert which_gradient(loss, [theta]).startswith("EXACT")
    verdict = which_gradient(lambda: loss(lost=3e-5), [theta])
    assert verdict.startswith("NOT EXACT: slopes off by") and "0.00%" not in verdict


def test_the_packages_gradient_of_a_convolutional_network_is_exact() -> None:
    net = ConvNet(5, hidden=16).double()
    params, labels = init_params(net, seed=0), torch.arange(5).expand(2, 5)
    images = torch.rand(2, 20, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double()
    tasks = Task(images[:, :5], labels, images[:, 5:], labels.repeat(1, 3))
    loss_fn = make_loss(net, cross_entropy)
    verdict = which_gradient(
        lambda: maml_loss(loss_fn, params, tasks, inner_lr=0.4), params.values()
    )
    assert verdict.startswith("EXACT")


def averaging_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 1)).double()


def with_averages(net: nn.Module, *, at_query: bool) -> Tensor:
    """Batch norm with running averages, which every support set moves."""
    total = torch.zeros(())
    for x_support, y_support, x_query, y_query in zip(*WAVES, strict=True):
        theta = dict(net.train().named_parameters())
        loss = mse_loss(functional_call(net, theta, (x_support,)), y_support)
        slopes = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
        phi = {n: p - 0.01 * g for (n, p), g in zip(theta.items(), slopes, strict=True)}
        net.train(not at_query)
        total = total + mse_loss(functional_call(net, phi, (x_query,)), y_query)
    return total


@pytest.mark.parametrize("at_query", [False, True])
def test_buffers_are_as_they_were(at_query: bool) -> None:
    net = averaging_net()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    which_gradient(lambda: with_averages(net, at_query=at_query), net.parameters())
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


def test_two_losses_are_told_with_what_may_be_behind_them() -> None:
    net = averaging_net()
    assert which_gradient(lambda: with_averages(net, at_query=False), net.parameters()).startswith(
        "EXACT"
    )
    verdict = which_gradient(lambda: with_averages(net, at_query=True), net.parameters())
    assert verdict.startswith("CANNOT TELL: two calls gave two losses")
    assert all(word in verdict for word in ("tasks", "running averages", "dropout"))


def test_dropout_from_the_global_generator_is_no_hindrance() -> None:
    theta = torch.linspace(-1, 1, 9, dtype=torch.float64).requires_grad_()
    assert which_gradient(lambda: dropout(theta**3).sum(), [theta]).startswith("EXACT")


def test_a_loss_that_was_backpropagated_is_told_how_to_be_returned() -> None:
    net = sine_net()

    def trained() -> Tensor:
        loss = after_adapting(net)
        loss.backward()
        return loss

    verdict = which_gradient(trained, net.parameters())
    assert verdict.startswith("CANNOT TELL") and verdict.endswith("return loss.item()")
    assert all(p.grad is None for p in net.parameters())
    assert which_gradient(lambda: trained().item(), net.parameters()).startswith("EXACT")


def test_a_graph_that_was_freed_by_mistake_is_still_an_error() -> None:
    theta = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def forgot_the_graph() -> Tensor:
        support = theta.pow(3)
        (slope,) = torch.autograd.grad(support, theta)
        return (theta - 0.1 * slope).square() + support

    with pytest.raises(RuntimeError, match="a second time"):
        which_gradient(forgot_the_graph, [theta])


def test_weight_norms_own_second_derivative_is_what_its_page_and_troubleshooting_say() -> None:
    theta = [torch.randn(3, n, dtype=torch.float64, requires_grad=True) for n in (4, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def steepness() -> Tensor:
            loss = torch._weight_norm(*theta, 0).pow(3).sum()
            return sum(g.pow(2).sum() for g in torch.autograd.grad(loss, theta, create_graph=True))

        verdict = which_gradient(steepness, theta)
    if torch.__version__.startswith(("2.13", "2.14")):  # it may be mended in another torch
        assert verdict.startswith("NOT EXACT")
