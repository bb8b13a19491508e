"""Honest beginners: what a few labelled images teach a learner that never met other tasks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.functional import cross_entropy, linear, normalize

from maml_tutorial.adapt import adapt
from maml_tutorial.episodes import as_floats
from maml_tutorial.maml import over_tasks
from maml_tutorial.models import ConvNet, Params
from maml_tutorial.tasks import Task

Features = Callable[[Tensor], Tensor]


def pixels(x: Tensor) -> Tensor:
    """Take an image for what it is, a row of pixels: `(..., channels, height, width)` → `(..., d)`.

    Example:
        >>> pixels(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 784])
    """
    return x.flatten(-3)


def nearest_neighbour(task: Task, features: Features = pixels) -> Tensor:
    """Give each query image the label of the closest support image.

    Args:
        task: one task or a meta-batch of them.
        features: what the distance (Euclidean) is taken between, a function of images:
            `(..., channels, height, width)` → `(..., d)`.

    Returns:
        Labels, int64, shape `([n_tasks,] n_query)`.

    Example:
        >>> from maml_tutorial import EpisodeSampler
        >>> images = torch.eye(784).view(784, 1, 1, 28, 28).expand(-1, 4, -1, -1, -1)
        >>> sample = EpisodeSampler(images, n_way=5, k_shot=1, k_query=2)
        >>> nearest_neighbour(sample(1, torch.Generator().manual_seed(0)))
        tensor([[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])
    """
    distances = torch.cdist(features(task.x_query), features(task.x_support))
    return task.y_support.gather(-1, distances.argmin(dim=-1))


def pretrain(
    images: Tensor | list[Tensor],
    *,
    hidden: int = 32,
    epochs: int = 5,
    batch_size: int = 128,
    lr: float = 3e-3,
    seed: int = 0,
) -> Features:
    """Train a network to tell *all* classes apart, as usual, and keep all but its last layer.

    The network is `ConvNet` with ordinary batch norm: averages kept in training are used
    afterwards, so that an image's features do not depend on the images beside it.

    Args:
        images: `(n_classes, n_examples, channels, height, width)`, uint8 in 0 … 255 or float in
            0 … 1, or a list with one such tensor for each class; as for `EpisodeSampler`.
        hidden: filters of each block, and so the number of features.
        epochs: times that every image is seen.
        batch_size: images a step of Adam.
        lr: its learning rate, falling to zero along a cosine.
        seed: of the network and of the order of the images.

    Returns:
        The features, a function of images in 0 … 1: `(..., channels, height, width)` →
        `(..., hidden)`.

    Example:
        >>> features = pretrain(torch.zeros(3, 4, 1, 28, 28, dtype=torch.uint8), epochs=1)
        >>> features(torch.zeros(2, 5, 1, 28, 28)).shape
        torch.Size([2, 5, 32])
    """
    sizes = torch.tensor([len(some) for some in images])
    x = torch.cat(list(images))
    y = torch.arange(len(sizes)).repeat_interleave(sizes)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ConvNet(len(sizes), n_in=x.shape[1], hidden=hidden, running_averages=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    n_steps = epochs * -(-len(x) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(epochs):
        for some in torch.randperm(len(x), generator=generator).split(batch_size):
            loss = cross_entropy(net(as_floats(x[some])), y[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    trunk = nn.Sequential(*list(net)[:-1]).eval().requires_grad_(False)

    def features(x: Tensor) -> Tensor:
        return trunk(x.reshape(-1, *x.shape[-3:])).view(*x.shape[:-3], hidden)

    return features


def new_head(
    task: Task,
    features: Features,
    *,
    inner_lr: float = 1.0,
    inner_steps: int = 50,
    scaled: bool = True,
) -> Tensor:
    """Train a new last layer on the support set, on features that stay as they are.

    The features are scaled to length 1, unless told otherwise; the layer starts from zeros, and
    gradient descent on the cross-entropy of the support set does the rest.

    Args:
        task: one task or a meta-batch of them, labels 0 … n_way − 1.
        features: such as those of `pretrain`: a function of images, `(..., d)`.
        inner_lr: α.
        inner_steps: steps of gradient descent.
        scaled: scale the features to length 1.

    Returns:
        Labels for the query images, int64, shape `([n_tasks,] n_query)`.

    Example:
        >>> from maml_tutorial import EpisodeSampler
        >>> images = torch.eye(784).view(784, 1, 1, 28, 28).expand(-1, 4, -1, -1, -1)
        >>> sample = EpisodeSampler(images, n_way=5, k_shot=1, k_query=2)
        >>> new_head(sample(1, torch.Generator().manual_seed(0)), pixels)
        tensor([[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])

    Reference:
        Tian et al. 2020 and Chen et al. 2019 find this simple learner hard to beat.
    """
    if task.y_support.ndim == 1:
        stacked = Task(*(part[None] for part in task))
        return new_head(
            stacked, features, inner_lr=inner_lr, inner_steps=inner_steps, scaled=scaled
        )[0]
    support, query = features(task.x_support), features(task.x_query)
    if scaled:
        support, query = normalize(support, dim=-1), normalize(query, dim=-1)
    shape = (len(support), int(task.y_support.max()) + 1)
    head = {
        "weight": torch.zeros(*shape, support.shape[-1], requires_grad=True),
        "bias": torch.zeros(shape, requires_grad=True),
    }

    def loss_fn(params: Params, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(linear(x, params["weight"], params["bias"]), y)

    head = adapt(
        over_tasks(loss_fn),
        head,
        support,
        task.y_support,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        first_order=True,  # the same steps; nothing is differentiated through them
    )
    return vmap(linear)(query, head["weight"], head["bias"]).argmax(dim=-1)
