"""Settings of the recorded runs: what is trained, on which tasks, and how it is judged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.choices import CLASSES_ONLY, LEARNERS, Choice
from maml_tutorial.creatures import load_creatures
from maml_tutorial.episodes import EpisodeSampler, WithinGroups
from maml_tutorial.evaluation import BatchNorm, correct, squared_error
from maml_tutorial.glyphs import load_glyphs
from maml_tutorial.gradients import chunked
from maml_tutorial.learners import Learner, MetaGradient
from maml_tutorial.models import MLP, ConvNet, FullyConnectedNet, Layers
from maml_tutorial.omniglot import load_omniglot
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
    """Settings that mean, and by default are, the same in every run.

    Attributes:
        learner: what is trained, a name of `maml_tutorial.choices.LEARNERS`.
        inner_lr: α.
        inner_steps: steps of the inner loop in meta-training.
        meta_lr: β, of Adam.
        first_order: MAML without the second derivatives.
        pull: λ of iMAML.
        chunk: tasks at once, None for all.
        decay: lower β along half a cosine.
        validate: hold some of the training classes back and be judged on them, not on the test
            classes: so are settings chosen. Sine waves have no classes: their tasks are others.
    """

    loss: ClassVar[Any]  # of outputs and targets; each kind of run has its own
    has_classes: ClassVar[bool] = True
    test_steps: ClassVar[Sequence[int]]

    learner: str = "maml"
    inner_lr: float = 0.4
    inner_steps: int = 1
    meta_lr: float = 1e-3
    first_order: bool = False
    pull: float = 2.0
    chunk: int | None = None
    decay: bool = False
    validate: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: if the learner is none, or not one for these tasks.
        """
        known = [name for name in LEARNERS if self.has_classes or name not in CLASSES_ONLY]
        if self.learner not in known:
            what = "classes" if self.has_classes else "sine waves"
            raise ValueError(
                f"no learner {self.learner!r} for {what}: there are {', '.join(known)}"
            )
        if self.first_order and self.learner not in ("maml", "fomaml"):
            raise ValueError(f"first_order is a choice of maml alone, not of {self.learner}")

    def learner_for(self, model: Layers) -> Learner:
        """Return what is trained, for one of this run's networks."""
        name = "fomaml" if self.first_order else self.learner
        return LEARNERS[name](Choice(model, self.loss, self.inner_lr, self.inner_steps, self.pull))

    def settings(self) -> dict[str, Any]:
        """Return every setting, and what goes with it and cannot be set: for the record.

        Example:
            >>> PRESETS["omniglot-5w1s"].settings()["shuffle_seed"]
            1
        """
        fixed = ("test_batch_size", "watched_steps", "n_watched_tasks", "threads")
        settings = asdict(self) | {name: getattr(self, name) for name in fixed}
        return settings | {"test_steps": list(self.test_steps)}

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

    n_test_tasks: int = field(default=10_000, kw_only=True)

    has_classes = False
    test_steps = range(11)
    watched_steps, n_watched_tasks = 1, 400
    test_batch_size = 100
    threads = 1  # a net of 1761 parameters is too small to share between threads: one is faster
    loss = staticmethod(mse_loss)
    metric, metric_name = staticmethod(squared_error), "squared error"

    def model(self) -> Layers:
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
    n_test_tasks: int = field(default=1000, kw_only=True)

    test_steps: ClassVar[Sequence[int]] = (0, 1, 2, 3, 5, 10)
    watched_steps, n_watched_tasks = 1, 400
    test_batch_size = 20
    threads = 2
    loss = staticmethod(cross_entropy)
    metric, metric_name = staticmethod(correct), "accuracy"

    def model(self) -> Layers:
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
        if self.validate:
            sources = {"validation letters": (load_glyphs, "validation")}
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
    n_test_tasks: int = field(default=600, kw_only=True)

    test_steps = (0, 1, 5)
    n_watched_tasks = 100

    def model(self) -> Layers:
        """Return the network, for pictures in colour."""
        return ConvNet(self.n_way, n_in=3, hidden=self.hidden)

    def sampler(self, device: Device = "cpu") -> TaskSampler:
        """Return the tasks of meta-training, to be drawn on a device."""
        return self._episodes(_moved(load_creatures("train").images, device))

    def tests(self) -> Iterator[Test]:
        """Give the tests one after the other."""
        source = "validation animals" if self.validate else "animals"
        split: Literal["validation", "test"] = "validation" if self.validate else "test"
        sampler = self._episodes(load_creatures(split).images)
        for batch_norm in BATCH_NORMS:
            label = f"{source} {self.n_way}-way {self.k_shot}-shot, {batch_norm}"
            yield Test(label, sampler, batch_norm)


