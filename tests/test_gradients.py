"""The meta-gradient, compiled, recorded, in chunks or as it is, is the gradient of `maml_loss`."""

import warnings
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from maml_tutorial import gradients
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.gradients import captured, chunked, compiled
from maml_tutorial.maml import maml_loss
from maml_tutorial.models import MLP, init_params, make_loss
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import SinusoidTasks

IMAGES = torch.rand(12, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NET = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 6),
    nn.BatchNorm1d(6, track_running_stats=False),
    nn.ReLU(),
    nn.Linear(6, 3),
)
PROBLEMS = {
    "sine waves": (MLP((8,)), mse_loss, SinusoidTasks(5, 5)),
    # With batch norm: compiled or not, it must be differentiated outside vmap.
    "batch norm": (NET, cross_entropy, EpisodeSampler(IMAGES, n_way=3, k_shot=1, k_query=2)),
}


def compare(name, n_tasks, gradient, **settings):
    """In float64: the same sums in another order differ in the sixteenth digit only."""
    model, loss, sampler = PROBLEMS[name]
    params = {
        k: p.detach().double().requires_grad_() for k, p in init_params(model, seed=0).items()
    }
    drawn = sampler(n_tasks, torch.Generator().manual_seed(n_tasks))
    tasks = drawn.map(lambda part: part.double() if part.is_floating_point() else part)
    value, found = gradient(params, tasks)
    expected = maml_loss(make_loss(model, loss), params, tasks, inner_lr=0.1, **settings)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-9, atol=1e-9)
    for g, h in zip(found, torch.autograd.grad(expected, list(params.values())), strict=True):
        torch.testing.assert_close(g, h, rtol=1e-7, atol=1e-9)
    assert not value.requires_grad and not any(g.requires_grad for g in found)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("first_order", [False, True])
def test_it_is_the_gradient_of_the_loss(name, first_order):
    loss_fn = make_loss(*PROBLEMS[name][:2])
    settings = {"inner_steps": 2, "first_order": first_order}
    compare(name, 4, maml(loss_fn, inner_lr=0.1, **settings).gradient, **settings)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first_order"), [("sine waves", True), ("batch norm", False)])
def test_compiled_it_is_the_same_for_other_numbers_of_tasks(name, first_order):
    loss_fn = make_loss(*PROBLEMS[name][:2])
    settings = {"first_order": first_order}
    gradient = compiled(maml(loss_fn, inner_lr=0.1, **settings).gradient)
    compare(name, 4, gradient, **settings)
    if name == "sine waves":  # other shapes are another program, which takes its time
        compare(name, 3, gradient, **settings)
        compare(name, 4, gradient, **settings)


@pytest.mark.parametrize("size", [1, 3, 9])
def test_in_chunks_it_is_the_same(size):
    loss_fn = make_loss(*PROBLEMS["batch norm"][:2])
    compare("batch norm", 4, chunked(size)(maml(loss_fn, inner_lr=0.1).gradient))


def test_an_empty_chunk_is_refused():
    with pytest.raises(ValueError, match="size must be a whole number of at least 1, got 0"):
        chunked(0)


def shared(one, other):
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


class Tape(TorchDispatchMode):
    """What a CUDA graph is, for a CPU: operations, and where their inputs and results lie."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, result))
        return result

    def replay(self):
        for operation, args, kwargs, result in self.calls:
            again = operation(*args, **kwargs)
            for place, value in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(place, torch.Tensor) and not shared(place, value):
                    place.copy_(value)


@pytest.fixture
def gpu(monkeypatch):
    """A CPU that takes itself for a GPU: it has streams, and graphs that are tapes."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    device = SimpleNamespace(stream=stream, refuses=None)

    @contextmanager
    def graph(tape, stream):
        device.stream = "beside"
        with tape:
            yield
        if device.refuses:
            raise device.refuses
        device.stream = "before"

    def set_stream(stream):
        device.stream = "before"

    for name, part in {
        "CUDAGraph": Tape,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": nullcontext,
        "device": nullcontext,
        "graph": graph,
        "set_stream": set_stream,
    }.items():
        monkeypatch.setattr(torch.cuda, name, part)
    monkeypatch.setattr(gradients, "on_gpu", lambda tensor: True)
    return device


