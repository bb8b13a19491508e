"""The solutions against what does not come from them: the package, differences, dice."""

import math
import types

import pytest
import torch

from course.assignments.variants import BUGS_A, BUGS_B, PROGRAM_A, PROGRAM_B, bugs, with_bug
from maml_tutorial import Task, maml_loss, nearest_neighbour
from tools.assignments.build import build
from tools.assignments.grade import solved

NUMBERS = (1101, 1102, 1103, 1104)


@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solved")
    kept = {}

    def of(name: str, number: int) -> types.SimpleNamespace:
        if (name, number) not in kept:
            kept[name, number] = solved(build(name, number, folder).instructor, name)
        return kept[name, number]

    return of


@pytest.mark.parametrize("number", NUMBERS)
def test_a_leak_is_as_frequent_as_the_formula_says(solution, number):
    s = solution("ps1_sampler", number)
    dice, n, m = torch.Generator().manual_seed(number), 4000, 17

    def draw(k):
        return torch.rand(n, s.N_WAY, m, generator=dice).topk(k).indices

    both = draw(s.K_SHOT)[..., None] == draw(s.K_QUERY)[..., None, :]
    found = both.flatten(1).any(dim=1).double().mean().item()
    wanted = s.leak_chance(s.N_WAY, s.K_SHOT, s.K_QUERY, m)
    assert abs(found - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / n) + 1e-9
    share = both.any(dim=2).double().mean().item()  # of the query rows
    assert abs(s.honest(share + (1 - share) * 0.6, s.K_SHOT, m) - 0.6) < 0.02


@pytest.mark.parametrize("number", NUMBERS)
def test_the_numbers_by_hand_are_those_of_the_program(solution, number):
    s = solution("ps2_meta_gradient", number)
    points = [torch.tensor([float(v)], dtype=torch.float64) for v in (*s.SUPPORT, *s.QUERY)]
    for first_order, pair in ((False, s.exact), (True, s.first_order)):
        theta = s.fresh(**s.START)
        tasks = Task(*(p[None] for p in points))
        maml_loss(s.line, theta, tasks, inner_lr=s.ALPHA, first_order=first_order).backward()
        assert all(abs(theta[n].grad.item() - g) < 1e-9 for n, g in zip("ab", pair, strict=True))
        own = s.meta_gradient(s.line, s.fresh(**s.START), [tuple(points)], s.ALPHA, 1, first_order)
        assert all(abs(float(own[n]) - g) < 1e-9 for n, g in zip("ab", pair, strict=True))
    assert max(abs(a - b) for a, b in zip(s.exact, s.first_order, strict=True)) > 0.01
    (only,) = s.losses_after(s.line, [tuple(points)], s.ALPHA + 1e-6)
    (less,) = s.losses_after(s.line, [tuple(points)], s.ALPHA - 1e-6)
    slope = (only(s.fresh(**s.START)) - less(s.fresh(**s.START))) / 2e-6
    assert abs(slope - s.my_alpha_slope) < 1e-4 * max(1, abs(slope))
    assert abs(s.alpha_slope(s.line, s.fresh(**s.START), points, s.ALPHA, 1) - slope) < 1e-3


def test_many_steps_and_tasks_agree_with_the_package(solution):
    s = solution("ps2_meta_gradient", NUMBERS[0])
    tasks = [s.task(seed) for seed in (1, 2, 3)]
    for first_order in (False, True):
        theta = s.fresh(a=0.7, b=1.1)
        stacked = Task(*(torch.stack(part) for part in zip(*tasks, strict=True)))
        how = {"inner_lr": 0.1, "inner_steps": 3, "first_order": first_order}
        maml_loss(s.bent, theta, stacked, **how).backward()
        own = s.meta_gradient(s.bent, s.fresh(a=0.7, b=1.1), tasks, 0.1, 3, first_order)
        assert all(abs(float(own[n]) - theta[n].grad.item()) < 1e-10 for n in own)


def run(program, name):
    names = {"torch": torch, "math": math, "grad": torch.autograd.grad}
    exec(program, names)
    return names[name]


@pytest.mark.parametrize("bug", BUGS_A)
def test_a_bug_shows_when_it_is_said_to(solution, bug):
    s = solution("ps3_find_the_bug", NUMBERS[0])
    well = run(PROGRAM_A, "meta_gradient")
    ill = run(with_bug(PROGRAM_A, BUGS_A[bug]), "meta_gradient")

    def wrong(n_tasks, steps, points):
        tasks = [s.wave(seed, points, 5) for seed in range(n_tasks)]
        how = (s.bent, s.fresh(a=0.7, b=1.1), tasks, 0.1, steps)
        a, b = well(*how), ill(*how)
        return any(abs(float(a[n] - b[n])) > 1e-6 for n in a)

    found = {
        "always": wrong(1, 1, 1),
        "tasks": wrong(3, 1, 1),
        "steps": wrong(1, 3, 1),
        "points": wrong(1, 1, 4),
    }
    when = BUGS_A[bug][3]
    assert found == {kind: when in ("always", kind) for kind in found}


@pytest.mark.parametrize("bug", BUGS_B)
def test_a_bug_spoils_what_it_is_said_to(solution, bug):
    s = solution("ps3_find_the_bug", NUMBERS[0])
    tasks = [s.clouds(seed) for seed in range(30)]
    well = run(PROGRAM_B, "evaluate")(s.nearest, tasks)
    ill = run(with_bug(PROGRAM_B, BUGS_B[bug]), "evaluate")(s.nearest, tasks)
    assert (abs(well[0] - ill[0]) > 1e-3) == (BUGS_B[bug][3] == "score")
    assert (abs(well[1] - ill[1]) > 1e-3) or BUGS_B[bug][3] == "score"


@pytest.mark.parametrize("number", NUMBERS)
def test_the_program_that_is_shown_has_its_bug(solution, number):
    s = solution("ps3_find_the_bug", number)
    a, b = bugs(number)
    assert (s.line_a, s.when_a) == (BUGS_A[a][0], BUGS_A[a][3])
    assert (s.line_b, s.effect_b) == (BUGS_B[b][0], BUGS_B[b][3])
    assert s.ill(s.program_a) and not s.ill(s.meta_gradient)


def test_the_vote_of_one_is_the_nearest_neighbour(solution):
    s = solution("ps4_fair_comparison", NUMBERS[0])
    for x_s, y_s, x_q, y_q, _ in s.deal(5, 3):
        assert torch.equal(s.vote(x_s, y_s, x_q, 1), nearest_neighbour(Task(x_s, y_s, x_q, y_q)))


def test_among_learners_that_are_all_alike_a_better_one_is_seldom_found(solution):
    s = solution("ps4_fair_comparison", NUMBERS[0])
    dice, fooled = torch.Generator().manual_seed(0), 0
    for _ in range(400):
        marks = dict(zip("abcdef", torch.randn(6, 200, generator=dice), strict=True))
        fooled += bool(s.better(marks, "a"))
    assert fooled < 0.06 * 400  # half of the 5 % lies on the other side; shared among five
