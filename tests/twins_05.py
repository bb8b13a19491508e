"""Comparisons of what chapter 5 builds by hand with the package."""

from collections.abc import Callable

import torch
from torch.nn.functional import mse_loss

import maml_tutorial
from maml_tutorial import MLP, init_params

X = torch.linspace(-1, 1, 7, dtype=torch.float64)[:, None]


def compare_make_predict(make_predict: Callable) -> None:
    model = MLP().double()
    params = init_params(model, seed=1)
    ours, theirs = (make(model)(params, X) for make in (make_predict, maml_tutorial.make_predict))
    assert torch.equal(ours, theirs)


def compare_make_loss(make_loss: Callable) -> None:
    model = MLP().double()
    params = init_params(model, seed=1)
    ours, theirs = (
        make(model, mse_loss)(params, X, X.cos()) for make in (make_loss, maml_tutorial.make_loss)
    )
    assert torch.equal(ours, theirs)


def compare_adapt(adapt: Callable) -> None:
    model = MLP().double()
    loss_fn = maml_tutorial.make_loss(model, mse_loss)
    for first_order in (False, True):
        slopes = []
        for inner_loop in (adapt, maml_tutorial.adapt):
            params = init_params(model, seed=1)
            phi = inner_loop(
                loss_fn, params, X, X.cos(), inner_lr=0.1, inner_steps=2, first_order=first_order
            )
            slopes.append(torch.autograd.grad(loss_fn(phi, X, X.sin()), list(params.values())))
        assert all(torch.allclose(a, b, rtol=1e-9) for a, b in zip(*slopes, strict=True))


# (notebook's name, definition's name) -> comparison with the package's
TWINS_05: dict[tuple[str, str], Callable[..., None]] = {
    ("05_the_inner_loop", "make_predict"): compare_make_predict,
    ("05_the_inner_loop", "make_loss"): compare_make_loss,
    ("05_the_inner_loop", "adapt"): compare_adapt,
}
