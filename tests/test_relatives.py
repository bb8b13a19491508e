"""Every learner, held against an oracle that shares no line with the package, in float64.

`LEARNERS` has one row a learner: how it is made, and what it should do with one task alone. All
that any learner must keep (gradient, frozen parameters, chunks, lists …) is asked of each row.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import maml_tutorial.relatives as package
from maml_tutorial.evaluation import correct, evaluate
from maml_tutorial.gradients import chunked, compiled
from maml_tutorial.learners import Learner
from maml_tutorial.models import init_params, make_loss, make_predict
from maml_tutorial.params import stacked
from maml_tutorial.tasks import Task
from maml_tutorial.training import meta_train

CLOSE = {"rtol": 0, "atol": 1e-8}
RATE, PULL, N_WAY = 0.3, 10.0, 3
SPRUNG = RATE / PULL
SMOOTH = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, N_WAY)).double()
CONV = nn.Sequential(
    nn.Conv2d(1, 2, 3, stride=2),
    nn.BatchNorm2d(2, track_running_stats=False),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(8, N_WAY),
).double()
NETS = {"MLP": (SMOOTH, (2,)), "conv net with batch norm": (CONV, (1, 6, 6))}


# What each learner should do with one task, with nothing but torch.


def every(net):
    return [name for name, _ in net.named_parameters()]


def head(net):
    return every(net)[-2:]


def body(net):
    return [name for name, p in list(net.named_parameters())[:-2] if p.requires_grad]


def walked(net, params, task, rates, steps, pull=0.0):
    """Plain gradient descent; in every step every parameter is a variable of its own."""
    start = params
    for _ in range(steps):
        at = {name: p.clone() for name, p in params.items()}
        loss = cross_entropy(functional_call(net, at, (task.x_support,)), task.y_support)
        slopes = torch.autograd.grad(loss, [at[name] for name in rates], create_graph=True)
        params = dict(at)
        for (name, rate), slope in zip(rates.items(), slopes, strict=True):
            params[name] = at[name] - rate * (slope + pull * (at[name] - start[name]))
    return params


def moving(which):
    """φ where the parameters `which(net)` move."""

    def phi(net, params, task, steps):
        return walked(net, params, task, dict.fromkeys(which(net), RATE), steps)

    return phi


def on_a_spring(net, params, task, steps):
    return walked(net, params, task, dict.fromkeys(every(net), SPRUNG), steps, PULL)


def with_rates(net, params, task, steps):
    theta = {name: params[name] for name in every(net)}
    return walked(net, theta, task, {name: params[f"rate.{name}"] for name in theta}, steps)


def with_context(net, params, task, steps):
    zero = torch.zeros(N_WAY, dtype=torch.float64, requires_grad=True)
    return moving(context)(net, params | {context(net)[0]: zero}, task, steps)


def context(net):
    return head(net)[1:]


def means(net, params, task):
    z = functional_call(net[:-1], params, (task.x_support,))
    return torch.stack([z[task.y_support == label].mean(dim=0) for label in range(N_WAY)])


def at_the_means(net, params, task, steps=0):
    c = means(net, params, task)
    weight, bias = head(net)
    return params | {weight: 2 * c, bias: -(c * c).sum(dim=1)}


def from_the_means(net, params, task, steps):
    return moving(every)(net, at_the_means(net, params, task), task, steps)


def query_loss(net, phi, task):
    return cross_entropy(functional_call(net, phi, (task.x_query,)), task.y_query)


def after(phi):
    """Return the objective that most learners have: the query loss at φ."""
    return lambda net, params, task, steps: query_loss(net, phi(net, params, task, steps), task)


def at_the_start(net, params, task, steps):
    return query_loss(net, params, task)


def by_distance(net, params, task, steps):
    near = (-distances(net, params, task)).exp()
    share = near / near.sum(dim=1, keepdim=True)
    return -share[torch.arange(len(share)), task.y_query].log().mean()


def distances(net, params, task):
    z = functional_call(net[:-1], params, (task.x_query,))
    return (z[:, None] - means(net, params, task)).square().sum(dim=-1)


def slopes_of(objective):
    """Return `(loss, gradients by name)` of an objective."""

    def gradient(net, params, task, steps):
        leaves = {name: p.detach().clone().requires_grad_() for name, p in params.items()}
        loss = objective(net, leaves, task, steps)
        found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        return loss.detach(), dict(zip(leaves, found, strict=True))

    return gradient


def at_the_end(net, params, task, steps):
    """First-order MAML's gradient: that of the query loss, where the steps have led."""
    return slopes_of(at_the_start)(net, moving(every)(net, params, task, steps), task, 0)


