"""Companion package of the book *Learning to Learn: MAML, step by step*.

The modules build on each other in one direction: tasks, glyphs, omniglot and episodes; then
models, adapt, maml, training, evaluation, baselines, records and weights; then plots and exercises.
"""

from maml_tutorial.adapt import adapt
from maml_tutorial.baselines import nearest_neighbour, new_head, outcomes, pretrain
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.evaluation import Evaluation, Score, correct, evaluate, score, squared_error
from maml_tutorial.exercises import check
from maml_tutorial.glyphs import load_glyphs
from maml_tutorial.maml import maml_loss
from maml_tutorial.models import (
    MLP,
    ConvNet,
    FullyConnectedNet,
    init_params,
    make_loss,
    make_predict,
)
from maml_tutorial.omniglot import load_omniglot
from maml_tutorial.records import Record, load_record, save_record
from maml_tutorial.tasks import ImageClasses, SinusoidTasks, Task
from maml_tutorial.training import DivergenceError, Training, meta_train
from maml_tutorial.weights import load_weights, save_weights

__all__ = [
    "MLP",
    "ConvNet",
    "DivergenceError",
    "EpisodeSampler",
    "Evaluation",
    "FullyConnectedNet",
    "ImageClasses",
    "Record",
    "Score",
    "SinusoidTasks",
    "Task",
    "Training",
    "adapt",
    "check",
    "correct",
    "evaluate",
    "init_params",
    "load_glyphs",
    "load_omniglot",
    "load_record",
    "load_weights",
    "make_loss",
    "make_predict",
    "maml_loss",
    "meta_train",
    "nearest_neighbour",
    "new_head",
    "outcomes",
    "pretrain",
    "save_record",
    "save_weights",
    "score",
    "squared_error",
]
