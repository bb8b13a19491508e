"""Typical wrong answers to the exercises of chapter 8: (exercise, answer, a word of its hint)."""

import math

import torch

from maml_tutorial.exercises.chapter_08 import DIAGNOSIS


def diagnosis(**wrong: str) -> dict[str, str]:
    return DIAGNOSIS | wrong


def right(outputs, labels):
    return (outputs.argmax(dim=-1) == labels).float()


def with_support(keep):
    """Each query image in a batch with the support images; what is kept of the outputs?"""

    def one_by_one(predict, params, x_support, x_query):
        batches = (torch.cat([x_support, x[None]]) for x in x_query)
        return torch.stack([keep(predict(params, batch)) for batch in batches])

    return one_by_one


def all_in_one(predict, params, x_support, x_query):
    return predict(params, torch.cat([x_support, x_query]))[len(x_support) :]


def quite_alone(predict, params, x_support, x_query):
    return torch.stack([predict(params, x[None])[0] for x in x_query])


WRONG_08: list[tuple[str, object, str]] = [
    ("8.1", lambda n_way: math.log(n_way), "two numbers"),
    ("8.1", lambda n_way: (1 / n_way, math.log(n_way)), "other order"),
    ("8.1", lambda n_way: (math.log(n_way), 100 / n_way), "share"),
    ("8.1", lambda n_way: (math.log(n_way), 0.5), "blind guesses"),
    ("8.1", lambda n_way: (math.log(1 / n_way), 1 / n_way), "not negative"),
    ("8.1", lambda n_way: (math.log2(n_way), 1 / n_way), "bits"),
    ("8.1", lambda n_way: (1 / n_way, 1 / n_way), "Minus the logarithm"),
    ("8.1", lambda n_way: (math.log(5), 0.2), "other values"),
    ("8.2", lambda outputs, labels: right(outputs, labels).mean(), "One number a task"),
    ("8.2", right, "within each task"),
    ("8.2", lambda outputs, labels: right(outputs, labels).mean(dim=0), "shape"),
    (
        "8.2",
        lambda outputs, labels: (outputs.argmax(dim=1) == labels).float().mean(dim=-1),
        "best image for each class",
    ),
    ("8.2", lambda outputs, labels: 100 * right(outputs, labels).mean(dim=-1), "Shares"),
    ("8.2", lambda outputs, labels: right(outputs, labels).sum(dim=-1), "divide by"),
    ("8.2", lambda outputs, labels: 1 - right(outputs, labels).mean(dim=-1), "names the class"),
    ("8.3", {"A": "healthy"}, "five patients"),
    ("8.3", diagnosis(B="a leak"), "no diagnosis 'a leak'"),
    ("8.3", diagnosis(A="too few classes"), "A: each"),
    ("8.3", diagnosis(B="too few classes"), "B: it knows"),
    ("8.3", diagnosis(C="too few classes"), "C: it fits"),
    ("8.3", diagnosis(D="too few classes"), "D: look"),
    ("8.3", diagnosis(E="labels keep an order"), "E: good"),
    ("8.4", with_support(lambda outputs: outputs), "keep the query image's"),
    ("8.4", lambda predict, params, x_support, x_query: predict(params, x_support), "shape"),
    ("8.4", lambda predict, params, x_support, x_query: predict(params, x_query), "transductive"),
    ("8.4", all_in_one, "so are all the query images"),
    ("8.4", with_support(lambda outputs: outputs[0]), "support image: where"),
    ("8.4", quite_alone, "quite alone"),
    ("8.4", lambda predict, params, x_support, x_query: torch.ones(7, 5), "one batch"),
]