def by_sgd(net, params, task, steps, batches=1):
    """Reptile's: the way of a module that `torch.optim.SGD` trains on all points, or in parts."""
    module = copy.deepcopy(net)
    module.load_state_dict(params)
    x, y = torch.cat([task.x_support, task.x_query]), torch.cat([task.y_support, task.y_query])
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    for step in range(steps):
        mine = torch.arange(len(y)) % batches == step % batches
        optimizer.zero_grad()
        cross_entropy(module(x[mine]), y[mine]).backward()
        optimizer.step()
    way = {name: (params[name] - p).detach() for name, p in module.named_parameters()}
    return cross_entropy(module(x), y).detach(), way


def by_the_whole_matrix(net, params, task, steps):
    """Implicit MAML's: the linear system, written down and solved."""
    phi = on_a_spring(net, params, task, steps)
    sizes, shapes = [p.numel() for p in phi.values()], [p.shape for p in phi.values()]

    def named(vector):
        parts = zip(vector.split(sizes), shapes, strict=True)
        return dict(zip(phi, [part.view(shape) for part, shape in parts], strict=True))

    def support_loss(vector):
        outputs = functional_call(net, named(vector), (task.x_support,))
        return cross_entropy(outputs, task.y_support)

    here = torch.cat([p.detach().flatten() for p in phi.values()])
    curved = torch.autograd.functional.hessian(support_loss, here) / PULL
    loss, slope = slopes_of(at_the_start)(net, phi, task, 0)
    b = torch.cat([g.flatten() for g in slope.values()])
    return loss, named(torch.linalg.solve(torch.eye(len(b), dtype=b.dtype) + curved, b))


# The table.


def loss_of(net):
    return make_loss(net, cross_entropy)


def embed(net):
    return make_predict(net[:-1])


def with_names(learner, **which):
    """Return a builder for a learner that takes a loss, a rate, and names of parameters."""

    def build(net, **how):
        given = {name: choose(net) for name, choose in which.items()}
        return learner(loss_of(net), inner_lr=RATE, **given, **how)

    return build


def imaml(net, cg_steps=12, **how):
    return package.imaml(loss_of(net), inner_lr=SPRUNG, pull=PULL, cg_steps=cg_steps, **how)


def protonet(net, inner_steps=0, **how):
    return package.protonet(embed(net), head=head(net), n_way=N_WAY, **how)


def protomaml(net, **how):
    given = {"head": head(net), "n_way": N_WAY, "inner_lr": RATE}
    return package.protomaml(loss_of(net), embed(net), **given, **how)


class Row(NamedTuple):
    """How a learner is made, and two functions of `(net, params, task, steps)` to hold it against.

    Attributes:
        build: `(net, inner_steps=…, vectorised=…)` → the learner.
        phi: what it should adapt to.
        objective: the loss of which its gradient is the gradient; usually the query loss at φ.
        gradient: where it is no gradient of a loss, what it is.
    """

    build: Callable
    phi: Callable
    objective: Callable | None = None
    gradient: Callable | None = None


LEARNERS = {
    "maml": Row(with_names(package.maml), moving(every)),
    "fomaml": Row(with_names(package.fomaml), moving(every), gradient=at_the_end),
    "anil": Row(with_names(package.anil, head=head), moving(head)),
    "boil": Row(with_names(package.boil, body=body), moving(body)),
    "meta_sgd": Row(with_names(package.meta_sgd), with_rates),
    "reptile": Row(with_names(package.reptile), moving(every), gradient=by_sgd),
    "imaml": Row(imaml, on_a_spring, gradient=by_the_whole_matrix),
    "joint": Row(with_names(package.joint), moving(every), at_the_start),
    "protonet": Row(protonet, at_the_means, by_distance),
    "protomaml": Row(protomaml, from_the_means),
    "cavia": Row(with_names(package.cavia, context=context), with_context),
}
OBJECTIVES = {n: row.objective or after(row.phi) for n, row in LEARNERS.items() if not row.gradient}
learners = pytest.mark.parametrize("name", LEARNERS)
nets = pytest.mark.parametrize("net", NETS)