@dataclass(frozen=True)
class Omniglot(Run):
    """A run on handwriting; the defaults are the paper's for 5-way tasks (appendix A.1).

    All characters are shuffled, whatever their alphabet, and 1200 of them trained on, with their
    rotations. (The paper says no more; this shuffle is our own.) The query set has as many
    images per class as the support set, as in the paper's code.

    With `by_alphabet=True` whole alphabets are held back instead: 964 characters of 30 alphabets
    are trained on, and 659 of the 20 others are for testing, as Lake et al. divide them.

    With `validate=True` the last 100 characters, or the last 5 alphabets, that would be trained on
    are held back and judged on; the test characters are not touched.
    """

    n_way: int
    k_shot: int
    conv: bool = True
    by_alphabet: bool = False
    chunk: int | None = field(default=16, kw_only=True)
    meta_batch_size: int = 32
    meta_steps: int = 60_000
    n_test_tasks: int = field(default=1000, kw_only=True)
    n_train: int = field(default=1200, kw_only=True)
    shuffle_seed: int = field(default=1, kw_only=True)

    test_steps = (0, 1, 3, 5)
    test_batch_size = 20
    threads = 2
    n_validation, n_validation_alphabets = 100, 5
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

    def model(self) -> Layers:
        """Return the network: four blocks of 64 filters, or the fully connected one."""
        return ConvNet(self.n_way) if self.conv else FullyConnectedNet(self.n_way)

    def _characters(self, train: bool) -> ImageClasses:
        """The characters that are trained on, or those that are judged on."""
        if self.by_alphabet:
            known, unseen = load_omniglot("background"), load_omniglot("evaluation")
        else:
            every = load_omniglot()
            generator = torch.Generator().manual_seed(self.shuffle_seed)
            order = torch.randperm(len(every.names), generator=generator).tolist()
            known, unseen = (
                _picked(every, part) for part in (order[: self.n_train], order[self.n_train :])
            )
        if not self.validate:
            return known if train else unseen
        held_back = self._held_back(known)
        return _picked(known, [i for i in range(len(known.names)) if train != (i in held_back)])

    def _held_back(self, known: ImageClasses) -> set[int]:
        """Which of the characters for training are judged on instead, to choose settings by."""
        if not self.by_alphabet:
            return set(range(self.n_train - self.n_validation, self.n_train))
        last = list(dict.fromkeys(known.groups))[-self.n_validation_alphabets :]
        return {i for i, group in enumerate(known.groups) if group in last}

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
        source = "validation Omniglot" if self.validate else "Omniglot"
        shape = f"{source} {self.n_way}-way {self.k_shot}-shot"
        yield Test(f"{shape}, transductive", turned)
        yield Test(f"{shape}, inductive", turned, "inductive")
        yield Test(f"{shape}, upright, transductive", upright)
        if self.n_way <= 5 or self.by_alphabet:  # few alphabets have twenty unseen characters
            within = WithinGroups(unseen, **self._shape())
            yield Test(f"{shape}, within one alphabet, transductive", within)
            yield Test(f"{shape}, within one alphabet, inductive", within, "inductive")


def _picked(classes: ImageClasses, chosen: list[int]) -> ImageClasses:
    """Some of the classes, in this order."""
    names, groups = (tuple(of[i] for i in chosen) for of in classes[1:])
    return ImageClasses(torch.as_tensor(classes.images)[chosen], names, groups)


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
