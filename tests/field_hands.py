"""The whole way, from a sampler to one example predicted, for the tests of the field's cases."""

import math

import torch
from torch.nn.functional import mse_loss
from torch.utils._pytree import tree_map

from maml_tutorial import (
    MLP,
    ConvNet,
    EpisodeSampler,
    SinusoidTasks,
    adapt,
    chunked,
    evaluate,
    init_params,
    load_weights,
    make_loss,
    make_predict,
    maml,
    meta_train,
    predict_alone,
    save_weights,
)
from maml_tutorial.tasks import sliced


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


WAVES = MLP(hidden=(8,))
THETA = init_params(WAVES, seed=0)
WAVE_LOSS = make_loss(WAVES, mse_loss)
LETTERS = ConvNet(5, hidden=4)


def sines(n_tasks=3, generator=None):
    return SinusoidTasks()(n_tasks, generator or rng())


def images(n_tasks=3, n_way=5, k_query=1, channels=1):
    pictures = torch.rand(9, 4, channels, 16, 16, generator=rng())
    return EpisodeSampler(pictures, n_way=n_way, k_shot=1, k_query=k_query)(n_tasks, rng())


def whole_way(net, loss, metric, sampler, folder, *, params=None, **options):
    """Train, evaluate by both protocols, save, load, adapt to one task, predict one example."""
    start = params or init_params(net, seed=0)
    loss_fn, predict = make_loss(net, loss), make_predict(net)
    learner = maml(loss_fn, **{"inner_lr": 0.1} | options)
    training = meta_train(
        learner,
        start,
        sampler,
        meta_batch_size=3,
        meta_steps=3,
        log_every=1,
        generator=rng(),
        engine=chunked(2),
        progress=False,
    )
    assert all(math.isfinite(value) for _, value in training.history)
    for name, p in training.params.items():
        assert torch.equal(p, start[name]) == (not p.requires_grad), name
    net.eval()
    scores = [
        evaluate(
            learner,
            predict,
            metric,
            training.params,
            sampler,
            inner_steps=(0, 1),
            n_tasks=4,
            batch_size=3,
            generator=rng(1),
            batch_norm=protocol,
        ).query[1]
        for protocol in ("transductive", "inductive")
    ]
    assert all(math.isfinite(s.mean) and s.n_diverged == 0 for s in scores)
    assert scores[0].n_predictions == scores[1].n_predictions
    save_weights(training.params, folder / "mine.safetensors")
    loaded = load_weights("mine", str(folder))
    for name, p in training.params.items():
        assert torch.equal(loaded[name], p), name
        assert loaded[name].requires_grad == p.requires_grad, name
    x_support, y_support, x_query, _ = (sliced(part, 0) for part in sampler(2, rng(2)))
    phi = adapt(loss_fn, loaded, x_support, y_support, inner_lr=options.get("inner_lr", 0.1))
    one = tree_map(lambda tensor: tensor[:1], x_query)
    answer = predict_alone(predict, phi, x_support, one)
    assert answer.shape[0] == 1
    assert answer.isfinite().all()
    both = predict_alone(predict, phi, x_support, tree_map(lambda tensor: tensor[:2], x_query))
    torch.testing.assert_close(both[:1], answer)
    assert not torch.equal(both[0], both[1]), "each query gets its own answer"
    return training
