"""What people try with MAML code and must not get away with: refused, in words that help."""

from functools import partial

import pytest
import torch
from field_hands import LETTERS, THETA, WAVE_LOSS, WAVES, images, rng, sines
from torch import nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
    smooth_l1_loss,
)

from maml_tutorial import (
    EpisodeSampler,
    Task,
    anil,
    boil,
    correct,
    evaluate,
    fomaml,
    imaml,
    init_params,
    make_loss,
    make_predict,
    maml,
    maml_loss,
    meta_train,
    outcomes,
    reptile,
    squared_error,
)


def flat(tasks):
    return tasks._replace(y_support=tasks.y_support[..., 0], y_query=tasks.y_query[..., 0])


def first(tasks):
    return Task(*(part[0] for part in tasks))


def wave_scores(metric, sampler, **options):
    return evaluate(
        maml(WAVE_LOSS, inner_lr=0.01),
        make_predict(WAVES),
        metric,
        THETA,
        sampler,
        inner_steps=(0,),
        n_tasks=20,
        generator=rng(),
        **options,
    )


# Shapes that would be broadcast unseen


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize(
    "loss",
    [
        mse_loss,
        nn.MSELoss(),
        nn.HuberLoss(),
        partial(smooth_l1_loss, beta=0.5),
        partial(partial(mse_loss), reduction="sum"),
        binary_cross_entropy_with_logits,
        lambda outputs, y: (outputs - y).abs().mean(),
    ],
)
def test_a_column_against_a_row_is_refused_with_both_shapes(loss, vectorised):
    with pytest.raises(ValueError, match=r"outputs \(10, 1\) and targets \(10,\) .*broadcast"):
        maml_loss(
            make_loss(WAVES, loss), THETA, flat(sines()), inner_lr=0.01, vectorised=vectorised
        )


def test_a_row_against_a_column_is_refused_too():
    net = nn.Sequential(*WAVES, nn.Flatten(0))
    with pytest.raises(ValueError, match=r"outputs \(10,\) and targets \(10, 1\)"):
        maml_loss(make_loss(net, mse_loss), THETA, sines(), inner_lr=0.01)


@pytest.mark.parametrize("batch_size", [7, 10, 100])
@pytest.mark.parametrize(
    "metric",
    [
        squared_error,
        nn.L1Loss(reduction="none"),
        partial(mse_loss, reduction="none"),
        lambda outputs, y: (outputs - y) ** 2,
    ],
)
def test_a_metric_meets_the_same_refusal_whatever_the_batch(metric, batch_size):
    with pytest.raises(ValueError, match=r"outputs \(10, 1\) and targets \(10,\)"):
        wave_scores(metric, lambda n, g: flat(sines(n, g)), batch_size=batch_size)


def test_whole_number_targets_cannot_blow_up_a_metric_either():
    def yes_or_no(n, g):
        return flat(sines(n, g)).map(lambda t: t if t.ndim == 3 else (t > 0).long())

    learner = maml(lambda params, x, y: WAVE_LOSS(params, x, y[:, None].float()), inner_lr=0.01)
    with pytest.raises(ValueError, match=r"one value a prediction.*\(10, 10, 10\)"):
        evaluate(
            learner,
            make_predict(WAVES),
            lambda outputs, y: ((outputs > 0) == y).float(),
            THETA,
            yes_or_no,
            n_tasks=10,
            generator=rng(),
        )


@pytest.mark.parametrize("metric", [nn.MSELoss(), lambda outputs, y: (outputs - y).abs().mean()])
def test_a_metric_that_takes_the_mean_is_refused(metric):
    with pytest.raises(ValueError, match=r"one value a prediction.*reduction='none'"):
        wave_scores(metric, sines)


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (nn.MSELoss(reduction="none"), ValueError, r"one number a task, got the shape \(10, 1\)"),
        (lambda outputs, y: mse_loss(outputs, y).item(), TypeError, r"got float: leave out .item"),
    ],
)
def test_a_loss_must_be_one_tensor(loss, error, words, vectorised):
    with pytest.raises(error, match=words):
        maml_loss(make_loss(WAVES, loss), THETA, sines(), inner_lr=0.01, vectorised=vectorised)


# What a task is, and what a sampler gives


@pytest.mark.parametrize(
    ("net", "loss", "task"),
    [
        (WAVES, mse_loss, first(sines())),
        (LETTERS, cross_entropy, first(images(k_query=1))),
        (LETTERS, cross_entropy, first(images(k_query=3))),
        (nn.Embedding(9, 1), mse_loss, Task(*(torch.zeros(4, dtype=torch.int64),) * 4)),
    ],
)
def test_one_task_alone_is_not_taken_for_many(net, loss, task):
    with pytest.raises(ValueError, match=r"one task alone is stacked by tasks\.map"):
        maml_loss(make_loss(net, loss), init_params(net, seed=0), task, inner_lr=0.01)


