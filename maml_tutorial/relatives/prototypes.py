"""Learners whose last layer is made of class means: no gradient, or gradients from there."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from maml_tutorial.adapt import Rates
from maml_tutorial.learners import Learner, gradient_of
from maml_tutorial.maml import after, over_tasks
from maml_tutorial.models import LossFn, Params, PredictFn
from maml_tutorial.relatives.descent import descending
from maml_tutorial.tasks import Data, require_at_least

Head = tuple[str, str]


class Prototypes:
    """The last layer that measures distances to class means: weight 2c, bias −‖c‖².

    Its outputs differ from −‖z − c‖² by ‖z‖² alone, which no softmax sees. A class without a
    support point has no mean: its outputs are not a number.

    Args:
        embed: `(params, x)` → features `(n, d)`, the network without its last layer.
        head: names of the last layer's weight and bias.
        n_way: classes a task.
        vectorised: see `over_tasks`.
    """

    def __init__(self, embed: PredictFn, head: Head, n_way: int, *, vectorised: bool) -> None:
        require_at_least(1, n_way=n_way)
        self.embed, (self.weight, self.bias), self.n_way = embed, head, n_way
        self._heads = over_tasks(self._head, vectorised=vectorised)

    def start(self, params: Params) -> Params:
        """Return the parameters without the head, which every task makes anew."""
        return {n: p for n, p in params.items() if n not in (self.weight, self.bias)}

    def _head(self, params: Params, x: Data, y: Tensor) -> Params:
        z = self.embed(params, x)
        sides = (y[:, None] == torch.arange(self.n_way, device=y.device)).to(z.dtype)
        means = sides.mT @ z / sides.sum(dim=0)[:, None]
        return {self.weight: 2 * means, self.bias: -means.square().sum(dim=-1)}

    def __call__(self, params: Params, x: Data, y: Data, *, inner_steps: int = 0) -> Params:
        """Return φ: θ and the last layer of each task. There are no steps to take."""
        body = self.start(params)
        heads = self._heads(body, x, y)
        # In steps from here the head is a variable of its own, and no function of the body: views
        # of the body keep the two apart, and it moves though the body be frozen.
        own = {name: p.view_as(p) for name, p in body.items()}
        return own | {name: p.requires_grad_() for name, p in heads.items()}

    def loss(self, params: Params, x: Data, y: Tensor) -> Tensor:
        """Return the cross-entropy of one task, at φ."""
        z = self.embed(self.start(params), x)
        return cross_entropy(linear(z, params[self.weight], params[self.bias]), y)


def protonet(embed: PredictFn, *, head: Head, n_way: int, vectorised: bool = True) -> Learner:
    r"""Prototypical network: the class whose mean feature is nearest; nothing moves.

    $$p(y = k \mid x) \propto \exp\bigl(-\lVert f_\theta(x) - c_k \rVert^2\bigr)$$

    Args:
        embed: `(params, x)` → features `(n, d)`: the network without its last layer.
        head: names of the last layer's weight and bias, which φ gets from the class means; so
            `predict` is that of the whole network.
        n_way: classes a task.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Example:
        >>> from torch import nn
        >>> from maml_tutorial import init_params, make_predict
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> learner = protonet(make_predict(net[:-1]), head=("2.weight", "2.bias"), n_way=2)
        >>> list(learner.start(init_params(net, seed=0)))
        ['0.weight', '0.bias']

    Reference:
        Snell, Swersky & Zemel 2017, equations (1), (2) and (8).
    """
    prototypes = Prototypes(embed, head, n_way, vectorised=vectorised)
    losses = over_tasks(prototypes.loss, vectorised=vectorised)
    return Learner(prototypes, gradient_of(after(prototypes, losses)), prototypes.start)


def protomaml(
    loss_fn: LossFn,
    embed: PredictFn,
    *,
    head: Head,
    n_way: int,
    inner_lr: Rates,
    inner_steps: int = 1,
    vectorised: bool = True,
) -> Learner:
    """Proto-MAML: gradient descent that starts from a prototypical network's last layer.

    The meta-gradient (exact) goes through the steps and through the class means.

    Args:
        loss_fn: `(params, x, y)` → scalar, for one task, of the whole network.
        embed: as in `protonet`.
        head: as in `protonet`.
        n_way: classes a task.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        vectorised: all tasks at once, or in a loop; see `over_tasks`.

    Example:
        >>> from torch import nn
        >>> from torch.nn.functional import cross_entropy
        >>> from maml_tutorial import make_loss, make_predict
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> learner = protomaml(make_loss(net, cross_entropy), make_predict(net[:-1]),
        ...                     head=("2.weight", "2.bias"), n_way=2, inner_lr=0.1)
        >>> learner.start({"0.weight": torch.zeros(4, 3), "2.bias": torch.zeros(2)}).keys()
        dict_keys(['0.weight'])

    Reference:
        Triantafillou et al. 2020, section 3.
    """
    prototypes = Prototypes(embed, head, n_way, vectorised=vectorised)
    return descending(
        loss_fn,
        lambda params, x, y: (prototypes(params, x, y), inner_lr),
        inner_steps=inner_steps,
        vectorised=vectorised,
        start=prototypes.start,
    )
