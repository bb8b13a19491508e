"""The networks of the MAML paper, and networks as functions of their parameters."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

Params = dict[str, Tensor]
LossFn = Callable[[Params, Tensor, Tensor], Tensor]
PredictFn = Callable[[Params, Tensor], Tensor]


class MLP(nn.Sequential):
    """The sine-wave network: fully connected layers with ReLU between them.

    Args:
        hidden: units of each hidden layer.
        n_in: input features.
        n_out: output features.

    Example:
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


class ConvNet(nn.Sequential):
    """The paper's Omniglot network: four blocks of 3×3 convolution, batch norm and ReLU.

    Each convolution has stride 2, so 28×28 becomes 14, 7, 4 and 2; the mean over what is left
    feeds a linear layer with one output a class. Batch norm always uses the statistics of the
    batch it is given, in training and at test, as the official code does: it has no running
    averages, so `.eval()` changes nothing.

    Args:
        n_way: classes a task.
        hidden: filters of each block.
        running_averages: ordinary batch norm instead, for ordinary training: it keeps averages
            of the statistics, and uses them after `.eval()`.

    Example:
        >>> ConvNet(n_way=5)(torch.zeros(10, 1, 28, 28)).shape
        torch.Size([10, 5])

    Reference:
        Finn, Abbeel & Levine 2017, section 5.2 and appendix A.1; the mean over places before the
        linear layer is that of their code for Omniglot.
    """

    def __init__(self, n_way: int, *, hidden: int = 64, running_averages: bool = False) -> None:
        blocks: list[nn.Module] = []
        for n_in in (1, hidden, hidden, hidden):
            blocks += [
                nn.Conv2d(n_in, hidden, 3, stride=2, padding=1),
                nn.BatchNorm2d(hidden, track_running_stats=running_averages),
                nn.ReLU(),
            ]
        super().__init__(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(hidden, n_way))


class FullyConnectedNet(nn.Sequential):
    """The paper's "no conv" Omniglot network: 256-128-64-64 units with batch norm and ReLU.

    Args:
        n_way: classes a task.
        n_in: pixels of an image.

    Example:
        >>> FullyConnectedNet(n_way=5)(torch.zeros(10, 1, 28, 28)).shape
        torch.Size([10, 5])

    Reference:
        Finn, Abbeel & Levine 2017, section 5.2.
    """

    def __init__(self, n_way: int, *, n_in: int = 28 * 28) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in ((n_in, 256), (256, 128), (128, 64), (64, 64)):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b, track_running_stats=False), nn.ReLU()]
        super().__init__(*layers, nn.Linear(64, n_way))


def init_params(model: nn.Module, *, seed: int) -> Params:
    """Draw fresh parameters for `model`: the same seed, the same parameters.

    Args:
        model: a network; its own parameters are left as they are.
        seed: the seed of the draw.

    Returns:
        `{name: tensor}`, each a leaf that requires a gradient, of the model's dtype and device.

    Example:
        >>> params = init_params(MLP(), seed=0)
        >>> list(params)[:2], params["0.weight"].shape
        (['0.weight', '0.bias'], torch.Size([40, 1]))
    """
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        drawn = {name: p.detach().clone() for name, p in model.named_parameters()}
        for name, p in model.named_parameters():
            p.copy_(kept[name])
    return {name: p.requires_grad_() for name, p in drawn.items()}


def make_predict(model: nn.Module) -> PredictFn:
    """Turn a network into a function of its parameters: `predict(params, x) -> outputs`.

    Example:
        >>> predict = make_predict(MLP())
        >>> predict(init_params(MLP(), seed=0), torch.zeros(10, 1)).shape
        torch.Size([10, 1])
    """

    def predict(params: Params, x: Tensor) -> Tensor:
        return functional_call(model, params, (x,))

    return predict


def make_loss(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> LossFn:
    """Turn a network and a loss into `loss_fn(params, x, y) -> scalar`, for one task.

    This is all that MAML ever learns about a model: hence "model-agnostic".

    Args:
        model: a network.
        loss: for example `torch.nn.functional.mse_loss` or `cross_entropy`.

    Raises:
        TypeError: when the loss is called with class labels that are not int64.

    Example:
        >>> loss_fn = make_loss(MLP(), nn.functional.mse_loss)
        >>> loss_fn(init_params(MLP(), seed=0), torch.zeros(10, 1), torch.zeros(10, 1)).shape
        torch.Size([])
    """
    predict = make_predict(model)

    def loss_fn(params: Params, x: Tensor, y: Tensor) -> Tensor:
        if loss is cross_entropy and y.ndim == 1 and y.dtype != torch.int64:
            raise TypeError(f"class labels must be int64, got {y.dtype}: convert with y.long()")
        return loss(predict(params, x), y)

    return loss_fn
