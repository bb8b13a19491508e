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
        "moved[name] = p - rates[name] * g",
        "moved[name] = p + rates[name] * g",
        "test_adapt.py::test_the_steps_are_those_of_torch_optim_sgd",
    ),
    "a detached result": (
        "adapt.py",
        "moved[name] = p - rates[name] * g",
        "moved[name] = p.detach() - rates[name] * g",
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
        "moved[name] = p - rates[name] * g",
        "moved[name] = p.data.sub_(rates[name] * g.data) + 0 * p",
        "test_adapt.py::test_the_old_parameters_stay_and_keep_no_gradient",
    ),
    "support and query swapped": (
        "maml.py",
        "losses(phi, tasks.x_query, tasks.y_query)",
        "losses(phi, tasks.x_support, tasks.y_support)",
        "test_maml.py::test_it_agrees_with_a_per_task_loop",
    ),
    "first order where exact was asked for": (
        "maml.py",
        "inner_steps=inner_steps, first_order=first_order",
        "inner_steps=inner_steps, first_order=True",
        "test_maml.py::test_the_exact_gradient_agrees_with_finite_differences",
    ),
    "differentiation inside vmap": (
        "maml.py",
        "return after(learn, losses)(params, tasks)",
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
    "the first task's parameters for every task of the loop": (
        "maml.py",
        "function(theta, *(sliced",
        "function(thetas[0], *(sliced",
        "test_maml.py::test_a_loop_over_the_tasks_gives_what_all_at_once_give",
    ),
    "rates by name ignored": (
        "adapt.py",
        "    return inner_lr\n",
        "    return dict.fromkeys(trainable(params), next(iter(inner_lr.values())))\n",
        "test_adapt.py::test_rates_by_name_move_those_names_alone",
    ),
    "a spring to zero": (
        "adapt.py",
        "pull * (p - start[name])",
        "pull * p",
        "test_adapt.py::test_a_spring_pulls_back_to_the_start",
    ),
    "a frozen parameter that moves": (
        "params.py",
        "clone().requires_grad_(p.requires_grad) for",
        "clone().requires_grad_() for",
        "test_training.py::test_what_is_frozen_is_left_alone",
    ),
    "weights that forget what was frozen": (
        "weights.py",
        "requires_grad_(learns[name])",
        "requires_grad_()",
        "test_weights.py::test_a_file_needs_no_record_and_knows_what_was_frozen",
    ),
    "a learner of first order where exact was asked for": (
        "relatives/descent.py",
        "after(partial(way, first_order=first_order), losses)",
        "after(partial(way, first_order=True), losses)",
        "test_training.py::test_a_step_is_an_optimiser_step_along_the_meta_gradient",
    ),
    "a step away from where the tasks led": (
        "relatives/reptile.py",
        "(p - phi[name]).mean(dim=0)",
        "(phi[name] - p).mean(dim=0)",
        "test_relatives.py::test_reptile_with_sgd_outside_is_the_paper_s_update",
    ),
    "implicit MAML without its spring": (
        "relatives/implicit.py",
        "first_order=True, pull=pull",
        "first_order=True",
        "test_relatives.py::test_implicit_maml_on_a_quadratic_has_a_closed_form",
    ),
    "a spring as weak as it should be strong": (
        "relatives/implicit.py",
        "support.sum() / pull",
        "support.sum() * pull",
        "test_relatives.py::test_implicit_maml_on_a_quadratic_has_a_closed_form",
    ),
    "rates that do not learn": (
        "relatives/extras.py",
        "return network, {**rates}",
        "return network, {name: rate.detach() for name, rate in rates.items()}",
        "test_relatives.py::test_the_gradient_is_that_of_a_plain_loop and meta_sgd",
    ),
    "prototypes without a bias": (
        "relatives/prototypes.py",
        "self.bias: -means.square().sum(dim=-1)",
        "self.bias: 0 * means.sum(dim=-1)",
        "test_relatives.py::test_protonet_predicts_the_softmax_of_squared_distances",
    ),
    "a last chunk that counts as a whole one": (
        "gradients.py",
        "share = count(part.x_support) / n_tasks",
        "share = min(size, n_tasks) / n_tasks",
        "test_gradients.py::test_in_chunks_it_is_the_same",
    ),
    "a snapshot that lives on": (
        "training.py",
        'copy.deepcopy(kept["optimizer"])',
        'kept["optimizer"]',
        "test_training.py::test_a_training_goes_on_from_a_snapshot",
    ),
    "other tasks after a restart": (
        "training.py",
        'self._draw_on(kept["generator"].cpu())',
        "pass",
        "test_training.py::test_a_training_goes_on_from_a_snapshot",
    ),
    "losses lost in a restart": (
        "training.py",
        'list(kept["since_log"])',
        "[]",
        "test_training.py::test_a_training_goes_on_from_a_snapshot",
    ),
    "a rate that falls from where it fell": (
        "training.py",
        'group["lr"] = rate * schedule',
        'group["lr"] *= schedule',
        "test_training.py::test_the_learning_rate_falls_along_half_a_cosine",
    ),
    "diverged tasks averaged": (
        "evaluation.py",
        "per_task.isfinite() & (per_task <= most)",
        "per_task.isfinite()",
        "test_evaluation.py::test_one_diverged_task_among_many",
    ),
    "not a number taken for an answer": (
        "evaluation.py",
        "means.where(finite.cpu(), torch.nan)",
        "means",
        "test_evaluation.py::test_outputs_that_are_no_numbers_are_no_answers",
    ),
    "an accuracy taken for a divergence": (
        "evaluation.py",
        "max(A_SHARE, FAR * by_steps[0].largest())",
        "FAR * by_steps[0].largest()",
        "test_evaluation.py::test_no_accuracy_is_a_divergence",
    ),
    "steps from where the last ones ended": (
        "evaluation.py",
        """            start = stacked(theta, count(tasks.x_support))
            found = learner.learn(start, tasks.x_support, tasks.y_support, inner_steps=s)
""",
        """            if s == 0:
                found, done = stacked(theta, count(tasks.x_support)), 0
            found = learner.learn(found, tasks.x_support, tasks.y_support, inner_steps=s - done)
            done = s
""",
        "test_evaluation.py::test_each_number_of_steps_starts_from_theta_again",
    ),
    "a score that JSON does not know": (
        "records.py",
        "_without_nan(record.scores)",
        "record.scores",
        "test_records.py::test_a_score_of_which_all_tasks_diverged_comes_back",
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
        "joined(x_support, tree_map",
        "joined(x_query, tree_map",
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
        "own = classes % n_classes",
        "classes = classes.sort(dim=-1).values\n        own = classes % n_classes",
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
    "a curve with what is not a number": (
        "runs.py",
        "if not math.isfinite(after.interval)",
        "if math.isinf(after.interval)",
        "test_command.py::test_a_run_whose_tests_diverge_is_recorded",
    ),
    "a preset that drops first order": (
        "presets.py",
        '"fomaml" if self.first_order else self.learner',
        "self.learner",
        "test_command.py::test_a_run_is_what_direct_calls and first_order",
    ),
    "an option --first-order that is dropped": (
        "__main__.py",
        'flags = {"first_order": first_order, ',
        "flags = {",
        "test_command.py::test_a_run_is_what_direct_calls and first-order",
    ),
    "a preset that drops the inner steps": (
        "presets.py",
        "self.loss, self.inner_lr, self.inner_steps, self.pull",
        "self.loss, self.inner_lr, 1, self.pull",
        "test_command.py::test_a_run_is_what_direct_calls and inner_steps",
    ),
    "a preset that drops the outer rate": (
        "jobs.py",
        "            meta_lr=self.run.meta_lr,\n",
        "",
        "test_command.py::test_a_run_is_what_direct_calls and meta_lr",
    ),
    "a rate that does not fall": (
        "jobs.py",
        "cosine if self.run.decay else lambda done: 1.0",
        "lambda done: 1.0",
        "test_command.py::test_a_run_is_what_direct_calls and decay",
    ),
    "chunks that are not taken": (
        "presets.py",
        "chunked(self.chunk)(gradient) if self.chunk else gradient",
        "gradient",
        "test_command.py::direct_calls and chunk",
    ),
    "nothing compiled": (
        "jobs.py",
        "compiled(gradient) if self.compiled else gradient",
        "gradient",
        "test_command.py::test_a_run_is_what_direct_calls and compile",
    ),
    "compiled around the chunks": (
        "jobs.py",
        "self.run.engine(compiled(gradient) if self.compiled else gradient)",
        "(compiled if self.compiled else lambda g: g)(self.run.engine(gradient))",
        "test_command.py::test_a_run_is_what_direct_calls and compile and chunk",
    ),
    "always the same start": (
        "jobs.py",
        "init_params(model, seed=self.seed)",
        "init_params(model, seed=0)",
        "test_command.py::test_a_run_is_what_direct_calls and seed",
    ),
    "trained with the seed of the start": (
        "jobs.py",
        'manual_seed(self.seeds["train"])',
        'manual_seed(self.seeds["init"])',
        "test_command.py::test_a_run_is_what_direct_calls and seed",
    ),
    "judged on the tasks of training": (
        "__main__.py",
        "job.test_seed",
        'job.seeds["train"]',
        "test_command.py::test_a_run_is_what_direct_calls and seed",
    ),
    "a curve on the tasks of the test": (
        "jobs.py",
        'watch_unseen(self.run, self.seeds["curve"])',
        'watch_unseen(self.run, self.seeds["test"])',
        "test_command.py::test_a_run_is_what_direct_calls and seed",
    ),
    "the seconds before a cut forgotten": (
        "jobs.py",
        "began = time.perf_counter() - before",
        "began = time.perf_counter()",
        "test_checkpoints.py::test_a_resumed_run_counts_the_seconds_before_the_cut",
    ),
    "a schedule stepped once an epoch": (
        "baselines.py",
        "            schedule.step()",
        "        schedule.step()",
        "test_baselines.py::test_the_learning_rate_falls_to_zero_along_a_cosine",
    ),
    "features of any length": (
        "baselines.py",
        "support, query = normalize(support, dim=-1), normalize(query, dim=-1)",
        "pass",
        "test_baselines.py::test_a_new_head_looks_at_the_direction",
    ),
    "new settings not compared": (
        "checkpoints.py",
        'for key in sorted({*kept["config"], *config})',
        'for key in sorted(kept["config"])',
        "test_checkpoints.py::test_a_setting_that_only_one_of_the_versions_knows",
    ),
    "steps logged twice": (
        "runs.py",
        "purge_step=done + 1",
        "purge_step=None",
        "test_checkpoints.py::test_logs_of_steps_that_are_taken_again_are_shown_once",
    ),
    "a reward of the distance before the move": (
        "navigation.py",
        "        position = position + self.longest_move * action.clamp(-1, 1)\n"
        "        gap = position - goal\n",
        "        gap = position - goal\n"
        "        position = position + self.longest_move * action.clamp(-1, 1)\n",
        "test_navigation.py::test_a_straight_walk_returns_the_sum",
    ),
    "paid after it has arrived": (
        "navigation.py",
        "rewards * alive, alive)",
        "rewards, alive)",
        "test_navigation.py::test_a_walk_is_over_where_it_arrives",
    ),
    "the last step counted as none": (
        "navigation.py",
        "seen.append((states, actions, rewards * alive, alive))\n"
        "            states, alive = after, alive * ~over\n",
        "states, alive = after, alive * ~over\n"
        "            seen.append((states, actions, rewards * alive, alive))\n",
        "test_navigation.py::test_a_walk_is_over_where_it_arrives",
    ),
    "moves cut off by their length": (
        "navigation.py",
        "action.clamp(-1, 1)",
        "action / action.norm(dim=-1, keepdim=True).clamp(min=1)",
        "test_navigation.py::test_moves_are_cut_off_axis_by_axis",
    ),
    "advantages of steps that nobody took": (
        "policy_gradient.py",
        "/ n_steps) * alive\n",
        "/ n_steps)\n",
        "test_policy_gradient.py::test_advantages_have_mean_0",
    ),
    "a baseline of walks that are over": (
        "policy_gradient.py",
        "n_walking = episodes.alive.sum(dim=1, keepdim=True)",
        "n_walking = torch.ones_like(episodes.alive).sum(dim=1, keepdim=True)",
        "test_policy_gradient.py::test_what_a_step_is_compared_with",
    ),
    "a mean over steps that nobody took": (
        "policy_gradient.py",
        "    weights = weights / episodes.alive.mean(dim=(1, 2), keepdim=True)\n",
        "",
        "test_policy_gradient.py::test_a_mean_over_the_examples",
    ),
    "a density without its width": (
        "policy_gradient.py",
        "0.5 * z.square() + log_std + ",
        "0.5 * z.square() + ",
        "test_policy_gradient.py::test_the_loss_is_the_density",
    ),
    "worse actions likelier": (
        "policy_gradient.py",
        "return -(log_density * y[..., -1]).mean()",
        "return (log_density * y[..., -1]).mean()",
        "test_policy_gradient.py::test_its_gradient_is_the_policy_gradient",
    ),
    "rewards of the past": (
        "policy_gradient.py",
        "in reversed(range(rewards.shape[-1])):",
        "in range(rewards.shape[-1]):",
        "test_policy_gradient.py::test_returns_to_go_are_sums_to_the_end",
    ),
    "query walks of the policy before": (
        "policy_gradient.py",
        "query = data(world.play(acting(policy, phi), goals,",
        "query = data(world.play(acting(policy, theta), goals,",
        "test_policy_gradient.py::test_the_query_walks_are_those_of_the_adapted_policy",
    ),
    "every update on the first walks": (
        "policy_gradient.py",
        "data(walks[-1])",
        "data(walks[0])",
        "test_policy_gradient.py::test_each_update_stands_on_fresh_walks",
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
SLOW = ("torch", "torch._dynamo", "torchvision.datasets", "matplotlib.pyplot", "safetensors.torch")
CONTEXT.set_forkserver_preload([*SLOW, "pytest", "click.testing"])


def run_test(folder, file, name):
    """In a process of its own: one test, on the package that lies in the same folder."""
    os.chdir(folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take longer than the test
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
