"""Episodes: N-way K-shot classification tasks, drawn from a set of images sorted by class."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from maml_tutorial.tasks import ImageClasses, Task, require_at_least


class EpisodeSampler:
    """Draw N-way K-shot tasks: `n_way` classes, a few images of each, labels that mean nothing.

    For every task: choose `n_way` classes, number them 0 … n_way − 1 in random order, and deal
    `k_shot` images of each to the support set and `k_query` *other* images to the query set.
    Because the numbers are dealt anew in each task, a network cannot know them before it adapts.

    Args:
        images: `(n_classes, n_examples, channels, height, width)`, `uint8` in 0 … 255 or float in
            0 … 1; or, where classes differ in size, a list with a tensor `(n_examples, channels,
            height, width)` for each class.
        n_way: classes a task (N).
        k_shot: support images a class (K).
        k_query: query images a class.
        rotations: treat each class turned by 90°, 180° and 270° as further classes, as the
            paper does.

    Returns:
        A callable `(n_tasks, generator) -> Task` with `x_support` of shape
        `(n_tasks, n_way * k_shot, channels, height, width)`, float32 in 0 … 1, `y_support` of shape
        `(n_tasks, n_way * k_shot)`, int64, and the query set likewise with `k_query`. Images
        are ordered by label.

    Raises:
        ValueError: if `n_way`, `k_shot` or `k_query` is below 1, if there are fewer classes than
            `n_way`, fewer images in a class than `k_shot + k_query`, or images that differ in
            shape from class to class.
        TypeError: if `images` is not a tensor, or a list of tensors, of `uint8` or floats.

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
        self,
        images: Tensor | Sequence[Tensor],
        *,
        n_way: int,
        k_shot: int,
        k_query: int,
        rotations: bool = False,
    ) -> None:
        require_at_least(1, n_way=n_way, k_shot=k_shot, k_query=k_query)
        self.images = images
        self.n_way, self.k_shot, self.k_query = n_way, k_shot, k_query
        self.n_turns = 4 if rotations else 1
        self._flat, self._sizes = _in_a_row(images)
        if rotations and self._flat.shape[-1] != self._flat.shape[-2]:
            raise ValueError(f"rotations need square images, got {tuple(self._flat.shape[-2:])}")
        n_classes = len(self._sizes)
        if n_way > n_classes * self.n_turns:
            raise ValueError(
                f"n_way = {n_way}, but there are only {n_classes * self.n_turns} classes"
            )
        fewest, smallest = self._sizes.min(dim=0)
        if k_shot + k_query > fewest:
            raise ValueError(
                f"k_shot + k_query = {k_shot} + {k_query} = {k_shot + k_query}, "
                f"but a class has only {fewest.item()} images (class {smallest.item()}): ask for "
                "fewer, or leave that class out"
            )

    def __call__(self, n_tasks: int, generator: torch.Generator) -> Task:
        """Draw `n_tasks` episodes."""
        require_at_least(1, n_tasks=n_tasks)
        n_classes, sizes = len(self._sizes), self._sizes.to(generator.device)
        # The order of random numbers is a random order: the first few places are a draw without
        # replacement, and their order deals the labels.
        classes = _draw((n_tasks,), n_classes * self.n_turns, self.n_way, generator)
        k = self.k_shot + self.k_query
        own = classes % n_classes
        shape = (n_tasks, self.n_way)
        examples = _draw(shape, int(self._sizes.max()), k, generator, own=sizes[own])
        device = self._flat.device
        flat = ((sizes.cumsum(0) - sizes)[own][..., None] + examples).to(device)
        classes = classes.to(device)
        # One long gather of bytes; floats are made only of what was drawn.
        x = self._flat.index_select(0, flat.flatten())
        x = x.view(*flat.shape, *self._flat.shape[1:])
        if self.n_turns > 1:
            x = _turn(x, classes // n_classes)
        x_support = as_floats(x[:, :, : self.k_shot].flatten(1, 2))
        x_query = as_floats(x[:, :, self.k_shot :].flatten(1, 2))
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
                chosen = [i for i, of in enumerate(classes.groups) if of == group]
                images = classes.images
                self.samplers[group] = EpisodeSampler(
                    images[chosen] if isinstance(images, Tensor) else [images[i] for i in chosen],
                    n_way=n_way,
                    k_shot=k_shot,
                    k_query=k_query,
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


def _in_a_row(images: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return all images, `(n_images, channels, height, width)`, and how many each class has."""
    classes = [images] if isinstance(images, Tensor) else list(images)
    for some in classes:
        if not isinstance(some, Tensor) or not (
            some.dtype == torch.uint8 or some.is_floating_point()
        ):
            found = some.dtype if isinstance(some, Tensor) else type(some).__name__
            raise TypeError(f"images must be a uint8 or float tensor, got {found}")
    if isinstance(images, Tensor):
        if images.ndim != 5:
            raise ValueError(
                "images must have the shape (n_classes, n_examples, channels, height, width), "
                f"got {tuple(images.shape)}"
            )
        return images.flatten(0, 1), torch.full(images.shape[:1], images.shape[1])
    if len({(some.dtype, *some.shape[1:]) for some in classes}) != 1 or classes[0].ndim != 4:
        shapes = sorted({tuple(some.shape[1:]) for some in classes})
        raise ValueError(
            "a list of images needs one tensor (n_examples, channels, height, width) a class, "
            f"equal from the second axis on and of one dtype, got {shapes}"
        )
    return torch.cat(classes), torch.tensor([len(some) for some in classes])


def _draw(
    shape: tuple[int, ...],
    n: int,
    k: int,
    generator: torch.Generator,
    *,
    own: Tensor | None = None,
) -> Tensor:
    """Draw `k` of `n` without replacement, in random order, once for each place of `shape`.

    Where there is `own`, of that shape, each place draws among the first `own` of the `n` alone.
    """
    keys = torch.rand(*shape, n, generator=generator, device=generator.device)
    if own is not None:
        keys = keys.masked_fill(torch.arange(n, device=keys.device) >= own[..., None], -1)
    return keys.topk(k, dim=-1).indices


def _turn(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the images `x[t, c]` by `turns[t, c]` quarter turns."""
    x = x.clone()
    for quarter in (1, 2, 3):
        chosen = turns == quarter
        x[chosen] = torch.rot90(x[chosen], quarter, dims=(-2, -1))
    return x


def as_floats(x: Tensor) -> Tensor:
    """Return images as float32 in 0 … 1; bytes are 0 … 255.

    Example:
        >>> as_floats(torch.tensor([0, 255], dtype=torch.uint8)), as_floats(torch.tensor([0.5]))
        (tensor([0., 1.]), tensor([0.5000]))
    """
    return x.float().div_(255) if x.dtype == torch.uint8 else x.float()
