"""The networks of the MAML paper, and networks as functions of their parameters."""

import inspect
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, multi_margin_loss, nll_loss

from maml_tutorial.contracts import (
    IGNORED,
    require_batch,
    require_labels,
    require_loop,
    require_matching,
    require_scalar,
)
from maml_tutorial.params import Params, init_params, params_of
from maml_tutorial.tasks import Data

ATTENTION = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)

__all__ = [
    "MLP",
    "ConvNet",
    "FullyConnectedNet",
    "LossFn",
    "Params",
    "PredictFn",
    "init_params",
    "make_loss",
    "make_predict",
    "params_of",
]


class LossFn(Protocol):
    """A loss on the points of one task, as a function of the parameters.

    It is all that an algorithm knows about a model: hence "model-agnostic".
    """

    def __call__(self, params: Params, x: Data, y: Any, /) -> Tensor:
        """Return a scalar."""
        ...


class PredictFn(Protocol):
    """A network's outputs for the points of one task, as a function of the parameters."""

    def __call__(self, params: Params, x: Data, /) -> Tensor:
        """Return one output, or one row of outputs, a point."""
        ...


class Layers(nn.Sequential):
    """Layers in a row, of which a part can be taken, under the same names.

    Example:
        The network without its head:

        >>> [name for name, _ in MLP()[:-1].named_parameters()]
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __getitem__(self, idx: Any) -> Any:
        """Return one layer, or a slice as a plain `nn.Sequential`."""
        if isinstance(idx, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[idx]))
        return super().__getitem__(idx)


class MLP(Layers):
    """The sine-wave network: fully connected layers with ReLU between them.

    Args:
        hidden: units of each hidden layer.
        n_in: input features.
        n_out: output features.

    Example:
        >>> import torch
        >>> MLP()(torch.zeros(10, 1)).shape
        torch.Size([10, 1])
        >>> sum(p.numel() for p in MLP().parameters())
        1761

    Reference:
        Finn, Abbeel & Levine 2017, section 5.1: two hidden layers of 40 units. Weights start as
        PyTorch starts them; the official code draws them from a truncated normal instead.
    """

    def __init__(self, hidden: Sequence[int] = (40, 40), *, n_in: int = 1, n_out: int = 1) -> None:
        sizes = [n_in, *hidden]
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(a, b), nn.ReLU()]
        super().__init__(*layers, nn.Linear(sizes[-1], n_out))


class ConvNet(Layers):
    """The paper's Omniglot network: four blocks of 3×3 convolution, batch norm and ReLU.

    Each convolution has stride 2, so 28×28 becomes 14, 7, 4 and 2; the mean over what is left
    feeds a linear layer with one output a class. Batch norm always uses the statistics of the
    batch it is given, in training and at test, as the official code does: it has no running
    averages, so `.eval()` changes nothing.

    Images may have any height and width; each block halves both, rounded up, so from 16×16 down
    the last block sees a single place.

    Args:
        n_way: classes a task.
        n_in: channels of an image: 1 for ink, 3 for colour.
        hidden: filters of each block.
        running_averages: ordinary batch norm instead, for ordinary training: it keeps averages
            of the statistics, and uses them after `.eval()`.

    Example:
        >>> import torch
        >>> ConvNet(n_way=5)(torch.zeros(10, 1, 28, 28)).shape
        torch.Size([10, 5])
        >>> ConvNet(n_way=5, n_in=3)(torch.zeros(10, 3, 84, 60)).shape
        torch.Size([10, 5])

    Raises:
        ValueError: when called with something else than a batch of images with `n_in` channels.

    Reference:
        Finn, Abbeel & Levine 2017, section 5.2 and appendix A.1; the mean over places before the
        linear layer is that of their code for Omniglot.
    """

    def __init__(
        self, n_way: int, *, n_in: int = 1, hidden: int = 64, running_averages: bool = False
    ) -> None:
        blocks: list[nn.Module] = []
        for channels in (n_in, hidden, hidden, hidden):
            blocks += [
                nn.Conv2d(channels, hidden, 3, stride=2, padding=1),
                nn.BatchNorm2d(hidden, track_running_stats=running_averages),
                nn.ReLU(),
            ]
        super().__init__(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(hidden, n_way))
        self.n_in = n_in

    def forward(self, input: Tensor) -> Tensor:
        """Return one row of outputs an image."""
        if input.ndim != 4 or input.shape[1] != self.n_in or 0 in input.shape[2:]:
            raise ValueError(
                f"images must have the shape (n, {self.n_in}, height, width), got "
                f"{tuple(input.shape)}: for colour make the network with n_in=3; one image alone "
                "is image[None]"
            )
        return super().forward(input)


class FullyConnectedNet(Layers):
    """The paper's "no conv" Omniglot network: 256-128-64-64 units with batch norm and ReLU.

    Args:
        n_way: classes a task.
        n_in: numbers in an image: channels × height × width.

    Example:
        >>> import torch
        >>> FullyConnectedNet(n_way=5)(torch.zeros(10, 1, 28, 28)).shape
        torch.Size([10, 5])

    Raises:
        ValueError: when called with images of another size.

    Reference:
        Finn, Abbeel & Levine 2017, section 5.2.
    """

    def __init__(self, n_way: int, *, n_in: int = 28 * 28) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in ((n_in, 256), (256, 128), (128, 64), (64, 64)):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b, track_running_stats=False), nn.ReLU()]
        super().__init__(*layers, nn.Linear(64, n_way))
        self.n_in = n_in

    def forward(self, input: Tensor) -> Tensor:
        """Return one row of outputs an image."""
        if input[0].numel() != self.n_in:
            raise ValueError(
                f"images must hold {self.n_in} numbers each, got {tuple(input.shape)}: make the "
                f"network with n_in={input[0].numel()}"
            )
        return super().forward(input)


def make_predict(model: nn.Module) -> PredictFn:
    """Turn a network into a function of its parameters: `predict(params, x) -> outputs`.

    Where `forward` takes several inputs, x is a tuple of them, or a dict by their names.

    Example:
        >>> import torch
        >>> predict = make_predict(MLP())
        >>> predict(init_params(MLP(), seed=0), torch.zeros(10, 1)).shape
        torch.Size([10, 1])
    """
    inside: Any = getattr(model, "_orig_mod", model)  # what `torch.compile` has wrapped
    takes = inspect.signature(inside.forward).parameters
    positions = [p.kind for p in takes.values()]
    most = math.inf if inspect.Parameter.VAR_POSITIONAL in positions else len(positions)
    short_cut = any(isinstance(m, ATTENTION) for m in model.modules())
    padded = any(isinstance(m, nn.Embedding) and m.padding_idx is not None for m in model.modules())

    def predict(params: Params, x: Data) -> Tensor:
        require_batch(x)
        if padded:
            require_loop(params, "vmap forgets nn.Embedding's padding_idx, whose row would learn")
        with _no_short_cut() if short_cut else nullcontext():
            if isinstance(x, dict) and all(name in takes for name in x):
                return functional_call(model, params, (), x)
            spread = isinstance(x, tuple) and most > 1 and len(x) <= most
            return functional_call(model, params, x if spread else (x,))

    return predict


@contextmanager
def _no_short_cut() -> Iterator[None]:
    """Keep attention from its way for inference, after `.eval()`: it has no derivative.

    Inside `vmap`, PyTorch's layers do not see that a gradient is wanted.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def make_loss(model: nn.Module, loss: Callable[[Any, Any], Tensor]) -> LossFn:
    """Turn a network and a loss into `loss_fn(params, x, y) -> scalar`, for one task.

    This is all that MAML ever learns about a model: hence "model-agnostic".

    Args:
        model: a network.
        loss: for example `torch.nn.functional.mse_loss` or `cross_entropy`.

    Raises:
        TypeError: when the loss is called with class labels that are not int64, or gives
            something else than a tensor.
        ValueError: when it is called with targets that would be broadcast against the outputs,
            with labels that are no class numbers, or with a point where a batch is needed, or
            when it gives more than one number.

    Example:
        >>> import torch
        >>> loss_fn = make_loss(MLP(), nn.functional.mse_loss)
        >>> loss_fn(init_params(MLP(), seed=0), torch.zeros(10, 1), torch.zeros(10, 1)).shape
        torch.Size([])
    """
    predict = make_predict(model)
    classifies, ignored = _takes_labels(loss)

    def loss_fn(params: Params, x: Data, y: Any) -> Tensor:
        outputs = predict(params, x)
        if isinstance(y, Tensor) and isinstance(outputs, Tensor):
            if not classifies:
                require_matching(outputs, y, loss)
            elif outputs.ndim == 2 and y.shape != outputs.shape:  # else y are probabilities
                require_labels(outputs, y, ignored=ignored)
        return require_scalar(loss(outputs, y))

    return loss_fn


def _takes_labels(loss: Callable[..., Any]) -> tuple[bool, int]:
    """Whether a loss of PyTorch takes class numbers, and the number that it passes over."""
    ignored = getattr(loss, "ignore_index", IGNORED)
    while isinstance(loss, partial):
        ignored = loss.keywords.get("ignore_index", ignored)
        loss = loss.func
    functions = (cross_entropy, nll_loss, multi_margin_loss)
    modules = (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss)
    return loss in functions or isinstance(loss, modules), ignored
