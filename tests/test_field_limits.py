"""Networks and files that people bring, and cannot use: named, with a way out."""

import numpy as np
import pytest
import torch
from field_hands import LETTERS, THETA, WAVE_LOSS, WAVES, images, rng, sines
from torch import nn
from torch.nn.functional import (
    cross_entropy,
    mse_loss,
)
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from maml_tutorial import (
    EpisodeSampler,
    FullyConnectedNet,
    Task,
    fomaml,
    init_params,
    load_folder,
    load_weights,
    make_loss,
    make_predict,
    maml,
    maml_loss,
    params_of,
    save_weights,
)

# PyTorch works through some layers one by one inside `vmap`, and warns that it is slow.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(1, 1)
        self.scale = nn.Parameter(torch.ones(1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Bare, "no module draws scale: .*reset_parameters.*params_of"),
        (lambda: weight_norm(nn.Linear(2, 3)), "no module draws weight_g, weight_v"),
        (
            lambda: parametrizations.orthogonal(nn.Linear(3, 3)),
            "keeps where it starts in a buffer",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
def test_a_parameter_that_cannot_be_drawn_is_named_and_the_network_is_left_alone(make, words):
    net = make()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    with pytest.raises(ValueError, match=words):
        init_params(net, seed=0)
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert params_of(net).keys() == dict(net.named_parameters()).keys()


class Last(nn.Module):
    """The last output of a recurrent layer, or the mean of any other's."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(4, 1)

    def forward(self, x):
        out = self.layer(x)
        return self.head(out[0][:, -1] if isinstance(out, tuple) else out.mean(1))


SEQUENCES = Task(*(torch.randn(3, 5, *s, generator=rng()) for s in ((6, 4), (1,), (6, 4), (1,))))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Dropout(0.1), "called random operation"),
        (nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), "called random operation"),
        (nn.GRU(4, 4, batch_first=True), "gru"),
        (nn.LSTM(4, 4, batch_first=True), "lstm"),
        (nn.RNN(4, 4, batch_first=True), "rnn"),
        (nn.BatchNorm1d(6), "running_mean"),
        (parametrizations.spectral_norm(nn.Linear(4, 4)), ""),
        (spectral_norm(nn.Linear(4, 4)), ""),
    ],
)
def test_what_cannot_be_vectorised_names_the_loop_and_what_pytorch_said(layer, words):
    net = Last(layer)
    theta = init_params(net, seed=0)
    for learner in (maml, fomaml):
        with pytest.raises(ValueError, match=f"pass vectorised=False, .*PyTorch said: .*{words}"):
            learner(make_loss(net, mse_loss), inner_lr=0.1).gradient(theta, SEQUENCES)


def test_padding_that_would_learn_under_vmap_names_the_loop():
    net = nn.Sequential(nn.Embedding(9, 1, padding_idx=0), nn.Flatten(), nn.Linear(6, 1))
    ids = torch.randint(9, (3, 5, 6), generator=rng())
    tasks = SEQUENCES._replace(x_support=ids, x_query=ids)
    with pytest.raises(ValueError, match="vectorised=False.*padding_idx"):
        maml_loss(make_loss(net, mse_loss), init_params(net, seed=0), tasks, inner_lr=0.1)


def test_a_gradient_inside_a_loss_names_the_loop():
    def slope(params, x, y):
        x = x.requires_grad_()
        (g,) = torch.autograd.grad(make_predict(WAVES)(params, x).sum(), x, create_graph=True)
        return (g - y).square().mean()

    with pytest.raises(ValueError, match=r"pass vectorised=False, .*requires_grad_\(\)"):
        maml_loss(slope, THETA, sines(), inner_lr=0.01)


def test_tasks_as_lists_name_the_loop():
    lists = Task(*(list(part) for part in sines()))
    with pytest.raises(ValueError, match="given as lists.*vectorised=False"):
        maml_loss(WAVE_LOSS, THETA, lists, inner_lr=0.01)


def test_attention_s_exact_gradient_needs_the_plain_kernel():
    net = Last(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True))
    with pytest.raises(RuntimeError, match="flash_attention.* is not implemented"):
        maml(make_loss(net, mse_loss), inner_lr=0.1).gradient(init_params(net, seed=0), SEQUENCES)


# Images and files


@pytest.mark.parametrize("vectorised", [True, False])
@pytest.mark.parametrize(
    ("net", "words"),
    [
        (LETTERS, r"\(n, 1, height, width\), got \(5, 3, 16, 16\).*n_in=3"),
        (FullyConnectedNet(5, n_in=256), r"256 numbers each, got \(5, 3, 16, 16\).*n_in=768"),
    ],
)
def test_colour_where_grey_is_expected_names_the_setting(net, words, vectorised):
    with pytest.raises(ValueError, match=words):
        maml_loss(
            make_loss(net, cross_entropy),
            init_params(net, seed=0),
            images(channels=3),
            inner_lr=0.1,
            vectorised=vectorised,
        )


@pytest.mark.parametrize(
    ("pictures", "error", "words"),
    [
        (np.zeros((5, 9, 1, 8, 8)), TypeError, "float tensor, got"),
        (torch.zeros(5, 9, 1, 8, 8).long(), TypeError, "got torch.int64"),
        (torch.zeros(5, 9, 8, 8), ValueError, r"got \(5, 9, 8, 8\)"),
        ([torch.zeros(9, 1, 8, 8), torch.zeros(2, 1, 8, 8)], ValueError, r"2 images \(class 1\)"),
        ([torch.zeros(9, 1, 8, 8), torch.zeros(9, 3, 8, 8)], ValueError, "equal from the second"),
        ([], ValueError, "one tensor"),
    ],
)
def test_images_that_cannot_be_dealt_are_named(pictures, error, words):
    with pytest.raises(error, match=words):
        EpisodeSampler(pictures, n_way=2, k_shot=1, k_query=3)


def test_a_folder_without_classes_or_a_class_without_pictures_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="one subfolder a class"):
        load_folder(tmp_path)
    (tmp_path / "wren").mkdir()
    with pytest.raises(FileNotFoundError, match="wren"):
        load_folder(tmp_path)


def test_weights_that_are_not_there_are_named(tmp_path):
    save_weights(THETA, tmp_path / "mine.safetensors")
    with pytest.raises(KeyError, match=r"no file yours.safetensors; there are: mine"):
        load_weights("yours", str(tmp_path))
    with pytest.raises(ValueError, match=r"must end in .safetensors, got 'mine.pt'"):
        save_weights(THETA, tmp_path / "mine.pt")
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "yours.safetensors")
