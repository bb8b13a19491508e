"""The meta-gradient, compiled, in chunks or as it is, is the gradient of `maml_loss`."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.gradients import chunked, compiled
from maml_tutorial.maml import maml_loss
from maml_tutorial.models import MLP, init_params, make_loss
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import SinusoidTasks

IMAGES = torch.rand(12, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NET = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 6),
    nn.BatchNorm1d(6, track_running_stats=False),
    nn.ReLU(),
    nn.Linear(6, 3),
)
PROBLEMS = {
    "sine waves": (MLP((8,)), mse_loss, SinusoidTasks(5, 5)),
    # With batch norm: compiled or not, it must be differentiated outside vmap.
    "batch norm": (NET, cross_entropy, EpisodeSampler(IMAGES, n_way=3, k_shot=1, k_query=2)),
}


def compare(name, n_tasks, gradient, **settings):
    """In float64: the same sums in another order differ in the sixteenth digit only."""
    model, loss, sampler = PROBLEMS[name]
    params = {
        k: p.detach().double().requires_grad_() for k, p in init_params(model, seed=0).items()
    }
    drawn = sampler(n_tasks, torch.Generator().manual_seed(n_tasks))
    tasks = drawn.map(lambda part: part.double() if part.is_floating_point() else part)
    value, found = gradient(params, tasks)
    expected = maml_loss(make_loss(model, loss), params, tasks, inner_lr=0.1, **settings)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-9, atol=1e-9)
    for g, h in zip(found, torch.autograd.grad(expected, list(params.values())), strict=True):
        torch.testing.assert_close(g, h, rtol=1e-7, atol=1e-9)
    assert not value.requires_grad and not any(g.requires_grad for g in found)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("first_order", [False, True])
def test_it_is_the_gradient_of_the_loss(name, first_order):
    loss_fn = make_loss(*PROBLEMS[name][:2])
    settings = {"inner_steps": 2, "first_order": first_order}
    compare(name, 4, maml(loss_fn, inner_lr=0.1, **settings).gradient, **settings)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first_order"), [("sine waves", True), ("batch norm", False)])
def test_compiled_it_is_the_same_for_other_numbers_of_tasks(name, first_order):
    loss_fn = make_loss(*PROBLEMS[name][:2])
    settings = {"first_order": first_order}
    gradient = compiled(maml(loss_fn, inner_lr=0.1, **settings).gradient)
    compare(name, 4, gradient, **settings)
    if name == "sine waves":  # other shapes are another program, which takes its time
        compare(name, 3, gradient, **settings)
        compare(name, 4, gradient, **settings)


@pytest.mark.parametrize("size", [1, 3, 9])
def test_in_chunks_it_is_the_same(size):
    loss_fn = make_loss(*PROBLEMS["batch norm"][:2])
    compare("batch norm", 4, chunked(size)(maml(loss_fn, inner_lr=0.1).gradient))


def test_an_empty_chunk_is_refused():
    with pytest.raises(ValueError, match="size must be a whole number of at least 1, got 0"):
        chunked(0)
