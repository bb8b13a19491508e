"""Parameters: a network's own, drawn anew, copied, and stacked over tasks."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Params = dict[str, Tensor]


def params_of(model: nn.Module) -> Params:
    """Return copies of the parameters that `model` has now: a start from trained weights.

    Frozen parameters (`requires_grad=False`) stay frozen: nothing in this package moves them.

    Args:
        model: a network, trained or not; it is left as it is.

    Returns:
        `{name: tensor}`, of the model's dtype and device, for `meta_train`, `adapt`, `evaluate`.
        Weights that are tied appear once, under the first of their names; buffers, such as
        running averages, are no parameters and stay in the model.

    Example:
        A pre-trained body that stays as it is, under a head that learns:

        >>> net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> _ = net[0].requires_grad_(False)
        >>> params = params_of(net)
        >>> [name for name, p in params.items() if p.requires_grad]
        ['2.weight', '2.bias']
    """
    return copied(dict(model.named_parameters()))


def copied(params: Params) -> Params:
    """Return copies that share nothing with `params`; what is frozen stays frozen.

    Example:
        >>> copied({"theta": torch.zeros(2, requires_grad=True)})
        {'theta': tensor([0., 0.], requires_grad=True)}
    """
    return {name: p.detach().clone().requires_grad_(p.requires_grad) for name, p in params.items()}


def trainable(params: Params) -> Params:
    """Return those that are not frozen.

    Raises:
        ValueError: if there are none.

    Example:
        >>> list(trainable({"a": torch.zeros(2), "b": torch.zeros(2, requires_grad=True)}))
        ['b']
    """
    found = {name: p for name, p in params.items() if p.requires_grad}
    if not found:
        raise ValueError(
            f"none of the parameters {', '.join(params)} requires a gradient: nothing can learn. "
            "Call .requires_grad_() on those that shall move"
        )
    return found


def init_params(model: nn.Module, *, seed: int) -> Params:
    """Draw fresh parameters for `model`: the same seed, the same parameters.

    Each module draws its own, by `reset_parameters`, after the modules inside it. Weights under a
    parametrisation (weight norm, spectral norm) are drawn as the plain ones would be. Frozen
    parameters are not drawn: they are copied, and stay frozen.

    Args:
        model: a network; its own parameters and buffers are left as they are.
        seed: the seed of the draw.

    Returns:
        `{name: tensor}`, each a leaf of the model's dtype and device, as `params_of` does.

    Raises:
        ValueError: if a parameter cannot be drawn, because no module that holds it has a
            `reset_parameters`; the error names it.

    Example:
        >>> from maml_tutorial.models import MLP
        >>> params = init_params(MLP(), seed=0)
        >>> list(params)[:2], params["0.weight"].shape
        (['0.weight', '0.bias'], torch.Size([40, 1]))
    """
    kept = {name: t.clone() for name, t in _state(model)}
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for _, p in learning:
                p.fill_(torch.nan)
            torch.manual_seed(seed)
            _draw(model, set())
            for name, p in model.named_parameters():
                if not p.requires_grad:
                    p.copy_(kept[name])
        drawn = params_of(model)
    finally:
        with torch.no_grad():
            for name, tensor in _state(model):
                tensor.copy_(kept[name])
    left = [name for name, _ in learning if drawn[name].isnan().any()]
    if left:
        raise ValueError(
            f"no module draws {', '.join(left)}: give the module that holds it a method "
            "reset_parameters, or start from the weights that are there, with params_of(model)"
        )
    return drawn


def _state(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers: a module that draws its weights also resets its averages."""
    return [*model.named_parameters(), *model.named_buffers()]


def _draw(module: nn.Module, seen: set[int]) -> None:
    """Let a module and all inside it draw: the inner ones first, as when they were made."""
    if id(module) in seen:
        return
    seen.add(id(module))
    for child in module.children():
        _draw(child, seen)
    reset: Any = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
    if reset is None:
        return
    if not parametrize.is_parametrized(module):
        reset()
        return
    plain, names = _without_parametrizations(module)
    plain.reset_parameters()
    before = [b.clone() for b in module.parametrizations.buffers()]  # type: ignore[union-attr]
    for name, p in plain.named_parameters(recurse=False):
        setattr(module, name, p.detach()) if name in names else getattr(module, name).copy_(p)
    after = module.parametrizations.buffers()  # type: ignore[union-attr]
    if not all(torch.equal(a, b) for a, b in zip(after, before, strict=True)):
        raise ValueError(
            f"a parametrisation of {', '.join(sorted(names))} in {type(plain).__name__} keeps "
            "where it starts in a buffer: it cannot be drawn anew. Start with params_of(model)"
        )


def _without_parametrizations(module: nn.Module) -> tuple[Any, set[str]]:
    """Return a copy with plain weights, and their names.

    `remove_parametrizations` would take the weights from the class, which the copy shares.
    """
    plain: Any = copy.deepcopy(module)
    weights = {name: getattr(plain, name) for name in plain.parametrizations}
    del plain.parametrizations
    plain.__class__ = parametrize.type_before_parametrizations(module)
    for name, like in weights.items():
        plain.register_parameter(name, nn.Parameter(torch.full_like(like, torch.nan)))
    return plain, set(weights)


def stacked(params: Params, n_tasks: int) -> Params:
    """Give every task the same parameters: a view with a leading axis of `n_tasks`.

    Gradients of all tasks flow back into one place.

    Example:
        >>> stacked({"theta": torch.zeros(2)}, 3)["theta"].shape
        torch.Size([3, 2])
    """
    return {name: p.expand(n_tasks, *p.shape) for name, p in params.items()}
