"""Settings of the recorded runs: what is trained, on which tasks, and how it is judged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.creatures import load_creatures
from maml_tutorial.episodes import EpisodeSampler, WithinGroups
from maml_tutorial.evaluation import BatchNorm, correct, squared_error
from maml_tutorial.glyphs import load_glyphs
from maml_tutorial.gradients import chunked
from maml_tutorial.learners import Learner, MetaGradient
from maml_tutorial.models import MLP, ConvNet, FullyConnectedNet, make_loss
from maml_tutorial.omniglot import load_omniglot
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import ImageClasses, SinusoidTasks, TaskSampler

BATCH_NORMS: tuple[BatchNorm, ...] = ("transductive", "inductive")
Device = torch.device | str


@dataclass(frozen=True)
class Test:
    """One way in which a run is judged.

    Attributes:
        label: what its scores are called in the record.
        sampler: deals the unseen tasks.
        batch_norm: the protocol of `evaluate`.
    """

    label: str
    sampler: TaskSampler
    batch_norm: BatchNorm = "transductive"


@dataclass(frozen=True, kw_only=True)
class Run:
    """Settings that mean, and by default are, the same in every run."""

    loss: ClassVar[Any]  # of outputs and targets; each kind of run has its own

    inner_lr: float = 0.4
    inner_steps: int = 1
    meta_lr: float = 1e-3
    first_order: bool = False
    chunk: int | None = None
    decay: bool = False

    def learner(self, model: nn.Module) -> Learner:
        """Return MAML, exact or first order, for one of this run's networks."""
        return maml(
            make_loss(model, self.loss),
            inner_lr=self.inner_lr,
            inner_steps=self.inner_steps,
            first_order=self.first_order,
        )

    def engine(self, gradient: MetaGradient) -> MetaGradient:
        """Take the same meta-gradient in the chunks of this run, which are chosen for a CPU."""
        return chunked(self.chunk)(gradient) if self.chunk else gradient


@dataclass(frozen=True)
class Sinusoid(Run):
    """A sine-wave run; the defaults are the paper's (section 5.1) and its code's."""

    k_shot: int
    inner_lr: float = field(default=0.01, kw_only=True)
    meta_batch_size: int = 25
    meta_steps: int = 70_000

    n_test_tasks = 10_000
    test_steps = range(11)
    watched_steps, n_watched_tasks = 1, 400
    test_batch_size = 100
    threads = 1  # a net of 1761 parameters is too small to share between threads: one is faster
    loss = staticmethod(mse_loss)
    metric, metric_name = staticmethod(squared_error), "squared error"

    def model(self) -> nn.Module:
        """Return the network."""
        return MLP()

    def sampler(self, device: Device = "cpu") -> TaskSampler:
        """Return the tasks of meta-training; they are drawn where the generator is."""
        return SinusoidTasks(self.k_shot, self.k_shot)

    def tests(self) -> Iterator[Test]:
        """Give the tests one after the other."""
        yield Test(f"{self.k_shot}-shot", SinusoidTasks(self.k_shot, 100))


@dataclass(frozen=True)
class Glyphs(Run):
    """A run on printed letters: trained on some scripts, tested on others and on Omniglot."""

    n_way: int
    k_shot: int
    k_query: int = 5
    hidden: int = 32
    meta_batch_size: int = 16
    meta_steps: int = 3000

    n_test_tasks = 1000
    test_steps: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 5, 10)
    watched_steps, n_watched_tasks = 1, 400
    test_batch_size = 20
    threads = 2
    loss = staticmethod(cross_entropy)
    metric, metric_name = staticmethod(correct), "accuracy"

    def model(self) -> nn.Module:
        """Return the network."""
        return ConvNet(self.n_way, hidden=self.hidden)

    def _episodes(self, images: Tensor | list[Tensor]) -> TaskSampler:
        return EpisodeSampler(images, n_way=self.n_way, k_shot=self.k_shot, k_query=self.k_query)

    def sampler(self, device: Device = "cpu") -> TaskSampler:
        """Return the tasks of meta-training, to be drawn on a device."""
        return self._episodes(_moved(load_glyphs("train").images, device))

    def tests(self) -> Iterator[Test]:
        """Give the tests one after the other.

        Raises:
            OSError: when it comes to Omniglot, and there is neither a copy nor a network.
        """
        shape = f"{self.n_way}-way {self.k_shot}-shot"
        sources: dict[str, tuple[Callable[..., ImageClasses], str]] = {
            "letters": (load_glyphs, "test"),
            "Omniglot": (load_omniglot, "evaluation"),
        }
        for source, (load, split) in sources.items():
            sampler = self._episodes(load(split).images)
            for batch_norm in BATCH_NORMS:
                yield Test(f"{source} {shape}, {batch_norm}", sampler, batch_norm)


@dataclass(frozen=True)
class Creatures(Glyphs):
    """A run on invented animals in colour: trained on some families, tested on others.

    It is much shorter than that on letters. α is as there: on 600 tasks of the validation
    species, after 200 outer steps, 0.1 did no better.
    """

    meta_batch_size: int = 8
    meta_steps: int = 400

    n_test_tasks = 600
    test_steps = (0, 1, 5)
    n_watched_tasks = 100

    def model(self) -> nn.Module:
        """Return the network, for pictures in colour."""
        return ConvNet(self.n_way, n_in=3, hidden=self.hidden)

    def sampler(self, device: Device = "cpu") -> TaskSampler:
        """Return the tasks of meta-training, to be drawn on a device."""
        return self._episodes(_moved(load_creatures("train").images, device))

    def tests(self) -> Iterator[Test]:
        """Give the tests one after the other."""
        sampler = self._episodes(load_creatures("test").images)
        for batch_norm in BATCH_NORMS:
            label = f"animals {self.n_way}-way {self.k_shot}-shot, {batch_norm}"
            yield Test(label, sampler, batch_norm)


