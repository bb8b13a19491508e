"""Comparisons of what chapter 6 builds by hand with the package."""

from collections.abc import Callable

import torch
from torch.nn.functional import mse_loss

import maml_tutorial
from maml_tutorial import MLP, SinusoidTasks, Task, init_params, make_loss


def compare_maml_loss(maml_loss: Callable) -> None:
    model = MLP().double()
    loss_fn, params = make_loss(model, mse_loss), init_params(model, seed=0)
    tasks = SinusoidTasks(5, 10)(3, torch.Generator().manual_seed(0))
    tasks = Task(*(part.double() for part in tasks))
    for first_order in (False, True):
        inner = {"inner_lr": 0.05, "inner_steps": 2, "first_order": first_order}
        losses = [f(loss_fn, params, tasks, **inner) for f in (maml_loss, maml_tutorial.maml_loss)]
        torch.testing.assert_close(*losses)
        torch.testing.assert_close(
            *(torch.autograd.grad(loss, list(params.values())) for loss in losses)
        )


# (notebook's name, definition's name) -> comparison with the package's
TWINS_06: dict[tuple[str, str], Callable[..., None]] = {
    ("06_the_outer_loop", "maml_loss"): compare_maml_loss,
}
