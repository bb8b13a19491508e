"""MAML and its relatives: one small function each, and each returns a `Learner`."""

from maml_tutorial.relatives.descent import anil, boil, fomaml, joint, maml
from maml_tutorial.relatives.extras import cavia, meta_sgd
from maml_tutorial.relatives.implicit import imaml
from maml_tutorial.relatives.prototypes import protomaml, protonet
from maml_tutorial.relatives.reptile import reptile

__all__ = [
    "anil",
    "boil",
    "cavia",
    "fomaml",
    "imaml",
    "joint",
    "maml",
    "meta_sgd",
    "protomaml",
    "protonet",
    "reptile",
]