class Problem(NamedTuple):
    net: nn.Module
    learner: Learner
    theta: dict
    tasks: Task


def problem(name, net="MLP", *, frozen=(), n_tasks=3, **how):
    """Return a net, its learner, meta-parameters like no start of any kind, and tasks.

    Support and query sets differ in size, and the classes in both in number.
    """
    model, shape = copy.deepcopy(NETS[net])
    for n in frozen:
        model.get_parameter(n).requires_grad_(False)
    learner = LEARNERS[name].build(model, **{"inner_steps": 2} | how)
    generator = torch.Generator().manual_seed(0)
    noise = partial(torch.randn, generator=generator, dtype=torch.float64)
    start = init_params(model, seed=0)
    theta = {
        n: (p + 0.1 * noise(p.shape)).detach().requires_grad_(p.requires_grad)
        for n, p in learner.start(start).items()
    }
    y_support = torch.tensor([0, 1, 2, 2, 0, 2]).expand(n_tasks, -1)
    y_query = torch.randint(N_WAY, (n_tasks, 5), generator=generator)
    x_support, x_query = noise(n_tasks, 6, *shape), noise(n_tasks, 5, *shape)
    return Problem(model, learner, theta, Task(x_support, y_support, x_query, y_query))


def each(tasks):
    return [Task(*parts) for parts in zip(*tasks, strict=True)]


def adapted(problem, learner=None, **how):
    theta, tasks = problem.theta, problem.tasks
    start = stacked(theta, len(tasks.x_support))
    return (learner or problem.learner).learn(start, tasks.x_support, tasks.y_support, **how)


def assert_same(found, expected):
    """Compare what two meta-gradients return."""
    torch.testing.assert_close([found[0], *found[1]], [expected[0], *expected[1]], **CLOSE)


def test_every_learner_has_a_row():
    assert sorted(LEARNERS) == sorted(package.__all__)


@learners
@nets
@pytest.mark.parametrize("inner_steps", [1, 3])
def test_the_gradient_is_that_of_a_plain_loop_over_the_tasks(name, net, inner_steps):
    model, learner, theta, tasks = problem(name, net, inner_steps=inner_steps)
    gradient = LEARNERS[name].gradient or slopes_of(OBJECTIVES[name])
    found = [gradient(model, theta, task, inner_steps) for task in each(tasks)]
    loss = torch.stack([loss for loss, _ in found]).mean()
    mean = [torch.stack([gradients[n] for _, gradients in found]).mean(dim=0) for n in theta]
    value, gradients = learner.gradient(theta, tasks)
    assert_same((value, gradients), (loss, mean))
    assert not any(tensor.requires_grad for tensor in (value, *gradients)), "no graph is kept"


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("inner_steps", [1, 2])
def test_the_gradient_is_that_of_finite_differences(name, inner_steps):
    model, learner, theta, tasks = problem(name, n_tasks=2, inner_steps=inner_steps)

    def loss(n, p, shift):
        moved = theta | {n: p + shift.view_as(p)}
        losses = [OBJECTIVES[name](model, moved, task, inner_steps) for task in each(tasks)]
        return torch.stack(losses).mean().item()

    h = 2e-3  # differences of the fourth order: their error falls with h⁴
    for (n, p), gradient in zip(theta.items(), learner.gradient(theta, tasks)[1], strict=True):
        slopes = []
        for unit in h * torch.eye(p.numel(), dtype=p.dtype):
            near, far = (loss(n, p, k * unit) - loss(n, p, -k * unit) for k in (1, 2))
            slopes.append((8 * near - far) / (12 * h))
        torch.testing.assert_close(gradient.flatten(), torch.tensor(slopes, dtype=p.dtype), **CLOSE)


