"""The networks are the paper's, and parameters really are an input."""

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial.models import (
    MLP,
    ConvNet,
    FullyConnectedNet,
    init_params,
    make_loss,
    make_predict,
)


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (MLP(), 40 + 40 + 1600 + 40 + 40 + 1),
        # four convolutions with bias, four batch norms with scale and shift, one linear layer
        (ConvNet(5), (9 * 64 + 64) + 3 * (9 * 64 * 64 + 64) + 4 * 128 + 64 * 5 + 5),
        (
            FullyConnectedNet(5),
            sum(a * b + 3 * b for a, b in ((784, 256), (256, 128), (128, 64), (64, 64)))
            + 64 * 5
            + 5,
        ),
    ],
)
def test_parameter_counts_follow_from_the_paper_s_sizes(model, count):
    assert sum(p.numel() for p in model.parameters()) == count


def test_the_four_blocks_see_28_14_7_4_pixels_and_leave_2():
    sizes, x = [], torch.zeros(2, 1, 28, 28)
    for layer in ConvNet(5, hidden=4):
        x = layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            sizes.append(tuple(x.shape[-2:]))
    assert sizes == [(14, 14), (7, 7), (4, 4), (2, 2)]


@pytest.mark.parametrize("model", [ConvNet(5, hidden=4), FullyConnectedNet(5)])
def test_batch_norm_uses_the_batch_in_training_and_after_eval(model):
    x = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    together = model.train()(x)
    torch.testing.assert_close(model.eval()(x), together)
    assert not torch.allclose(model(x[:3]), together[:3])
    assert not list(model.buffers()), "no running averages"


def test_the_same_seed_draws_the_same_parameters_and_the_model_keeps_its_own():
    model = MLP()
    own = [p.clone() for p in model.parameters()]
    state = torch.get_rng_state()
    a, b, c = (init_params(model, seed=s) for s in (0, 0, 1))
    assert all(torch.equal(a[n], b[n]) for n in a)
    assert not torch.equal(a["0.weight"], c["0.weight"])
    assert all(torch.equal(p, q) for p, q in zip(own, model.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.is_leaf and p.requires_grad for p in a.values())


def test_predictions_come_from_the_parameters_that_are_passed():
    model = MLP()
    params = init_params(model, seed=0)
    x = torch.linspace(-5, 5, 9)[:, None]
    by_hand = x
    for layer in (0, 2, 4):
        by_hand = by_hand @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]
        by_hand = by_hand.relu() if layer < 4 else by_hand
    torch.testing.assert_close(make_predict(model)(params, x), by_hand)
    torch.testing.assert_close(make_loss(model, mse_loss)(params, x, x), mse_loss(by_hand, x))


def test_labels_of_the_wrong_type_are_refused():
    model = ConvNet(5, hidden=4)
    loss_fn = make_loss(model, cross_entropy)
    with pytest.raises(TypeError, match=r"int64, got torch.float32"):
        loss_fn(init_params(model, seed=0), torch.zeros(5, 1, 28, 28), torch.zeros(5))


def test_batch_norm_keeps_averages_only_where_it_is_asked_to():
    x = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    by_batch, ordinary = ConvNet(5, hidden=8), ConvNet(5, hidden=8, running_averages=True)
    assert not list(by_batch.buffers()) and len(list(ordinary.buffers())) == 4 * 3
    ordinary(x)
    # By averages an image is seen alone, by the batch in company, whatever `.eval()` says.
    for net, alone in ((ordinary.eval(), True), (by_batch.eval(), False)):
        assert torch.allclose(net(x)[:2], net(x[:2]), atol=1e-5) is alone
