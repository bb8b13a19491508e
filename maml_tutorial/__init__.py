"""Companion package of the book *Learning to Learn: MAML, step by step*.

The modules build on each other in one direction; their order stands in `pyproject.toml`.
"""

from maml_tutorial.adapt import adapt
from maml_tutorial.baselines import nearest_neighbour, new_head, pretrain
from maml_tutorial.creatures import load_creatures
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.evaluation import (
    Evaluation,
    Score,
    correct,
    evaluate,
    outcomes,
    predict_alone,
    score,
    squared_error,
)
from maml_tutorial.exercises import check
from maml_tutorial.folders import load_folder
from maml_tutorial.glyphs import load_glyphs
from maml_tutorial.gradients import captured, chunked, compiled
from maml_tutorial.learners import Learner
from maml_tutorial.maml import maml_loss, over_tasks
from maml_tutorial.models import (
    MLP,
    ConvNet,
    FullyConnectedNet,
    init_params,
    make_loss,
    make_predict,
    params_of,
)
from maml_tutorial.navigation import Navigation, official_goals
from maml_tutorial.omniglot import load_omniglot
from maml_tutorial.policy_gradient import (
    GaussianPolicy,
    acting,
    advantages,
    as_data,
    play_and_adapt,
    play_tasks,
    reinforce,
)
from maml_tutorial.records import Record, load_benchmark, load_record, save_record
from maml_tutorial.relatives import (
    anil,
    boil,
    cavia,
    fomaml,
    imaml,
    joint,
    maml,
    meta_sgd,
    protomaml,
    protonet,
    reptile,
)
from maml_tutorial.tasks import ImageClasses, SinusoidTasks, Task
from maml_tutorial.training import DivergenceError, Training, cosine, meta_train, outer_loop
from maml_tutorial.weights import load_weights, save_weights

__all__ = [
    "MLP",
    "ConvNet",
    "DivergenceError",
    "EpisodeSampler",
    "Evaluation",
    "FullyConnectedNet",
    "GaussianPolicy",
    "ImageClasses",
    "Learner",
    "Navigation",
    "Record",
    "Score",
    "SinusoidTasks",
    "Task",
    "Training",
    "acting",
    "adapt",
    "advantages",
    "anil",
    "as_data",
    "boil",
    "captured",
    "cavia",
    "check",
    "chunked",
    "compiled",
    "correct",
    "cosine",
    "evaluate",
    "fomaml",
    "imaml",
    "init_params",
    "joint",
    "load_benchmark",
    "load_creatures",
    "load_folder",
    "load_glyphs",
    "load_omniglot",
    "load_record",
    "load_weights",
    "make_loss",
    "make_predict",
    "maml",
    "maml_loss",
    "meta_sgd",
    "meta_train",
    "nearest_neighbour",
    "new_head",
    "official_goals",
    "outcomes",
    "outer_loop",
    "over_tasks",
    "params_of",
    "play_and_adapt",
    "play_tasks",
    "predict_alone",
    "pretrain",
    "protomaml",
    "protonet",
    "reinforce",
    "reptile",
    "save_record",
    "save_weights",
    "score",
    "squared_error",
]