@learners
@nets
def test_it_adapts_as_a_plain_loop_over_the_tasks_does(name, net):
    given = problem(name, net)
    for steps, phi in [(s, adapted(given, inner_steps=s)) for s in (0, 1, 3)] + [
        (2, adapted(given))
    ]:
        assert set(phi) == set(every(given.net)), "what predict takes"
        for i, task in enumerate(each(given.tasks)):
            expected = LEARNERS[name].phi(given.net, given.theta, task, steps)
            torch.testing.assert_close({n: p[i] for n, p in phi.items()}, expected, **CLOSE)


@learners
@nets
def test_in_a_loop_over_the_tasks_it_is_the_same(name, net):
    given = problem(name, net)
    loop = LEARNERS[name].build(given.net, inner_steps=2, vectorised=False)
    both = [learner.gradient(given.theta, given.tasks) for learner in (given.learner, loop)]
    assert_same(*both)
    torch.testing.assert_close(adapted(given), adapted(given, loop), **CLOSE)


@learners
def test_tasks_of_unequal_size_are_each_what_they_are_alone(name):
    model, learner, theta, tasks = problem(name)
    sizes = [(6, 5), (3, 5), (6, 2)]
    alone = [
        Task(*(part[:n] for part, n in zip(task, (support, support, query, query), strict=True)))
        for task, (support, query) in zip(each(tasks), sizes, strict=True)
    ]
    loop = LEARNERS[name].build(model, inner_steps=2, vectorised=False)
    found = loop.gradient(theta, Task(*(list(part) for part in zip(*alone, strict=True))))
    singles = [learner.gradient(theta, task.map(lambda t: t[None])) for task in alone]
    losses, gradients = zip(*singles, strict=True)
    mean = [torch.stack(parts).mean(dim=0) for parts in zip(*gradients, strict=True)]
    assert_same(found, (torch.stack(losses).mean(), mean))


@learners
@pytest.mark.parametrize("engine", [chunked(2), compiled], ids=["chunked", "compiled"])
def test_a_faster_way_gives_the_same(name, engine, monkeypatch):
    # What is recorded is what counts here; making a program of it is PyTorch's affair, and slow.
    monkeypatch.setattr(torch, "compile", lambda recorded: recorded)
    few = {"cg_steps": 2} if name == "imaml" else {}  # each is recorded, which takes its time
    _, learner, theta, tasks = problem(name, **few)
    faster = engine(learner.gradient)
    other = {n: (p + 1).detach().requires_grad_(p.requires_grad) for n, p in theta.items()}
    faster(other, tasks.map(lambda part: part.flip(0)))  # nothing of the first call may stay
    assert_same(faster(theta, tasks), learner.gradient(theta, tasks))


@learners
def test_the_order_of_the_tasks_does_not_matter(name):
    _, learner, theta, tasks = problem(name)
    turned = tasks.map(lambda part: part[[2, 0, 1]])
    assert_same(learner.gradient(theta, turned), learner.gradient(theta, tasks))


@pytest.mark.parametrize("name", ["protonet", "protomaml"])
def test_a_head_made_of_means_does_not_know_how_the_classes_are_numbered(name):
    _, learner, theta, tasks = problem(name)
    others = torch.tensor([2, 0, 1])
    renamed = tasks._replace(y_support=others[tasks.y_support], y_query=others[tasks.y_query])
    assert_same(learner.gradient(theta, renamed), learner.gradient(theta, tasks))


FROZEN = "0.weight"


@learners
@nets
def test_a_frozen_parameter_is_a_constant(name, net):
    given = problem(name, net, frozen=[FROZEN])
    gradients = dict(
        zip(given.theta, given.learner.gradient(given.theta, given.tasks)[1], strict=True)
    )
    assert not gradients.pop(FROZEN).any()
    assert (adapted(given)[FROZEN] == given.theta[FROZEN]).all()
    # The same net, with the frozen weight built in: it cannot learn what is no parameter.
    fixed = copy.deepcopy(given.net)
    del fixed[0].weight
    fixed[0].register_buffer("weight", given.theta[FROZEN])
    learner = LEARNERS[name].build(fixed, inner_steps=2)
    theta = {n: p for n, p in given.theta.items() if n != FROZEN}
    _, expected = learner.gradient(theta, given.tasks)
    torch.testing.assert_close(list(gradients.values()), expected, **CLOSE)


