"""Typical wrong answers to the exercises of chapter 5: (exercise, answer, a word of its hint)."""

from collections.abc import Callable

import torch


def inner(
    *,
    sign: float = -1.0,
    graph: bool = True,
    detach: bool = False,
    in_place: bool = False,
    only_one: bool = False,
    still: bool = False,
    pull_to: str = "start",
) -> Callable[..., dict]:
    """An inner loop with at most one thing wrong; it takes every exercise's options."""

    def adapt(
        loss_fn, params, x, y, *, inner_lr=None, inner_steps=1, names=None, inner_lrs=None, pull=0.0
    ):
        phi = params
        for _ in range(1 if only_one else inner_steps):
            moving = list(names or phi)
            if still:
                break
            at = [phi[n] for n in moving]
            slopes = torch.autograd.grad(loss_fn(phi, x, y), at, create_graph=graph)
            new = dict(phi)
            for n, g in zip(moving, slopes, strict=True):
                rate = inner_lrs[n] if inner_lrs else inner_lr
                goal = {"start": params[n], "zero": 0 * params[n], "away": 2 * phi[n] - params[n]}
                new[n] = phi[n] + sign * rate * (g + pull * (phi[n] - goal[pull_to]))
            if detach:
                new = {n: p.detach().requires_grad_() for n, p in new.items()}
            if in_place:
                for n in params:
                    params[n].data.copy_(new[n])
                new = params
            phi = new
        return phi

    return adapt


def diary(losses_of: Callable[[list], list] = lambda losses: losses, **wrong: object) -> Callable:
    """The inner loop with a diary that is kept in a way of one's own."""

    def adapt(loss_fn, params, x, y, *, inner_lr, inner_steps):
        path, one = [params], inner(**wrong)
        for _ in range(inner_steps):
            path.append(one(loss_fn, path[-1], x, y, inner_lr=inner_lr, inner_steps=1))
        return path[-1], losses_of([loss_fn(p, x, y) for p in path])

    return adapt


def numbers(losses: list) -> list:
    return [loss.item() for loss in losses]


def once(loss_fn, params, x, y, *, inner_lr, inner_steps):
    phi = inner()(loss_fn, params, x, y, inner_lr=inner_lr, inner_steps=1)
    return phi, [0.0] * (inner_steps + 1)


def head_alone(loss_fn, params, x, y, *, names, **options):
    phi = inner()(loss_fn, params, x, y, names=names, **options)
    return {n: phi[n] for n in names}


def all_move(loss_fn, params, x, y, *, names, **options):
    return inner()(loss_fn, params, x, y, **options)


def all_gradients(loss_fn, params, x, y, *, names, inner_lr, inner_steps):
    """The right values, by way of the gradients of everything."""
    phi = params
    for _ in range(inner_steps):
        moved = inner()(loss_fn, phi, x, y, inner_lr=inner_lr)
        phi = {n: moved[n] if n in names else p for n, p in phi.items()}
    return phi


def one_rate(loss_fn, params, x, y, *, inner_lrs):
    return inner()(loss_fn, params, x, y, inner_lr=inner_lrs["a"].item())


def plain_rates(loss_fn, params, x, y, *, inner_lrs):
    rates = {n: rate.item() for n, rate in inner_lrs.items()}
    return inner()(loss_fn, params, x, y, inner_lrs=rates)


def half_detached_rates(loss_fn, params, x, y, *, inner_lrs):
    rates = {n: (rate + rate.detach()) / 2 for n, rate in inner_lrs.items()}
    return inner()(loss_fn, params, x, y, inner_lrs=rates)


def half(loss_fn, params, x, y, *, inner_lr, **options):
    return inner()(loss_fn, params, x, y, inner_lr=inner_lr / 2, **options)


