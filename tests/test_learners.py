"""What a learner is: two functions that the outer loop and the evaluation can work with."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from maml_tutorial.evaluation import evaluate, squared_error
from maml_tutorial.learners import Learner, gradient_of, hand_sized, slopes
from maml_tutorial.models import init_params, make_loss, make_predict
from maml_tutorial.tasks import SinusoidTasks
from maml_tutorial.training import meta_train

LINE = nn.Linear(1, 1)
LOSS = make_loss(LINE, mse_loss)


def shifted(params, x, y, *, inner_steps=1):
    """Adapt without a gradient: lift the line to the mean of the points."""
    miss = (y - torch.vmap(make_predict(LINE))(params, x)).mean(dim=1)
    return params | {"bias": params["bias"] + (miss if inner_steps else 0)}


def steepness(params, tasks):
    """Want the line to be level."""
    return params["weight"].square().sum()


def test_two_functions_of_one_s_own_train_and_are_judged():
    learner = Learner(shifted, gradient_of(steepness))
    theta = init_params(LINE, seed=1)
    seed = torch.Generator().manual_seed(0)
    training = meta_train(
        learner, theta, SinusoidTasks(), meta_steps=50, meta_lr=0.1, generator=seed, progress=False
    )
    assert training.params["weight"].abs() < 0.05 < theta["weight"].abs()
    assert torch.equal(training.params["bias"], theta["bias"]), "it plays no part in the loss"
    scores = evaluate(
        learner,
        make_predict(LINE),
        squared_error,
        training.params,
        SinusoidTasks(),
        inner_steps=(0, 1),
        n_tasks=100,
        generator=seed,
    ).support
    assert scores[1].mean < scores[0].mean


def test_what_is_added_at_the_start_is_trained_too():
    def start(params):
        return {"height": torch.ones(1, requires_grad=True)} | params

    learner = Learner(shifted, gradient_of(lambda params, tasks: params["height"].sum()), start)
    params = meta_train(
        learner,
        init_params(LINE, seed=0),
        SinusoidTasks(),
        meta_steps=1,
        meta_lr=0.1,
        generator=torch.Generator(),
        progress=False,
    ).params
    assert params["height"].item() == pytest.approx(0.9)


def test_slopes_keep_the_order_and_are_zero_where_nothing_is_to_be_learnt():
    frozen, used, idle = torch.ones(2), torch.ones(3, requires_grad=True), torch.ones(1)
    params = {"frozen": frozen, "used": used, "idle": idle.requires_grad_()}
    found = slopes(frozen.sum() * used.sum(), params)
    assert [g.tolist() for g in found] == [[0, 0], [2, 2, 2], [0]]


def test_slopes_of_one_loss_can_be_taken_twice_only_where_the_graph_is_kept():
    theta = {"theta": torch.tensor(3.0, requires_grad=True)}
    loss = theta["theta"].square()
    assert slopes(loss, theta, retain_graph=True) == slopes(loss, theta) == [torch.tensor(6.0)]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        slopes(loss, theta)


def test_a_loss_that_no_parameter_reaches_is_no_lesson():
    _, params, tasks = hand_sized()
    with pytest.raises(RuntimeError, match="does not require grad"):
        gradient_of(lambda params, tasks: torch.tensor(1.0))(params, tasks)