@learners
def test_training_moves_what_has_a_gradient_and_ends_in_scores(name):
    model, learner, theta, tasks = problem(name, frozen=[FROZEN])
    slopes = dict(zip(theta, learner.gradient(theta, tasks)[1], strict=True))
    before = {n: p.detach().clone() for n, p in theta.items()}

    def sampler(n_tasks, generator):
        return tasks

    generator = torch.Generator()
    trained = meta_train(
        learner,
        theta,
        sampler,
        meta_batch_size=3,
        meta_steps=3,
        generator=generator,
        progress=False,
    ).params
    moved = {n for n, p in trained.items() if not torch.equal(p, before[n])}
    assert moved == {n for n, slope in slopes.items() if slope.any()}
    assert FROZEN not in moved
    assert all(torch.equal(p, before[n]) for n, p in theta.items()), "the start is left as it was"
    scores = evaluate(
        learner,
        make_predict(model),
        correct,
        trained,
        sampler,
        inner_steps=(0, 2),
        n_tasks=3,
        generator=generator,
    ).query
    assert [(s, score.n_predictions, score.n_diverged) for s, score in scores.items()] == [
        (0, 15, 0),
        (2, 15, 0),
    ]


@learners
def test_to_start_twice_is_to_start_once(name):
    model, learner, theta, _ = problem(name, frozen=[FROZEN])
    once = learner.start(init_params(model, seed=0))
    twice = learner.start(once)
    assert list(twice) == list(once)
    assert all(twice[n] is p for n, p in once.items())
    again = learner.start(theta)
    assert all(again[n] is p for n, p in theta.items()), "what has been learnt is not drawn anew"


# What only one of them promises.


def test_meta_sgd_has_rates_for_the_names_that_it_is_told():
    loss_fn = make_loss(SMOOTH, cross_entropy)
    learner = package.meta_sgd(loss_fn, inner_lr={"2.weight": torch.tensor(-0.5), "2.bias": 0.3})
    params = init_params(SMOOTH, seed=0)
    rates = {n: r for n, r in learner.start(params).items() if n.startswith("rate.")}
    assert {name: set(rate.flatten().tolist()) for name, rate in rates.items()} == {
        "rate.2.weight": {-0.5},
        "rate.2.bias": {0.3},
    }
    assert all(rate.shape == params[name[5:]].shape for name, rate in rates.items())


def test_where_nothing_is_differentiated_the_way_is_forgotten():
    given = problem("maml")
    phi = adapted(given)["0.weight"].sum()
    (slope,) = torch.autograd.grad(phi, [given.theta["0.weight"]])
    assert (slope == 3).all(), "one for each task: no second derivative came with it"


def test_reptile_with_sgd_outside_is_the_paper_s_update():
    model, learner, theta, tasks = problem("reptile", inner_steps=5)
    ways = [by_sgd(model, theta, task, 5)[1] for task in each(tasks)]
    found = meta_train(
        learner,
        theta,
        lambda n_tasks, generator: tasks,
        meta_batch_size=3,
        meta_steps=1,
        generator=torch.Generator(),
        optimizer=partial(torch.optim.SGD, lr=0.25),
        progress=False,
    ).params
    for n, p in theta.items():
        phi = torch.stack([p - way[n] for way in ways])
        torch.testing.assert_close(found[n], p + 0.25 * (phi - p).mean(dim=0), **CLOSE)


@pytest.mark.parametrize("vectorised", [True, False])
def test_reptile_walks_on_mini_batches_in_turn(vectorised):
    how = {"inner_steps": 5, "batches": 3, "vectorised": vectorised}
    model, learner, theta, tasks = problem("reptile", **how)
    found = learner.gradient(theta, tasks)
    if not vectorised:  # the same tasks as a list
        listed = Task(*([*part] for part in tasks))
        torch.testing.assert_close(learner.gradient(theta, listed), found, **CLOSE)
    ways = [by_sgd(model, theta, task, 5, batches=3) for task in each(tasks)]
    torch.testing.assert_close(found[0], torch.stack([loss for loss, _ in ways]).mean(), **CLOSE)
    for n, g in zip(theta, found[1], strict=True):
        torch.testing.assert_close(g, torch.stack([way[n] for _, way in ways]).mean(0), **CLOSE)


