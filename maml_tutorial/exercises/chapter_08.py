"""Exercises of chapter 8."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from maml_tutorial.evaluation import predict_alone
from maml_tutorial.exercises.registry import exercise
from maml_tutorial.models import Params, PredictFn


@exercise("8.1", "Where the loss starts")
def _(guessing: Callable[[int], tuple[float, float]]) -> str | None:
    """Cross-entropy and accuracy of "all classes equally likely"."""
    answer = guessing(5)
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "Return two numbers: the cross-entropy, then the accuracy."
    loss, accuracy = (float(value) for value in answer)
    if math.isclose(loss, 0.2, rel_tol=1e-6) and math.isclose(accuracy, math.log(5), rel_tol=1e-4):
        return "Both are right, in the other order: the cross-entropy first, then the accuracy."
    if math.isclose(accuracy, 20.0, rel_tol=1e-6):
        return "The accuracy is asked for as a share, between 0 and 1."
    if not math.isclose(accuracy, 0.2, rel_tol=1e-6):
        return "How many of five blind guesses are right, on average?"
    if math.isclose(loss, -math.log(5), rel_tol=1e-6):
        return "A cross-entropy is not negative: it is *minus* the logarithm of a probability."
    if math.isclose(loss, math.log2(5), rel_tol=1e-6):
        return "That is in bits; PyTorch's cross-entropy has the natural logarithm."
    if not math.isclose(loss, math.log(5), rel_tol=1e-4):
        return "Minus the logarithm of the probability that the right class gets."
    loss, accuracy = (float(value) for value in guessing(20))
    right = math.isclose(loss, math.log(20), rel_tol=1e-4) and math.isclose(accuracy, 0.05)
    return None if right else "Right for 5-way; what about other values of `n_way`?"


@exercise("8.2", "Right answers, task by task")
def _(task_accuracy: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    """Accuracy of each task, from outputs of shape (n_tasks, n_query, n_way)."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4).repeat(3, 1)
    outputs = torch.randn(3, 4, 4, generator=generator)
    outputs[0, torch.arange(4), labels[0]] += 5  # the first task is all right,
    outputs[1, :, 2] += 5  # and in the second the same class is said of every image
    right = (outputs.argmax(dim=-1) == labels).float().mean(dim=-1)
    got = torch.as_tensor(task_accuracy(outputs, labels)).float()
    if got.ndim == 0:
        return "One number a task is asked for: an interval needs to know them apart."
    if got.shape == labels.shape:
        return "These are single answers; average them within each task."
    if got.shape != (3,):
        return f"The shape should be (n_tasks,), so (3,) here; yours is {tuple(got.shape)}."
    wrong_axis = (outputs.argmax(dim=1) == labels).float().mean(dim=-1)
    if torch.allclose(got, wrong_axis):
        return "This picks the best image for each class. The classes stand on the last axis."
    if torch.allclose(got, 100 * right):
        return "Shares, please, between 0 and 1."
    if torch.allclose(got, labels.shape[1] * right):
        return "These are numbers of right answers: divide by the query images of a task."
    return None if torch.allclose(got, right) else "The largest output names the class."


DIAGNOSIS = {
    "A": "healthy",
    "B": "labels keep an order",
    "C": "support and query unrelated",
    "D": "inner step too small",
    "E": "too few classes",
}
LOOK_AT = {
    "A": "A: each of its four numbers is as it should be.",
    "B": "B: it knows numbers before it has seen a card. How can that be?",
    "C": "C: it fits its cards perfectly, and that does not help it at all.",
    "D": "D: look at its *support* accuracy first.",
    "E": "E: good on letters it was trained on, poor on others.",
}


@exercise("8.3", "Five patients")
def _(diagnosis: dict[str, str]) -> str | None:
    """Match five sets of accuracies with their causes."""
    if not isinstance(diagnosis, dict) or set(diagnosis) != set(DIAGNOSIS):
        return "Give a dictionary with the five patients, A to E."
    unknown = [word for word in diagnosis.values() if word not in DIAGNOSIS.values()]
    if unknown:
        return f"There is no diagnosis {unknown[0]!r}: use the five words of the text."
    for patient, cause in DIAGNOSIS.items():
        if diagnosis[patient] != cause:
            return LOOK_AT[patient]
    return None


@exercise("8.4", "One image at a time")
def _(one_by_one: Callable[[PredictFn, Params, Tensor, Tensor], Tensor]) -> str | None:
    """The inductive protocol for one task."""
    generator = torch.Generator().manual_seed(0)
    x_support, x_query = (torch.randn(n, 6, generator=generator) for n in (5, 7))
    params = {"weight": torch.randn(6, 5, generator=generator)}

    def predict(params: Params, x: Tensor) -> Tensor:
        """A linear layer behind a batch norm."""
        return (x - x.mean(dim=0)) / (x.std(dim=0, correction=0) + 1e-3) @ params["weight"]

    def company(x: Tensor) -> Tensor:
        return predict(params, torch.cat([x_support, x]))[len(x_support) :]

    right = predict_alone(predict, params, x_support, x_query)
    got = torch.as_tensor(one_by_one(predict, params, x_support, x_query))
    if got.shape == (len(x_query), len(x_support) + 1, 5):
        return "Each batch gives outputs for the support images too: keep the query image's."
    if got.shape != right.shape:
        return f"The shape should be {tuple(right.shape)}, got {tuple(got.shape)}."
    hints = {
        "All query images were together: this is the transductive protocol.": predict(
            params, x_query
        ),
        "Each query image was quite alone: let the support images keep it company.": (
            torch.cat([predict(params, x[None]) for x in x_query])
        ),
        "The support images are there, but so are all the query images.": company(x_query),
        "These are outputs for a support image: where in the batch did you put the query?": (
            torch.stack([predict(params, torch.cat([x_support, x[None]]))[0] for x in x_query])
        ),
    }
    for hint, wrong in hints.items():
        if torch.allclose(got, wrong, atol=1e-5):
            return hint
    if got.isnan().any() or not torch.allclose(got, right, atol=1e-5):
        return "For each query image, one batch: the support images and this image."
    return None