@dataclass(frozen=True)
class Omniglot(Run):
    """A run on handwriting; the defaults are the paper's for 5-way tasks (appendix A.1).

    All characters are shuffled, whatever their alphabet, and 1200 of them trained on, with their
    rotations. (The paper says no more; this shuffle is our own.) The query set has as many
    images per class as the support set, as in the paper's code.

    With `by_alphabet=True` whole alphabets are held back instead: 964 characters of 30 alphabets
    are trained on, and 659 of the 20 others are for testing, as Lake et al. divide them.
    """

    n_way: int
    k_shot: int
    conv: bool = True
    by_alphabet: bool = False
    chunk: int | None = field(default=16, kw_only=True)
    meta_batch_size: int = 32
    meta_steps: int = 60_000
    n_test_tasks: int = field(default=1000, kw_only=True)

    test_steps = (0, 1, 3, 5)
    test_batch_size = 20
    threads = 2
    n_train, shuffle_seed = 1200, 1
    loss = staticmethod(cross_entropy)
    metric, metric_name = staticmethod(correct), "accuracy"

    @property
    def watched_steps(self) -> int:
        """As many as the paper takes at evaluation."""
        return max(3, self.inner_steps)

    @property
    def n_watched_tasks(self) -> int:
        """As many as make two thousand answers in one-shot tasks."""
        return 2000 // self.n_way

    def model(self) -> nn.Module:
        """Return the network: four blocks of 64 filters, or the fully connected one."""
        return ConvNet(self.n_way) if self.conv else FullyConnectedNet(self.n_way)

    def _characters(self, train: bool) -> ImageClasses:
        if self.by_alphabet:
            return load_omniglot("background" if train else "evaluation")
        every = load_omniglot()
        generator = torch.Generator().manual_seed(self.shuffle_seed)
        order = torch.randperm(len(every.names), generator=generator)
        chosen = order[: self.n_train] if train else order[self.n_train :]
        names, groups = (tuple(of[i] for i in chosen.tolist()) for of in every[1:])
        return ImageClasses(every.images[chosen], names, groups)

    def _shape(self) -> dict[str, Any]:
        return {"n_way": self.n_way, "k_shot": self.k_shot, "k_query": self.k_shot}

    def sampler(self, device: Device = "cpu") -> TaskSampler:
        """Return the tasks of meta-training, to be drawn on a device: the same on each.

        Raises:
            OSError: where there is neither a copy of Omniglot nor a network.
        """
        images = _moved(self._characters(train=True).images, device)
        if torch.device(device).type == "cpu":
            return EpisodeSampler(images, **self._shape(), rotations=True)
        # There to choose what to turn would be to wait for the GPU: all turns lie ready.
        return EpisodeSampler(every_turn(images), **self._shape())

    def tests(self) -> Iterator[Test]:
        """Give the tests one after the other; the paper's protocol first.

        Raises:
            OSError: where there is neither a copy of Omniglot nor a network.
        """
        unseen = self._characters(train=False)
        turned = EpisodeSampler(unseen.images, **self._shape(), rotations=True)
        upright = EpisodeSampler(unseen.images, **self._shape())
        shape = f"Omniglot {self.n_way}-way {self.k_shot}-shot"
        yield Test(f"{shape}, transductive", turned)
        yield Test(f"{shape}, inductive", turned, "inductive")
        yield Test(f"{shape}, upright, transductive", upright)
        if self.n_way <= 5 or self.by_alphabet:  # few alphabets have twenty unseen characters
            within = WithinGroups(unseen, **self._shape())
            yield Test(f"{shape}, within one alphabet, transductive", within)
            yield Test(f"{shape}, within one alphabet, inductive", within, "inductive")


def _moved(images: Tensor | list[Tensor], device: Device) -> Tensor:
    """Images of classes of equal size, as all of these are."""
    return torch.as_tensor(images).to(device)


def every_turn(images: Tensor) -> Tensor:
    """Return the classes followed by the same turned by 90°, 180° and 270°.

    A sampler of these draws what one with `rotations=True` draws of the classes themselves.

    Example:
        >>> every_turn(torch.zeros(30, 20, 1, 28, 28)).shape
        torch.Size([120, 20, 1, 28, 28])
    """
    return torch.cat([torch.rot90(images, quarter, dims=(-2, -1)) for quarter in range(4)])


Preset = Sinusoid | Glyphs | Creatures | Omniglot

TWENTY_WAY = Omniglot(20, 1, inner_steps=5, inner_lr=0.1, meta_batch_size=16, chunk=4)

PRESETS: dict[str, Preset] = {
    "sinusoid-k5": Sinusoid(k_shot=5),
    "sinusoid-k10": Sinusoid(k_shot=10),
    "sinusoid-k5-pretrained": Sinusoid(k_shot=5, inner_steps=0),
    "sinusoid-k10-pretrained": Sinusoid(k_shot=10, inner_steps=0),
    "glyphs-5w1s": Glyphs(n_way=5, k_shot=1),
    "creatures-5w1s": Creatures(n_way=5, k_shot=1),
    "omniglot-5w1s": Omniglot(n_way=5, k_shot=1),
    "omniglot-5w5s": Omniglot(n_way=5, k_shot=5, chunk=8),
    "omniglot-20w1s": TWENTY_WAY,
    "omniglot-20w5s": replace(TWENTY_WAY, k_shot=5, chunk=2),
    "omniglot-5w1s-no-conv": Omniglot(n_way=5, k_shot=1, conv=False),
    "omniglot-20w1s-by-alphabet": replace(TWENTY_WAY, by_alphabet=True),
}