def leash(*, strength: float = 1.0, inside: bool = True, every_step: bool = True) -> Callable:
    """The pull with at most one thing wrong."""

    def adapt(loss_fn, params, x, y, *, inner_lr, inner_steps, pull):
        phi = params
        for k in range(inner_steps):
            moved = inner()(loss_fn, phi, x, y, inner_lr=inner_lr)
            scale = strength * pull * (inner_lr if inside else 1)
            at = phi if every_step else moved
            if every_step or k == inner_steps - 1:
                moved = {n: p - scale * (at[n] - params[n]) for n, p in moved.items()}
            phi = moved
        return phi

    return adapt


def leash_to_a_name_that_moves(loss_fn, params, x, y, *, inner_lr, inner_steps, pull):
    for _ in range(inner_steps):
        at = tuple(params.values())
        slopes = torch.autograd.grad(loss_fn(params, x, y), at, create_graph=True)
        params = {
            n: p - inner_lr * (g + pull * (p - params[n]))
            for (n, p), g in zip(params.items(), slopes, strict=True)
        }
    return params


def leash_cut_at_the_start(loss_fn, params, x, y, *, inner_lr, inner_steps, pull):
    phi = params
    for _ in range(inner_steps):
        at = tuple(phi.values())
        slopes = torch.autograd.grad(loss_fn(phi, x, y), at, create_graph=True)
        phi = {
            n: p - inner_lr * (g + pull * (p - params[n].detach()))
            for (n, p), g in zip(phi.items(), slopes, strict=True)
        }
    return phi


WRONG_05: list[tuple[str, object, str]] = [
    ("5.1", "1.1", "one number"),
    ("5.1", 1.2, "mean"),
    ("5.1", 0.9, "against the gradient"),
    ("5.1", 1.0, "not fitted yet"),
    ("5.1", 1.05, "brings down a 2"),
    ("5.1", 2.0, "α times"),
    ("5.1", 7.0, "Write the mean loss out"),
    ("5.2", inner(), "Return two things"),
    ("5.2", lambda *args, **options: diary(numbers)(*args, **options)[::-1], "other order"),
    ("5.2", diary(numbers, sign=1.0), "climbs"),
    ("5.2", once, "one step"),
    ("5.2", diary(numbers, in_place=True), "overwrote"),
    ("5.2", diary(numbers, graph=False), "first order"),
    ("5.2", diary(numbers, detach=True), "No gradient reaches the start"),
    ("5.2", diary(lambda losses: numbers(losses)[:-1]), "4 losses"),
    ("5.2", diary(), "plain numbers"),
    ("5.2", diary(lambda losses: numbers(losses)[::-1]), "in order"),
    ("5.3", head_alone, "needs all"),
    ("5.3", all_move, "only those in `names`"),
    ("5.3", inner(still=True), "Nothing has moved"),
    ("5.3", half, "differ"),
    ("5.3", inner(graph=False), "first order"),
    ("5.3", lambda *args, **options: [1.0, 2.0], "dictionary with the names"),
    ("5.3", all_gradients, "with respect to what stays"),
    ("5.4", one_rate, "each parameter has its own"),
    ("5.4", plain_rates, "`inner_lrs`"),
    ("5.4", half_detached_rates, "slope in `inner_lrs`"),
    ("5.4", inner(graph=False), "first order"),
    ("5.4", inner(in_place=True), "overwrote"),
    ("5.5", lambda *args, pull, **options: inner()(*args, **options), "no pull"),
    ("5.5", leash_to_a_name_that_moves, "does its name move along"),
    ("5.5", leash(inside=False), "inside the bracket"),
    ("5.5", leash(strength=2.0), "Twice too strong"),
    ("5.5", leash(every_step=False), "after the last step"),
    ("5.5", leash(strength=0.5), "two steps on paper"),
    ("5.5", leash_cut_at_the_start, "the start perhaps"),
    ("5.5", inner(pull_to="zero"), "weight decay"),
    ("5.5", inner(pull_to="away"), "mind the sign"),
    ("5.5", inner(graph=False), "first order"),
]
