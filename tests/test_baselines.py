"""The honest beginners do what they say, and meet the same tasks as everybody else."""

import math

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from maml_tutorial import (
    EpisodeSampler,
    Task,
    correct,
    evaluate,
    maml,
    nearest_neighbour,
    new_head,
    outcomes,
    pretrain,
    score,
)
from maml_tutorial.baselines import pixels


@pytest.fixture(scope="module")
def sampler() -> EpisodeSampler:
    images = torch.rand(40, 10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return EpisodeSampler(images, n_way=5, k_shot=2, k_query=3)


@pytest.fixture(scope="module")
def tasks(sampler: EpisodeSampler) -> Task:
    return sampler(6, torch.Generator().manual_seed(1))


def test_the_nearest_neighbour_is_the_nearest_by_a_plain_loop(tasks: Task) -> None:
    found = nearest_neighbour(tasks)
    for t in range(6):
        for q, x in enumerate(tasks.x_query[t]):
            distances = [(x - s).square().sum().item() for s in tasks.x_support[t]]
            assert found[t, q] == tasks.y_support[t, distances.index(min(distances))]


@pytest.mark.parametrize("learner", [nearest_neighbour, lambda task: new_head(task, pixels)])
def test_one_task_gets_the_answers_it_gets_in_a_stack(learner, tasks: Task) -> None:
    stacked = learner(tasks)
    for t in range(6):
        assert torch.equal(learner(Task(*(part[t] for part in tasks))), stacked[t])


@pytest.mark.parametrize("learner", [nearest_neighbour, lambda task: new_head(task, pixels)])
def test_other_numbers_for_the_classes_change_nothing_but_the_numbers(learner, tasks: Task) -> None:
    renamed = torch.tensor([3, 0, 4, 1, 2])
    other = tasks._replace(y_support=renamed[tasks.y_support])
    assert torch.equal(learner(other), renamed[learner(tasks)])


def test_outcomes_deals_the_tasks_that_evaluate_deals(sampler: EpisodeSampler) -> None:
    """Five pixels decide, so that the score is chance, and every task another piece of luck."""

    def five_pixels(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(-3)[..., :5]

    params = {"unused": torch.zeros(1, requires_grad=True)}
    mine = score(outcomes(sampler, lambda t: five_pixels(t.x_query).argmax(dim=-1), 150, seed=4))
    theirs = evaluate(
        maml(lambda params, x, y: params["unused"].sum(), inner_lr=0.1),
        lambda params, x: five_pixels(x),
        correct,
        params,
        sampler,
        inner_steps=(0,),
        n_tasks=150,
        generator=torch.Generator().manual_seed(4),
    ).query[0]
    assert mine == pytest.approx(theirs)


def test_a_new_head_learns_classes_that_lie_apart() -> None:
    images = torch.eye(784).view(784, 1, 1, 28, 28).expand(-1, 4, -1, -1, -1)
    sampler = EpisodeSampler(images, n_way=7, k_shot=1, k_query=2)
    assert outcomes(sampler, lambda task: new_head(task, pixels), n_tasks=20).all()


def test_a_new_head_looks_at_the_direction_of_the_features_alone(tasks: Task) -> None:
    def stretched(x: torch.Tensor) -> torch.Tensor:
        """Each image's features, longer by a factor of its own, 1 to 11."""
        return pixels(x) * (1 + 10 * x[..., 0, 0, :1])

    assert torch.equal(new_head(tasks, stretched), new_head(tasks, pixels))


def test_a_new_head_on_useless_features_guesses(sampler: EpisodeSampler) -> None:
    right = outcomes(sampler, lambda task: new_head(task, lambda x: x[..., 0, 0, :1]), n_tasks=300)
    assert abs(right.mean() - 0.2) < 0.05


@pytest.fixture(scope="module")
def letters() -> torch.Tensor:
    """Four "letters", told apart by the corner that is inked."""
    images = torch.zeros(4, 8, 1, 28, 28)
    for letter, (i, j) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        images[letter, :, 0, 14 * i : 14 * i + 10, 14 * j : 14 * j + 10] = 200
    noise = 40 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + noise).to(torch.uint8)


def test_pre_trained_features_tell_letters_apart_and_are_the_same_for_the_same_seed(
    letters: torch.Tensor,
) -> None:
    features = pretrain(letters, epochs=30, batch_size=16)
    x = letters.float() / 255
    centres = features(x).mean(dim=1)
    assert (
        torch.cdist(features(x).flatten(0, 1), centres).argmin(dim=1).view(4, 8)
        == (torch.arange(4)[:, None])
    ).float().mean() > 0.9
    again, other = (pretrain(letters, epochs=30, batch_size=16, seed=s) for s in (0, 1))
    assert torch.equal(again(x), features(x)) and not torch.equal(other(x), features(x))


def test_the_learning_rate_falls_to_zero_along_a_cosine_step_by_step(
    letters: torch.Tensor,
) -> None:
    rates = []
    watch = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    pretrain(letters, epochs=3, batch_size=7, lr=0.02)
    watch.remove()
    n = 3 * 5  # 32 images make five batches
    assert rates == pytest.approx([0.01 * (1 + math.cos(math.pi * i / n)) for i in range(n)])


def test_an_images_features_do_not_depend_on_its_neighbours(letters: torch.Tensor) -> None:
    features, x = pretrain(letters, epochs=1), letters.float() / 255
    assert torch.allclose(features(x[0, :1]), features(x)[0, :1], atol=1e-5)


def test_pre_training_leaves_the_global_random_numbers_alone(letters: torch.Tensor) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    pretrain(letters, epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_no_tasks_are_refused(sampler: EpisodeSampler) -> None:
    with pytest.raises(ValueError, match="n_tasks must be a whole number of at least 1, got 0"):
        outcomes(sampler, nearest_neighbour, n_tasks=0)


def test_a_new_head_takes_the_features_as_they_are_if_told_so():
    x = torch.tensor([[9.0, 0.0], [0.0, 0.1]]).view(1, 2, 1, 1, 2)  # one is long, one is short
    query = torch.tensor([[1.0, 3.0]]).view(1, 1, 1, 1, 2)  # it points to the short one
    task = Task(x, torch.tensor([[0, 1]]), query, torch.tensor([[1]]))
    assert new_head(task, pixels).tolist() == [[1]]
    assert new_head(task, pixels, inner_lr=0.01, inner_steps=5, scaled=False).tolist() == [[0]]
