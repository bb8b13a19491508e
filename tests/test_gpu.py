"""On a GPU: the same gradients, recorded or not, and runs that move between it and a CPU."""

import warnings

import pytest
import torch
from click.testing import CliRunner
from few import few_tests
from torch.nn.functional import cross_entropy

from maml_tutorial import presets
from maml_tutorial.__main__ import main
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.evaluation import correct, evaluate
from maml_tutorial.gradients import captured
from maml_tutorial.jobs import rounding
from maml_tutorial.models import (
    ConvNet,
    FullyConnectedNet,
    init_params,
    make_loss,
    make_predict,
)
from maml_tutorial.records import load_record
from maml_tutorial.relatives import maml
from maml_tutorial.tasks import SinusoidTasks
from maml_tutorial.weights import load_weights

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="PyTorch finds no GPU: what a real one computes, records and resumes is not tried",
)
NET, NO_CONV = ConvNet(5, hidden=8), FullyConnectedNet(5)
IMAGES = torch.rand(12, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
SAMPLER = EpisodeSampler(IMAGES, n_way=5, k_shot=1, k_query=1)


def drawn(seed, device, dtype=torch.float32, net=NET):
    params = {
        name: p.detach().to(device, dtype).requires_grad_()
        for name, p in init_params(net, seed=seed).items()
    }
    tasks = SAMPLER(4, torch.Generator().manual_seed(seed)).to(device)
    return params, tasks.map(lambda t: t.to(dtype) if t.is_floating_point() else t)


def gradient(first_order=False, net=NET):
    learner = maml(
        make_loss(net, cross_entropy), inner_lr=0.4, inner_steps=2, first_order=first_order
    )
    return learner.gradient


def equal(one, other):
    return torch.equal(one[0], other[0]) and all(map(torch.equal, one[1], other[1]))


def assert_close(one, other):
    """In float64, where the order of a sum is seen in the last digits only."""
    for a, b in zip((one[0], *one[1]), (other[0], *other[1]), strict=True):
        torch.testing.assert_close(a.cpu(), b.cpu(), rtol=1e-9, atol=1e-12)


@pytest.fixture
def never_taken_as_it_is():
    """A warning, such as that nothing was recorded, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.usefixtures("never_taken_as_it_is")
def test_recorded_the_gradient_is_the_same_bit_for_bit_without_convolutions(first_order):
    plain = gradient(first_order, NO_CONV)
    recorded = captured(gradient(first_order, NO_CONV))
    with rounding(tf32=False):
        for seed in (0, 5, 9):
            params, tasks = drawn(seed, "cuda", net=NO_CONV)
            assert equal(recorded(params, tasks), plain(params, tasks))


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.usefixtures("never_taken_as_it_is")
def test_recorded_the_gradient_of_convolutions_is_the_same(first_order):
    """Not in every bit: cuDNN adds up in another order each time, recorded or not."""
    plain, recorded = gradient(first_order), captured(gradient(first_order))
    for seed in (0, 5, 9):
        params, tasks = drawn(seed, "cuda", torch.float64)
        assert_close(recorded(params, tasks), plain(params, tasks))


@pytest.mark.parametrize("first_order", [False, True])
def test_a_gpu_and_a_cpu_take_the_same_gradient(first_order):
    assert_close(
        *(gradient(first_order)(*drawn(0, device, torch.float64)) for device in ("cuda", "cpu"))
    )


def test_what_cannot_be_recorded_is_taken_as_it_is_and_the_gpu_works_on():
    def looking(params, tasks):
        assert tasks.x_query.sum().item() > 0  # a graph cannot wait for a number
        return gradient()(params, tasks)

    params, tasks = drawn(0, "cuda", torch.float64)
    with pytest.warns(RuntimeWarning, match="no CUDA graph"):
        found = captured(looking)(params, tasks)
    assert_close(found, gradient()(params, tasks))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert_close(captured(gradient())(params, tasks), found)


@pytest.mark.parametrize("batch_norm", ["transductive", "inductive"])
def test_a_gpu_and_a_cpu_give_the_same_scores(batch_norm):
    learner = maml(make_loss(NET, cross_entropy), inner_lr=0.4)
    scores = [
        evaluate(
            learner,
            make_predict(NET),
            correct,
            drawn(0, device, torch.float64)[0],
            lambda n, generator: SAMPLER(n, generator).map(
                lambda t: t.double() if t.is_floating_point() else t
            ),
            inner_steps=(0, 1, 3),
            n_tasks=30,
            generator=torch.Generator().manual_seed(0),
            batch_norm=batch_norm,
        ).query
        for device in ("cuda", "cpu")
    ]
    assert scores[0] == pytest.approx(scores[1])


def test_tasks_are_drawn_on_the_gpu():
    run = presets.PRESETS["glyphs-5w1s"]
    tasks = run.sampler("cuda")(3, torch.Generator("cuda").manual_seed(0))
    assert all(part.is_cuda for part in tasks)


def invoke(folder, *options):
    arguments = ["train", "sinusoid-k5", "--meta-steps", 9, "--output", folder, *options]
    return CliRunner().invoke(main, [*map(str, arguments)])


def cut_off(folder, monkeypatch, *options):
    """Train until a task too many is asked for."""
    left = 7

    def sample(n_tasks, generator):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("no more tasks")
        return SinusoidTasks(5, 5)(n_tasks, generator)

    with monkeypatch.context() as patch:
        patch.setattr(presets.Sinusoid, "sampler", lambda run, device: sample)
        assert "no more tasks" in invoke(folder, *options, "--checkpoint-every", 4).output


def test_a_run_on_a_gpu_is_recorded_and_goes_on_after_a_cut_to_the_same_weights(
    tmp_path, monkeypatch
):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    cuda = ("--device", "cuda")
    result = invoke(tmp_path / "whole", *cuda)
    assert result.exit_code == 0, result.output
    record = load_record("sinusoid-k5", tmp_path / "whole")
    assert record.device == record.scored_on == torch.cuda.get_device_name()
    assert record.tf32 is False and record.config["chunk"] is None and record.peak_mb > 0
    cut_off(tmp_path / "cut", monkeypatch, *cuda)
    result = invoke(tmp_path / "cut", *cuda, "--resume")
    assert result.exit_code == 0 and "going on after step 4" in result.output
    whole, cut = (load_weights("sinusoid-k5", tmp_path / name) for name in ("whole", "cut"))
    assert all(torch.equal(p, cut[name]) for name, p in whole.items())


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_moves_from_one_device_to_the_other(tmp_path, monkeypatch, first, then):
    few_tests(monkeypatch, presets.Sinusoid, 100)
    cut_off(tmp_path, monkeypatch, "--device", first)
    with pytest.warns(RuntimeWarning, match="drawn on another kind of device"):
        result = invoke(tmp_path, "--device", then, "--resume")
    assert result.exit_code == 0 and "going on after step 4" in result.output
    assert load_record("sinusoid-k5", tmp_path).history[-1][0] == 9
