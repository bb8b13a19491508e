"""Episodes: N-way K-shot classification tasks, drawn from a set of images sorted by class."""

from collections import Counter

import torch
from torch import Tensor

from maml_tutorial.tasks import ImageClasses, Task, require_at_least


class EpisodeSampler:
    """Draw N-way K-shot tasks: `n_way` classes, a few images of each, labels that mean nothing.

    For every task: choose `n_way` classes, number them 0 … n_way − 1 in random order, and deal
    `k_shot` images of each to the support set and `k_query` *other* images to the query set.
    Because the numbers are dealt anew in each task, a network cannot know them before it adapts.

    Args:
        images: `(n_classes, n_examples, 1, height, width)`, `uint8` in 0 … 255 or float in 0 … 1.
        n_way: classes a task (N).
        k_shot: support images a class (K).
        k_query: query images a class.
        rotations: treat each class turned by 90°, 180° and 270° as further classes, as the
            paper does.

    Returns:
        A callable `(n_tasks, generator) -> Task` with `x_support` of shape
        `(n_tasks, n_way * k_shot, 1, height, width)`, float32 in 0 … 1, `y_support` of shape
        `(n_tasks, n_way * k_shot)`, int64, and the query set likewise with `k_query`. Images
        are ordered by label.

    Raises:
        ValueError: if `n_way`, `k_shot` or `k_query` is below 1, if there are fewer classes than
            `n_way`, or fewer images in a class than `k_shot + k_query`.
        TypeError: if `images` is not a tensor of `uint8` or floats.

    Example:
        >>> images = torch.zeros(30, 20, 1, 28, 28, dtype=torch.uint8)
        >>> sample = EpisodeSampler(images, n_way=5, k_shot=1, k_query=15)
        >>> tasks = sample(8, torch.Generator().manual_seed(0))
        >>> tasks.x_query.shape, tasks.y_support[0].tolist()
        (torch.Size([8, 75, 1, 28, 28]), [0, 1, 2, 3, 4])

    Reference:
        Vinyals et al. 2016, section 3 (episodes); Finn, Abbeel & Levine 2017, section 5.2
        (rotations).
    """

    def __init__(
        self, images: Tensor, *, n_way: int, k_shot: int, k_query: int, rotations: bool = False
    ) -> None:
        require_at_least(1, n_way=n_way, k_shot=k_shot, k_query=k_query)
        if not isinstance(images, Tensor) or not (
            images.dtype == torch.uint8 or images.is_floating_point()
        ):
            found = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"images must be a uint8 or float tensor, got {found}")
        if images.ndim != 5:
            raise ValueError(
                "images must have the shape (n_classes, n_examples, channels, height, width), "
                f"got {tuple(images.shape)}"
            )
        self.images = images
        self.n_way, self.k_shot, self.k_query = n_way, k_shot, k_query
        self.n_turns = 4 if rotations else 1
        if rotations and images.shape[-1] != images.shape[-2]:
            raise ValueError(f"rotations need square images, got {tuple(images.shape[-2:])}")
        n_classes, n_examples = images.shape[:2]
        if n_way > n_classes * self.n_turns:
            raise ValueError(
                f"n_way = {n_way}, but there are only {n_classes * self.n_turns} classes"
            )
        if k_shot + k_query > n_examples:
            raise ValueError(
                f"k_shot + k_query = {k_shot} + {k_query} = {k_shot + k_query}, "
                f"but a class has only {n_examples} images"
            )

    def __call__(self, n_tasks: int, generator: torch.Generator) -> Task:
        """Draw `n_tasks` episodes."""
        require_at_least(1, n_tasks=n_tasks)
        n_classes, n_examples = self.images.shape[:2]
        # The order of random numbers is a random order: the first few places are a draw without
        # replacement, and their order deals the labels.
        classes = _draw((n_tasks,), n_classes * self.n_turns, self.n_way, generator)
        k = self.k_shot + self.k_query
        examples = _draw((n_tasks, self.n_way), n_examples, k, generator)
        device = self.images.device
        classes, examples = classes.to(device), examples.to(device)
        flat = (classes % n_classes)[..., None] * n_examples + examples
        # One long gather of bytes; floats are made only of what was drawn.
        x = self.images.flatten(0, 1).index_select(0, flat.flatten())
        x = x.view(*flat.shape, *self.images.shape[2:])
        if self.n_turns > 1:
            x = _turn(x, classes // n_classes)
        x_support = _as_floats(x[:, :, : self.k_shot].flatten(1, 2))
        x_query = _as_floats(x[:, :, self.k_shot :].flatten(1, 2))
        labels = torch.arange(self.n_way, device=device)
        y_support = labels.repeat_interleave(self.k_shot).repeat(n_tasks, 1)
        y_query = labels.repeat_interleave(self.k_query).repeat(n_tasks, 1)
        return Task(x_support, y_support, x_query, y_query)


class WithinGroups:
    """Draw N-way K-shot tasks whose classes are all of one group, such as one alphabet.

    For every task one group is drawn, each as likely as the others, among those with enough
    classes; then the task as `EpisodeSampler` does.

    Args:
        classes: images with the group of each class.
        n_way: classes a task.
        k_shot: support images a class.
        k_query: query images a class.

    Returns:
        A callable `(n_tasks, generator) -> Task`.

    Raises:
        ValueError: if no group has `n_way` classes; the error names the largest. Otherwise as
            `EpisodeSampler` does.

    Example:
        >>> images = torch.zeros(9, 20, 1, 28, 28, dtype=torch.uint8)
        >>> classes = ImageClasses(images, tuple("abcdefghi"), ("Greek",) * 3 + ("Latin",) * 6)
        >>> sample = WithinGroups(classes, n_way=5, k_shot=1, k_query=1)
        >>> list(sample.samplers)
        ['Latin']

    Reference:
        Lake, Salakhutdinov & Tenenbaum 2015: the Omniglot challenge stays within an alphabet.
    """

    def __init__(self, classes: ImageClasses, *, n_way: int, k_shot: int, k_query: int) -> None:
        self.samplers: dict[str, EpisodeSampler] = {}
        sizes = Counter(classes.groups)
        for group, size in sorted(sizes.items()):
            if size >= n_way:
                chosen = torch.tensor([of == group for of in classes.groups])
                self.samplers[group] = EpisodeSampler(
                    classes.images[chosen], n_way=n_way, k_shot=k_shot, k_query=k_query
                )
        if not self.samplers:
            largest, size = sizes.most_common(1)[0]
            raise ValueError(f"n_way = {n_way}, but the largest group, {largest}, has {size}")

    def __call__(self, n_tasks: int, generator: torch.Generator) -> Task:
        """Draw `n_tasks` episodes."""
        require_at_least(1, n_tasks=n_tasks)
        samplers = list(self.samplers.values())
        chosen = torch.randint(len(samplers), (n_tasks,), generator=generator).tolist()
        tasks = [samplers[i](1, generator) for i in chosen]
        return Task(*(torch.cat(parts) for parts in zip(*tasks, strict=True)))


def _draw(shape: tuple[int, ...], n: int, k: int, generator: torch.Generator) -> Tensor:
    """Draw `k` of `n` without replacement, in random order, once for each place of `shape`."""
    keys = torch.rand(*shape, n, generator=generator, device=generator.device)
    return keys.topk(k, dim=-1).indices


def _turn(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the images `x[t, c]` by `turns[t, c]` quarter turns."""
    x = x.clone()
    for quarter in (1, 2, 3):
        chosen = turns == quarter
        x[chosen] = torch.rot90(x[chosen], quarter, dims=(-2, -1))
    return x


def _as_floats(x: Tensor) -> Tensor:
    return x.float().div_(255) if x.dtype == torch.uint8 else x.float()
