"""Learners by their names, for one network of the book: what `--learner` chooses from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from maml_tutorial import relatives
from maml_tutorial.learners import Learner
from maml_tutorial.models import Layers, make_loss, make_predict


@dataclass(frozen=True)
class Choice:
    """What a learner is made of, whichever it is; each takes what it needs.

    Attributes:
        model: the network; its last layer is the head.
        loss: of outputs and targets.
        inner_lr: α.
        inner_steps: steps of the inner loop.
        pull: λ of iMAML.

    Example:
        >>> from torch.nn.functional import mse_loss
        >>> from maml_tutorial.models import MLP, init_params
        >>> of = Choice(MLP(), mse_loss, inner_lr=0.01, inner_steps=1, pull=2.0)
        >>> start = LEARNERS["meta_sgd"](of).start(init_params(MLP(), seed=0))
        >>> [name for name in start if name.startswith("rate")][:2]
        ['rate.0.weight', 'rate.0.bias']
    """

    model: Layers
    loss: Callable[..., Tensor]
    inner_lr: float
    inner_steps: int
    pull: float

    @property
    def names(self) -> list[str]:
        """Names of the parameters; the last two are the head's weight and bias."""
        return [name for name, _ in self.model.named_parameters()]

    @property
    def n_way(self) -> int:
        """Outputs of the network."""
        head: Any = self.model[-1]
        return int(head.out_features)

    def descent(self, make: Callable[..., Learner], **more: Any) -> Learner:
        """Return a learner that goes down the loss of the whole network."""
        steps = {"inner_lr": self.inner_lr, "inner_steps": self.inner_steps}
        return make(make_loss(self.model, self.loss), **steps, **more)

    def prototypes(self) -> dict[str, Any]:
        """Return what a learner needs that makes its head of class means."""
        weight, bias = self.names[-2:]
        body: nn.Module = self.model[:-1]
        return {"embed": make_predict(body), "head": (weight, bias), "n_way": self.n_way}


LEARNERS: dict[str, Callable[[Choice], Learner]] = {
    "maml": lambda of: of.descent(relatives.maml),
    "fomaml": lambda of: of.descent(relatives.fomaml),
    "anil": lambda of: of.descent(relatives.anil, head=of.names[-2:]),
    "boil": lambda of: of.descent(relatives.boil, body=of.names[:-2]),
    "meta_sgd": lambda of: of.descent(relatives.meta_sgd),
    "reptile": lambda of: of.descent(relatives.reptile),
    "imaml": lambda of: of.descent(relatives.imaml, pull=of.pull),
    "joint": lambda of: of.descent(relatives.joint),
    "protonet": lambda of: relatives.protonet(**of.prototypes()),
    "protomaml": lambda of: of.descent(relatives.protomaml, **of.prototypes()),
}
CLASSES_ONLY = ("protonet", "protomaml")