def problem(name, n_tasks=4, seed=0, **settings):
    """A meta-gradient that counts its calls, parameters, and tasks."""
    model, loss, sampler = PROBLEMS[name]
    plain = maml(make_loss(model, loss), inner_lr=0.1, inner_steps=2, **settings).gradient
    calls = []

    def gradient(params, tasks):
        calls.append(len(tasks.x_query))
        return plain(params, tasks)

    gradient.calls = calls
    tasks = sampler(n_tasks, torch.Generator().manual_seed(seed + 1))
    return gradient, init_params(model, seed=seed), tasks


def equal(one, other):
    return torch.equal(one[0], other[0]) and all(map(torch.equal, one[1], other[1]))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("first_order", [False, True])
def test_what_is_recorded_once_is_the_same_on_other_parameters_and_tasks(gpu, name, first_order):
    gradient = problem(name, first_order=first_order)[0]
    recorded, found, expected = captured(gradient), [], []
    given = [problem(name, seed=seed)[1:] for seed in (0, 5, 9)]
    for params, tasks in given:
        found.append(recorded(params, tasks))
        expected.append(problem(name, first_order=first_order)[0](params, tasks))
    assert gradient.calls == [4] * 4  # three to get ready, one that is recorded
    assert all(map(equal, found, expected))  # the earlier ones too: each result is its own
    assert not equal(found[0], found[1])
    (first, tasks), (untouched, as_drawn) = given[0], problem(name, seed=0)[1:]
    assert all(torch.equal(p, untouched[key]) for key, p in first.items())
    assert all(map(torch.equal, tasks, as_drawn))


def test_other_shapes_are_recorded_anew_and_the_first_ones_kept(gpu):
    gradient = problem("sine waves")[0]
    recorded = captured(gradient)
    for n_tasks in (4, 3, 4, 3):
        _, params, tasks = problem("sine waves", n_tasks)
        assert equal(recorded(params, tasks), problem("sine waves")[0](params, tasks))
    assert gradient.calls == [4] * 4 + [3] * 4


def test_a_frozen_parameter_is_told_apart_from_one_that_learns(gpu):
    gradient, params, tasks = problem("sine waves")
    recorded = captured(gradient)
    assert recorded(params, tasks)[1][0].any()
    frozen = params | {"0.weight": params["0.weight"].detach()}
    assert not recorded(frozen, tasks)[1][0].any()
    assert equal(recorded(frozen, tasks), gradient(frozen, tasks))


def test_in_chunks_each_shape_is_recorded(gpu):
    gradient = captured(maml(make_loss(*PROBLEMS["batch norm"][:2]), inner_lr=0.1).gradient)
    compare("batch norm", 5, chunked(2)(gradient))


def test_on_a_cpu_the_gradient_is_taken_as_it_is_and_that_is_said_once():
    gradient, params, tasks = problem("sine waves")
    recorded = captured(gradient)
    with pytest.warns(RuntimeWarning, match="no CUDA graph .*must lie on a GPU"):
        found = recorded(params, tasks)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert equal(found, recorded(params, tasks))
    assert gradient.calls == [4, 4] and equal(found, gradient(params, tasks))


def test_where_recording_fails_the_gradient_is_taken_as_it_is_with_the_reason(gpu):
    gradient, params, tasks = problem("sine waves")
    gpu.refuses = RuntimeError("operation not permitted when stream is capturing\nand more")
    recorded = captured(gradient)
    with pytest.warns(RuntimeWarning, match="as it is: operation not permitted .* capturing$"):
        found = recorded(params, tasks)
    assert gpu.stream == "before"  # and not the one that was recorded on
    assert equal(found, problem("sine waves")[0](params, tasks))
    recorded(params, tasks)
    assert len(gradient.calls) == 6  # it is not tried again


def test_an_error_of_the_gradient_itself_is_raised(gpu):
    gradient, params, tasks = problem("sine waves")
    with pytest.raises(ValueError, match="must share a leading axis"):
        captured(gradient)(params, tasks._replace(x_query=tasks.x_query[:2]))