@pytest.mark.parametrize(
    ("sampler", "error", "words"),
    [
        (lambda n, g: sines(n + 1, g), ValueError, "asked for 4 tasks and gave 5"),
        (lambda n, g: sines(1, g), ValueError, "asked for 4 tasks and gave 1"),
        (lambda n, g: tuple(sines(n, g)), TypeError, "must be a Task, got tuple"),
        (lambda n, g: [first(sines(1, g)) for _ in range(n)], TypeError, "Task, got list"),
        (lambda n, g: sines(n, g)._asdict(), TypeError, "must be a Task, got dict"),
        (
            lambda n, g: Task(*(part.numpy() for part in sines(n, g))),
            TypeError,
            "x_support must hold tensors, got ndarray",
        ),
        (
            lambda n, g: sines(n, g)._replace(y_query=None),
            TypeError,
            "y_query must hold tensors, got NoneType",
        ),
        (
            lambda n, g: sines(n, g)._replace(y_query=sines(n, g).y_query[:, 1:]),
            ValueError,
            r"as many, got x_query \(4, 10, 1\), y_query \(4, 9, 1\)",
        ),
        (
            lambda n, g: sines(n, g)._replace(x_query=(torch.ones(4, 2), torch.ones(3, 2))),
            ValueError,
            r"tensors of x_query must share a leading axis.*\(4, 2\), \(3, 2\)",
        ),
    ],
)
def test_a_sampler_must_give_the_tasks_it_was_asked_for(sampler, error, words):
    learner = maml(WAVE_LOSS, inner_lr=0.01)
    with pytest.raises(error, match=words):
        meta_train(
            learner,
            THETA,
            sampler,
            meta_batch_size=4,
            meta_steps=1,
            generator=rng(),
            progress=False,
        )
    with pytest.raises(error, match=words):
        wave_scores(squared_error, sampler, batch_size=4)
    with pytest.raises(error, match=words):
        outcomes(sampler, lambda tasks: tasks.y_query, n_tasks=4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.double(), "Double and Float"),
        (lambda t: t.long(), "Long and Float"),
    ],
)
def test_numbers_of_another_type_are_named(change, words):
    with pytest.raises(RuntimeError, match=words):
        maml_loss(WAVE_LOSS, THETA, sines().map(change), inner_lr=0.01)


# Labels


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize("half", ["y_support", "y_query"])
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda y: y.int(), TypeError, r"int64, got torch.int32: convert with y.long\(\)"),
        (lambda y: y.float(), TypeError, "int64, got torch.float32"),
        (lambda y: y - 1, ValueError, r"0 \.\.\. 4.*got -1"),
        (lambda y: y + 1, ValueError, r"0 \.\.\. 4.*got 5: a network needs as many outputs as"),
        (lambda y: y[..., None], ValueError, r"shape \(5,\).*got \(5, 1\)"),
    ],
)
@pytest.mark.parametrize("loss", [cross_entropy, nn.CrossEntropyLoss(label_smoothing=0.1)])
def test_labels_that_are_none_are_named(loss, change, error, words, half, vectorised):
    tasks = images()
    tasks = tasks._replace(**{half: change(getattr(tasks, half))})
    with pytest.raises(error, match=words):
        maml_loss(
            make_loss(LETTERS, loss),
            init_params(LETTERS, seed=0),
            tasks,
            inner_lr=0.1,
            vectorised=vectorised,
        )


@pytest.mark.parametrize("n_way", [6, 9])
def test_more_ways_at_the_test_than_outputs_are_named(n_way):
    pictures = torch.rand(9, 4, 1, 16, 16, generator=rng())
    with pytest.raises(ValueError, match=r"each of the 5 outputs, got 5: a network needs as many"):
        evaluate(
            maml(make_loss(LETTERS, cross_entropy), inner_lr=0.1),
            make_predict(LETTERS),
            correct,
            init_params(LETTERS, seed=0),
            EpisodeSampler(pictures, n_way=n_way, k_shot=1, k_query=1),
            n_tasks=2,
            generator=rng(),
        )


# Rates


@pytest.mark.parametrize(
    ("rate", "error", "words"),
    [
        (0, ValueError, "positive, finite number, got 0"),
        (-0.1, ValueError, "got -0.1"),
        (float("nan"), ValueError, "got nan"),
        (float("inf"), ValueError, "got inf"),
        (True, ValueError, "got True"),
        ("0.1", ValueError, "got '0.1'"),
        (None, ValueError, "got None"),
        ([0.1], ValueError, r"got \[0.1\]"),
        (torch.ones(2), ValueError, r"one element, got \(2,\): give a rate for each name"),
        ({}, ValueError, "a rate for no parameter"),
        ({"2.weights": 0.1}, ValueError, "'2.weights'.*did you mean '2.weight'"),
        ({"weight": 0.1}, ValueError, "There are 0.weight, 0.bias, 2.weight, 2.bias"),
        ({"2.weight": True}, TypeError, "'2.weight' must be a number or a tensor, got True"),
        ({"2.weight": "0.1"}, TypeError, "got '0.1'"),
        ({"2.weight": None}, TypeError, "got None"),
        ({"2.weight": [0.1]}, TypeError, r"got \[0.1\]"),
        ({"2.weight": float("nan")}, ValueError, "must be finite, got nan"),
        ({"2.weight": torch.ones(9)}, ValueError, r"'2.weight' has the shape \(9,\)"),
        ({"2.bias": torch.ones(8)}, ValueError, "one for each weight"),
    ],
)
@pytest.mark.parametrize(
    "make", [maml, fomaml, partial(reptile, inner_steps=2), partial(imaml, inner_steps=2, pull=2)]
)
def test_a_rate_that_is_none_is_named(make, rate, error, words):
    with pytest.raises(error, match=words):
        make(WAVE_LOSS, inner_lr=rate).gradient(THETA, sines())


def test_a_name_that_cannot_move_is_named():
    frozen = {name: p.detach() if name[0] == "0" else p for name, p in THETA.items()}
    with pytest.raises(ValueError, match="'0.weight', which is frozen"):
        boil(WAVE_LOSS, body=["0.weight"], inner_lr=0.01).gradient(frozen, sines())
    with pytest.raises(ValueError, match="a rate for no parameter"):
        anil(WAVE_LOSS, head=[], inner_lr=0.01).gradient(THETA, sines())
    still = {name: p.detach() for name, p in THETA.items()}
    with pytest.raises(ValueError, match="none of the parameters 0.weight.*requires a gradient"):
        maml(WAVE_LOSS, inner_lr=0.01).gradient(still, sines())
