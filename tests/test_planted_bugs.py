"""The tests are tested: each bug that published code really has turns one of them red.

A bug is planted in a copy of the package, and the module's tests are run against the copy.
"""

import multiprocessing
import os
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# name: (module, what stands there, what is planted, the test that must turn red)
BUGS = {
    "exact and first order swapped": (
        "adapt.py",
        "create_graph=not first_order",
        "create_graph=first_order",
        "test_maml.py::test_the_hand_sized_example",
    ),
    "always first order, without a word": (
        "adapt.py",
        "create_graph=not first_order",
        "create_graph=False",
        "test_maml.py::test_it_agrees_with_a_per_task_loop",
    ),
    "one step too few": (
        "adapt.py",
        "range(inner_steps)",
        "range(max(1, inner_steps - 1))",
        "test_adapt.py::test_the_steps_are_those_of_torch_optim_sgd",
    ),
    "ascent": (
        "adapt.py",
        "p - inner_lr * g",
        "p + inner_lr * g",
        "test_adapt.py::test_the_steps_are_those_of_torch_optim_sgd",
    ),
    "a detached result": (
        "adapt.py",
        "name: p - inner_lr * g",
        "name: p.detach() - inner_lr * g",
        "test_maml.py::test_it_agrees_with_a_per_task_loop",
    ),
    "the mean over tasks instead of the sum": (
        "adapt.py",
        "loss_fn(params, x, y).sum()",
        "loss_fn(params, x, y).mean()",
        "test_adapt.py::test_a_meta_batch_adapts_each_task_as_if_it_were_alone",
    ),
    "parameters overwritten": (
        "adapt.py",
        "name: p - inner_lr * g",
        "name: p.data.sub_(inner_lr * g.data) + 0 * p",
        "test_adapt.py::test_the_old_parameters_stay_and_keep_no_gradient",
    ),
    "support and query swapped": (
        "maml.py",
        "losses_fn(adapted, tasks.x_query, tasks.y_query)",
        "losses_fn(adapted, tasks.x_support, tasks.y_support)",
        "test_maml.py::test_it_agrees_with_a_per_task_loop",
    ),
    "first order where exact was asked for": (
        "maml.py",
        "first_order=first_order,",
        "first_order=True,",
        "test_maml.py::test_the_exact_gradient_agrees_with_finite_differences",
    ),
    "differentiation inside vmap": (
        "maml.py",
        "return losses_fn(adapted, tasks.x_query, tasks.y_query).mean()",
        """from torch.func import grad

    def task_loss(theta, x_support, y_support, x_query, y_query):
        for _ in range(inner_steps):
            slopes = grad(loss_fn)(theta, x_support, y_support)
            slopes = {n: s.detach() if first_order else s for n, s in slopes.items()}
            theta = {n: theta[n] - inner_lr * slopes[n] for n in theta}
        return loss_fn(theta, x_query, y_query)

    return vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(params, *tasks).mean()""",
        "test_maml.py::test_it_agrees_with_a_per_task_loop",
    ),
    "the sign of the outer step": (
        "training.py",
        "p.grad = g\n",
        "p.grad = -g\n",
        "test_training.py::test_a_step_is_an_optimiser_step_along_the_meta_gradient",
    ),
    "gradients that pile up": (
        "training.py",
        "p.grad = g\n",
        "p.grad = g if p.grad is None else p.grad + g\n",
        "test_training.py::test_training_improves_the_objective",
    ),
    "the best image for a class": (
        "evaluation.py",
        "outputs.argmax(dim=-1) == y",
        "outputs.argmax(dim=-2) == y",
        "test_evaluation.py::test_correct_asks_for_the_best_class_of_an_image_not_the_best_image",
    ),
    "standard deviation printed as an interval": (
        "evaluation.py",
        "/ math.sqrt(n)",
        "",
        "test_evaluation.py::test_the_interval_covers_the_truth_95_times_in_100",
    ),
    "predictions counted as tasks": (
        "evaluation.py",
        ".reshape(values.shape[0], -1).mean(dim=1)",
        ".flatten()",
        "test_evaluation.py::test_predictions_of_one_task_count_as_one_draw",
    ),
    "queries that see each other": (
        "evaluation.py",
        "torch.cat([x_support, x[None]])",
        "torch.cat([x_query, x[None]])",
        "test_evaluation.py::test_inductive_predictions_do_not_depend_on_the_other_queries",
    ),
    "sampling with replacement": (
        "episodes.py",
        "return keys.topk(k, dim=-1).indices",
        "return (keys[..., :k] * n).long()",
        "test_episodes.py::test_no_image_is_dealt_twice_within_a_task",
    ),
    "a query image in the support set": (
        "episodes.py",
        "x[:, :, self.k_shot :]",
        "x[:, :, : self.k_query]",
        "test_episodes.py::test_a_query_image_is_never_in_the_support_set",
    ),
    "labels that keep their order": (
        "episodes.py",
        "classes, examples = classes.to(device)",
        "classes, examples = classes.sort(dim=-1).values.to(device)",
        "test_episodes.py::test_labels_are_dealt_anew",
    ),
    "support and query on different waves": (
        "tasks.py",
        "y = amplitude * torch.sin(x - phase)",
        "y = amplitude * torch.sin(x - phase * torch.rand(x.shape, generator=generator))",
        "test_tasks.py::test_support_and_query_lie_on_one_wave",
    ),
    "amplitude 0.1 to 0.5": (
        "tasks.py",
        "(0.1, 5.0)",
        "(0.1, 0.5)",
        "test_tasks.py::test_support_and_query_lie_on_one_wave",
    ),
    "query points on the right half": (
        "tasks.py",
        "y = amplitude * torch.sin(x - phase)",
        "x[:, self.k_shot :].abs_()\n        y = amplitude * torch.sin(x - phase)",
        "test_tasks.py::test_support_and_query_points_lie_anywhere",
    ),
    "a turn that belongs to the class": (
        "episodes.py",
        "_turn(x, classes // n_classes)",
        "_turn(x, classes % self.n_turns)",
        "test_episodes.py::test_a_class_is_dealt_in_every_turn_equally_often",
    ),
    "upright tasks that are turned": (
        "presets.py",
        "upright = EpisodeSampler(unseen.images, **self._shape())",
        "upright = EpisodeSampler(unseen.images, **self._shape(), rotations=True)",
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "inductive in name only": (
        "presets.py",
        'turned, "inductive")',
        "turned)",
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "inductive in name only, within an alphabet": (
        "presets.py",
        'within, "inductive")',
        "within)",
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "inductive in name only, on letters": (
        "presets.py",
        'yield Test(f"{source} {shape}, {batch_norm}", sampler, batch_norm)',
        'yield Test(f"{source} {shape}, {batch_norm}", sampler)',
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "scored by one protocol": (
        "runs.py",
        "batch_norm=test.batch_norm",
        'batch_norm="transductive"',
        "test_presets.py::test_the_two_protocols_are_scored_by_two_protocols",
    ),
    "one query image a class": (
        "presets.py",
        '"k_query": self.k_shot}',
        '"k_query": 1}',
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "one query image a letter": (
        "presets.py",
        "k_query=self.k_query)",
        "k_query=1)",
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "tested on the characters of training": (
        "presets.py",
        "unseen = self._characters(train=False)",
        "unseen = self._characters(train=True)",
        "test_presets.py::test_every_test_is_what_its_label_says",
    ),
    "a curve after one step": (
        "presets.py",
        "return max(3, self.inner_steps)",
        "return 1",
        "test_presets.py::test_a_learning_curve_is_taken_after_the_steps_of_the_paper",
    ),
    "a curve after one step, whatever is asked for": (
        "runs.py",
        "steps = run.watched_steps",
        "steps = 1",
        "test_presets.py::test_the_curve_ends_at_the_score",
    ),
    "a schedule stepped once an epoch": (
        "baselines.py",
        "            schedule.step()",
        "        schedule.step()",
        "test_baselines.py::test_the_learning_rate_falls_to_zero_along_a_cosine",
    ),
    "features of any length": (
        "baselines.py",
        "(normalize(features(x), dim=-1) for",
        "(features(x) for",
        "test_baselines.py::test_a_new_head_looks_at_the_direction",
    ),
    "new settings not compared": (
        "checkpoints.py",
        "for key in sorted({*kept, *config})",
        "for key in sorted(kept)",
        "test_checkpoints.py::test_a_setting_that_only_one_of_the_versions_knows",
    ),
    "steps logged twice": (
        "runs.py",
        "purge_step=done + 1",
        "purge_step=None",
        "test_checkpoints.py::test_logs_of_steps_that_are_taken_again_are_shown_once",
    ),
    "files for nobody else": (
        "records.py",
        "os.chmod(beside, 0o644)",
        "pass",
        "test_records.py::test_others_may_read_what_was_written",
    ),
    "KiB called MiB": (
        "__main__.py",
        "peak and peak // 1024",
        "peak",
        "test_records.py::test_the_memory_of_a_run_is_in_mebibytes",
    ),
}


# Processes that find what takes seconds to import imported already, for each bug.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "torch._dynamo", "pytest", "click.testing"])


def run_test(folder, file, name):
    """In a process of its own: one test, on the package that lies in the same folder."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    with open("said.txt", "w", encoding="utf-8") as said, redirect_stdout(said):
        sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", file, "-k", name]))


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_turns_its_test_red(bug, tmp_path):
    module, right, wrong, test = BUGS[bug]
    shutil.copytree(ROOT / "maml_tutorial", tmp_path / "maml_tutorial")
    path = tmp_path / "maml_tutorial" / module
    source = path.read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{module} no longer has one {right!r}: plant the bug anew"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    file, name = test.split("::")
    # The test is run on its own, without the book's settings, on the copy alone.
    shutil.copy(ROOT / "tests" / file, tmp_path)
    process = CONTEXT.Process(target=run_test, args=(tmp_path, file, name))
    process.start()
    process.join()
    said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert process.exitcode == 1, f"{test} did not turn red:\n{said[-2000:]}"
    assert "1 failed" in said and "error" not in said.splitlines()[-1]