def test_more_mini_batches_than_points_are_refused():
    with pytest.raises(ValueError, match="a task of 11 points cannot be dealt into 12 batches"):
        _, learner, theta, tasks = problem("reptile", batches=12)
        learner.gradient(theta, tasks)
    with pytest.raises(ValueError, match="batches must be a whole number of at least 1, got 0"):
        problem("reptile", batches=0)


def test_protonet_predicts_the_softmax_of_squared_distances():
    given = problem("protonet", "conv net with batch norm")
    phi = adapted(given)
    for i, task in enumerate(each(given.tasks)):
        outputs = make_predict(given.net)({n: p[i] for n, p in phi.items()}, task.x_query)
        expected = (-distances(given.net, given.theta, task)).softmax(dim=1)
        torch.testing.assert_close(outputs.softmax(dim=1), expected, **CLOSE)


def test_protomaml_moves_its_head_on_a_body_that_is_all_frozen():
    given = problem("protomaml", frozen=every(SMOOTH))
    phi, first = adapted(given, inner_steps=1), adapted(given, inner_steps=0)
    assert [n for n in phi if not torch.equal(phi[n], first[n])] == head(SMOOTH)


def test_implicit_maml_on_a_quadratic_has_a_closed_form():
    generator = torch.Generator().manual_seed(0)
    a, b, c, d = torch.randn(4, 2, 6, 6, generator=generator, dtype=torch.float64)
    b, d = b[..., 0], d[..., 0]  # two tasks: ½‖aθ − b‖² on the support set, ½‖cθ − d‖² on the query
    theta = torch.randn(6, generator=generator, dtype=torch.float64, requires_grad=True)

    def loss_fn(params, x, y):
        return (x @ params["theta"] - y).square().sum() / 2

    learner = package.imaml(loss_fn, inner_lr=0.02, inner_steps=800, pull=PULL, cg_steps=12)
    found = learner.gradient({"theta": theta}, Task(a, b, c, d))
    eye, losses, gradients = torch.eye(6, dtype=torch.float64), [], []
    for a_i, b_i, c_i, d_i in zip(a, b, c, d, strict=True):
        rest = torch.linalg.solve(a_i.T @ a_i + PULL * eye, a_i.T @ b_i + PULL * theta.detach())
        miss = c_i @ rest - d_i
        losses.append(miss.square().sum() / 2)
        gradients.append(torch.linalg.solve(eye + a_i.T @ a_i / PULL, c_i.T @ miss))
    assert_same(found, (torch.stack(losses).mean(), [torch.stack(gradients).mean(dim=0)]))


@pytest.mark.parametrize("which", [every, head, body])
def test_implicit_maml_agrees_with_a_long_way_to_the_rest_position(which):
    model, _, theta, tasks = problem("imaml", n_tasks=2)
    rates = dict.fromkeys(which(model), 0.08)

    def at_rest(net, params, task, steps):
        return query_loss(net, walked(net, params, task, rates, steps, PULL), task)

    learner = package.imaml(loss_of(model), inner_lr=rates, inner_steps=40, pull=PULL, cg_steps=40)
    found = [slopes_of(at_rest)(model, theta, task, 40) for task in each(tasks)]
    loss = torch.stack([loss for loss, _ in found]).mean()
    mean = [torch.stack([gradients[n] for _, gradients in found]).mean(dim=0) for n in theta]
    assert_same(learner.gradient(theta, tasks), (loss, mean))


@pytest.mark.parametrize(
    ("learner", "settings", "named"),
    [
        (package.imaml, {"inner_steps": 1, "pull": 0.0}, "pull must be positive, got 0.0"),
        (package.imaml, {"inner_steps": 1, "pull": float("nan")}, "pull must be positive, got nan"),
        (package.anil, {"head": ["3.weight"]}, "a rate for '3.weight', but no parameter has"),
        (package.boil, {"body": ["2.weights"]}, "did you mean '2.weight'?"),
        (package.meta_sgd, {}, r"there are no rates: begin with learner.start\(params\)"),
    ],
)
def test_bad_settings_are_named(learner, settings, named):
    tasks = problem("maml").tasks
    params = init_params(SMOOTH, seed=0)
    with pytest.raises(ValueError, match=named):
        learner(loss_of(SMOOTH), inner_lr=RATE, **settings).gradient(params, tasks)
