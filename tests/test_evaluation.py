"""Scores are means over tasks, with an interval that keeps its promise."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.evaluation import correct, evaluate, score, squared_error
from maml_tutorial.learners import Learner
from maml_tutorial.models import MLP, ConvNet, init_params, make_loss, make_predict
from maml_tutorial.relatives import imaml, maml
from maml_tutorial.tasks import SinusoidTasks, Task

MODEL = MLP()
CONV = ConvNet(5, hidden=4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def run(
    model=MODEL,
    loss=mse_loss,
    metric=squared_error,
    sampler=None,
    params=None,
    inner_lr=0.01,
    **options,
):
    options = {"n_tasks": 30, "generator": seeded(), **options}
    return evaluate(
        maml(make_loss(model, loss), inner_lr=inner_lr),
        make_predict(model),
        metric,
        params or init_params(model, seed=0),
        sampler or SinusoidTasks(5, 7),
        **options,
    )


def letters(k_query=3):
    images = torch.rand(12, 8, 1, 28, 28, generator=seeded())
    return EpisodeSampler(images, n_way=5, k_shot=1, k_query=k_query)


def test_the_interval_covers_the_truth_95_times_in_100():
    values = torch.rand(4000, 50, generator=seeded())
    scores = [score(row) for row in values]
    inside = sum(abs(s.mean - 0.5) <= s.interval for s in scores) / len(scores)
    assert 0.92 < inside < 0.97  # 50 tasks and a normal quantile: a little under 0.95


def test_four_times_the_tasks_halve_the_interval():
    a, b = (score(torch.rand(n, generator=seeded())).interval for n in (1000, 4000))
    assert a / b == pytest.approx(2, rel=0.1)


def test_predictions_of_one_task_count_as_one_draw():
    # Ten copies of each prediction add no information.
    values = torch.rand(200, 1, generator=seeded())
    once, tenfold = score(values), score(values.repeat(1, 10))
    assert tenfold.interval == pytest.approx(once.interval)
    assert (once.n_predictions, tenfold.n_predictions) == (200, 2000)


def test_mini_imagenet_s_interval_follows_from_the_number_of_predictions():
    # FOMAML's and MAML's ± on 600 tasks with 5 predictions each, from the binomial alone.
    p = 0.487
    values = (torch.rand(600, 5, generator=seeded()) < p).float()
    expected = 1.96 * math.sqrt(p * (1 - p) / 5 / 600)
    assert score(values).interval == pytest.approx(expected, rel=0.05)


def test_scores_follow_a_loop_of_plain_gradient_descent():
    params = init_params(MODEL, seed=0)
    tasks = SinusoidTasks(5, 7)(6, seeded())
    expected = {0: [], 1: [], 3: []}
    for xs, ys, xq, yq in zip(*tasks, strict=True):
        model = MLP()
        model.load_state_dict(params)
        sgd = torch.optim.SGD(model.parameters(), lr=0.01)
        for step in range(4):
            if step in expected:
                expected[step].append((model(xq) - yq).square().mean().item())
            sgd.zero_grad()
            mse_loss(model(xs), ys).backward()
            sgd.step()
    result = run(n_tasks=6, inner_steps=(0, 1, 3))
    for step, values in expected.items():
        mean = sum(values) / 6
        assert result.query[step].mean == pytest.approx(mean, rel=1e-4)


def test_the_size_of_batches_does_not_matter():
    sampler = SinusoidTasks(5, 7)
    fixed = sampler(12, seeded())

    def replay(start=[0]):  # noqa: B006  (a counter that lives with the sampler)
        def draw(n, generator):
            first = start[0]
            start[0] += n
            return Task(*(v[first : first + n] for v in fixed))

        return draw

    results = [run(sampler=replay([0]), n_tasks=12, batch_size=b) for b in (12, 5)]
    for step in (0, 10):
        assert results[0].query[step].mean == pytest.approx(results[1].query[step].mean, rel=1e-5)


def test_parameters_and_the_global_random_state_are_left_alone():
    params = init_params(MODEL, seed=0)
    before, state = {n: p.clone() for n, p in params.items()}, torch.get_rng_state()
    run(params=params)
    assert all(torch.equal(before[n], p) and p.grad is None for n, p in params.items())
    assert torch.equal(state, torch.get_rng_state())


def test_the_same_seed_gives_the_same_score():
    assert run().query == run().query
    assert run().query != run(generator=seeded(1)).query


def test_an_untrained_classifier_is_at_chance_before_it_adapts():
    # Labels are dealt at random, so whatever the network says is right for one class in five.
    # (On noise it says the same of every image: then each task scores 1/5 on the dot.)
    result = run(CONV, cross_entropy, correct, letters(), n_tasks=300, inner_steps=(0,))
    assert abs(result.query[0].mean - 0.2) < 2 * result.query[0].interval + 1e-6


def test_support_accuracy_rises_with_adaptation():
    result = run(CONV, cross_entropy, correct, letters(), inner_lr=0.4, inner_steps=(0, 5))
    assert result.support[5].mean > result.support[0].mean + 0.2


def test_inductive_predictions_do_not_depend_on_the_other_queries():
    many = letters(k_query=3)

    def same_first_queries(n, generator):
        tasks = many(n, generator)
        return tasks._replace(x_query=tasks.x_query[:, ::3], y_query=tasks.y_query[:, ::3])

    params = init_params(CONV, seed=0)
    outputs = {}
    for protocol in ("inductive", "transductive"):
        seen = []
        for sampler in (many, same_first_queries):
            kept = []

            def keep(out, y, kept=kept):
                kept.append(out)
                return correct(out, y)

            run(
                CONV,
                cross_entropy,
                keep,
                sampler,
                params,
                n_tasks=2,
                inner_steps=(1,),
                inner_lr=0.4,
                batch_norm=protocol,
            )
            seen.append(kept[3])  # marked last: the query set after a step
        outputs[protocol] = torch.allclose(seen[0][:, ::3], seen[1], atol=1e-5)
    assert outputs == {"inductive": True, "transductive": False}


def test_without_batch_norm_the_protocols_agree():
    a, b = (run(batch_norm=p).query[1].mean for p in ("inductive", "transductive"))
    assert a == pytest.approx(b, rel=1e-5)


def test_correct_asks_for_the_best_class_of_an_image_not_the_best_image_of_a_class():
    outputs = torch.tensor([[[1.0, 0.0], [3.0, 2.0]]])  # both images say class 0
    assert correct(outputs, torch.tensor([[0, 1]])).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"inner_steps": (-1, 2)}, "inner_steps .* got -1"),
        ({"n_tasks": 1}, "n_tasks .* got 1"),
        ({"batch_norm": "both"}, "'both'"),
        ({"batch_size": 0}, "batch_size .* got 0"),
    ],
)
def test_bad_settings_are_named(options, named):
    with pytest.raises(ValueError, match=named):
        run(**options)


def test_values_that_are_not_finite_are_counted_as_diverged():
    found = score(torch.tensor([1.0, math.nan, 2.0, math.inf, 6.0]))
    assert (found.n_tasks, found.n_diverged) == (5, 2)
    assert found[:2] == score(torch.tensor([1.0, 2.0, 6.0]))[:2]
    assert (found.mean, found.median) == (3.0, 2.0)
    assert str(found) == "3 ± 3, 2 of 5 diverged"


def test_where_all_diverged_there_is_no_mean_and_where_all_but_one_did_no_interval():
    none = score(torch.full((3,), math.nan))
    assert none.n_diverged == 3 and all(map(math.isnan, (none.mean, none.interval, none.median)))
    one = score(torch.tensor([2.0, math.nan]))
    assert (one.mean, one.n_diverged) == (2.0, 1) and math.isnan(one.interval)


def test_one_diverged_task_among_many_does_not_ruin_the_score():
    # f(x) = θx from θ = 0: a step of α on the support point x shrinks θ − w by 1 − 2αx².
    alpha, steps, n = 0.1, 10, 200
    w = 1 + torch.rand(n, generator=seeded()).double()
    x = torch.rand(n, generator=seeded(1)).double() + 1
    x[17] = 10.0  # shrinks by −19: that task is lost, with a finite error
    tasks = Task(*(t.view(n, 1, 1) for t in (x, w * x, torch.ones(n).double(), w)))
    found = evaluate(
        maml(lambda params, x, y: (params["w"] * x - y).square().mean(), inner_lr=alpha),
        lambda params, x: params["w"] * x,
        squared_error,
        {"w": torch.zeros((), dtype=torch.float64, requires_grad=True)},
        lambda n_tasks, generator: tasks,
        inner_steps=(steps,),
        n_tasks=n,
        batch_size=n,
        generator=seeded(),
    ).query[steps]
    errors = ((1 - 2 * alpha * x.square()) ** steps * w).square()
    assert errors[17] > 1e20
    kept = torch.cat([errors[:17], errors[18:]])
    assert (found.n_tasks, found.n_predictions, found.n_diverged) == (n, n, 1)
    assert found.mean == pytest.approx(kept.mean().item())
    assert found.interval == pytest.approx(1.96 * kept.std().item() / math.sqrt(n - 1))
    assert found.median == pytest.approx(kept.median().item())


def classified(logits_after, n_way):
    """Scores of tasks whose outputs are all class 0 before a step, and these after it."""
    n = len(logits_after)
    y = torch.arange(n_way).expand(n, n_way)
    tasks = Task(y[..., None].float(), y, y[..., None].float(), y)
    before = torch.eye(n_way)[0].expand(n_way, n_way)

    def learn(params, x, y, *, inner_steps=1):
        return {"logits": logits_after} if inner_steps else params

    return evaluate(
        Learner(learn, None),
        lambda params, x: params["logits"],
        correct,
        {"logits": before},
        lambda n_tasks, generator: tasks,
        inner_steps=(0, 1),
        n_tasks=n,
        batch_size=n,
        generator=seeded(),
    ).query


def test_outputs_that_are_no_numbers_are_no_answers():
    # Not-a-number is the largest of all: it would pass for the class at its place.
    logits = torch.eye(5).repeat(4, 1, 1)
    logits[1, 3, 3] = math.nan
    logits[2] = -logits[2]
    found = classified(logits, 5)[1]
    assert (found.n_tasks, found.n_diverged) == (4, 1)
    assert found.mean == pytest.approx(2 / 3) and found.median == 1.0


def test_no_accuracy_is_a_divergence():
    # From one answer in twenty to twenty: that is more than ten times as many.
    found = classified(torch.eye(20).repeat(3, 1, 1), 20)
    assert found[0].mean == pytest.approx(1 / 20)
    assert (found[1].mean, found[1].n_diverged) == (1.0, 0)


def test_each_number_of_steps_starts_from_theta_again():
    # A spring that was fixed anew after every step would hold nothing.
    alpha, pull, x, y = 0.1, 4.0, 1.5, 3.0
    task = Task(*(torch.tensor([[[v]]] * 2) for v in (x, y, x, y)))
    scores = evaluate(
        imaml(
            lambda params, x, y: (params["w"] * x - y).square().mean(),
            inner_lr=alpha,
            inner_steps=1,
            pull=pull,
        ),
        lambda params, x: params["w"] * x,
        squared_error,
        {"w": torch.tensor(0.5, requires_grad=True)},
        lambda n_tasks, generator: task,
        inner_steps=(0, 1, 2, 5),
        n_tasks=2,
        generator=seeded(),
    ).query
    w = 0.5
    for step in range(6):
        if step in scores:
            assert scores[step].mean == pytest.approx((w * x - y) ** 2, rel=1e-5)
        w -= alpha * (2 * x * (w * x - y) + pull * (w - 0.5))


def test_one_task_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 tasks"):
        score(torch.tensor([1.0]))


def test_labels_of_the_wrong_type_are_named():
    with pytest.raises(TypeError, match="float32"):
        correct(torch.zeros(3, 2), torch.zeros(3))
