"""What the README and the first page show is so."""

import contextlib
import io
import re
from pathlib import Path

import torch
from torch.nn.functional import mse_loss

from maml_tutorial import MLP, SinusoidTasks, init_params, make_loss, maml, maml_loss
from tools.notebooks import read

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PRINTED = re.compile(r"^(before|after): +([\d.]+)$", re.MULTILINE)


PUBLISHED = dict(re.findall(PRINTED, re.search(r"```text\n(before.*?)```", README, re.DOTALL)[1]))


def run_the_code_of_the_readme(outer_steps: int, anew: str = "") -> tuple[dict, dict[str, str]]:
    """Return the names that the README's code defines, and the numbers it prints, by their words.

    Args:
        outer_steps: as many of its thousand as are taken.
        anew: a definition that follows its own.
    """
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert code.count("range(1000)") == code.count("\n\n\ngenerator = ") == 1
    code = code.replace("range(1000)", f"range({outer_steps})")
    said: dict = {"maml_loss": maml_loss}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code.replace("\n\n\ngenerator = ", f"\n\n\n{anew}\ngenerator = "), said)
    return said, dict(re.findall(PRINTED, printed.getvalue()))


def near(printed: str, published: str) -> bool:
    """A thousand steps may part by rounding where torch or the processor is another."""
    return abs(float(printed) / float(published) - 1) < 0.15


def test_the_code_of_the_readme_takes_outer_steps_with_the_exact_gradient() -> None:
    said, printed = run_the_code_of_the_readme(outer_steps=1)
    begun = init_params(MLP(), seed=0)
    tasks = SinusoidTasks(k_shot=5, k_query=5)(25, torch.Generator().manual_seed(0))
    _, gradients = maml(make_loss(MLP(), mse_loss), inner_lr=0.01).gradient(begun, tasks)
    for (name, theta), gradient in zip(said["theta"].items(), gradients, strict=True):
        torch.testing.assert_close(theta.grad, gradient, rtol=1e-4, atol=1e-6)
        assert not torch.equal(theta, begun[name])
    assert near(printed["before"], PUBLISHED["before"])


def test_the_code_of_the_readme_prints_what_the_readme_shows() -> None:
    """Its loss is taken for all waves at once, in a tenth of the time; it is the same loss."""
    at_once = """
of_the_readme = query_loss
def query_loss(waves):
    return maml_loss(loss, theta, waves, inner_lr=0.01)
"""
    said, printed = run_the_code_of_the_readme(outer_steps=1000, anew=at_once)
    assert printed.keys() == PUBLISHED.keys()
    for word, number in PUBLISHED.items():
        assert near(printed[word], number), f"{word}: {printed[word]}"
    theta = [*said["theta"].values()]
    losses = [said[name](said["batch"]) for name in ("of_the_readme", "query_loss")]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    gradients = [torch.autograd.grad(loss, theta) for loss in losses]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_the_first_screen_of_the_readme_leads_to_the_book() -> None:
    first = README[: README.index("<picture>")]
    assert re.search(r"\]\(https://[\w-]+\.github\.io/", first)
    assert "](book/01_learning_to_learn.ipynb)" in first


def test_the_scores_of_the_first_page_are_those_of_chapter_1() -> None:
    cells = {cell.id: cell for cell in read(ROOT / "book/01_learning_to_learn.ipynb").cells}
    found = re.findall(
        r"^(\S+) +(\d+) tasks +([\d.]+)% ± ([\d.]+)%$",
        "".join(output["text"] for output in cells["back-table"].outputs),
        re.MULTILINE,
    )
    scores = {name: (n_tasks, f"{mean} ± {interval}") for name, n_tasks, mean, interval in found}
    page = (ROOT / "index.md").read_text("utf-8").replace("\u00a0", " ")
    rows = {
        "pixels": r"compares pixels",
        "pre-trained": r"a pre-trained network, .*",
        "prototypical": r"a prototypical network, .*",
        "MAML": r"trained with MAML, .*",
    }
    assert rows.keys() == scores.keys()
    for name, row in rows.items():
        n_tasks, score = scores[name]
        assert re.search(rf"{row} \| {re.escape(score)} %", page), name
        assert f"each of {n_tasks} tasks" in page
