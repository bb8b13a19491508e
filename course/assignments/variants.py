"""The values that differ from student to student, each a function of the student number alone.

A set names them in `<<…>>`. What its solutions alone name (the bugs of set 3) is cut out of the
student's version with them; all other right answers are what the solved notebook computes.
"""

import random
from collections.abc import Callable

Values = dict[str, object]


def sampler(number: int) -> Values:
    """Set 1: the size of the collection and of a task; a score that was reported."""
    dice = random.Random(f"sampler {number}")
    k_shot, k_query = dice.choice([(1, 3), (2, 3), (2, 4), (3, 3)])
    return {
        "number": number,
        "seed": dice.randrange(10_000),
        "n_species": dice.randrange(12, 19),
        "n_way": dice.choice([3, 4, 5]),
        "k_shot": k_shot,
        "k_query": k_query,
        "photos": dice.randrange(15, 31),
        "reported": dice.randrange(800, 931) / 1000,
    }


def meta_gradient(number: int) -> Values:
    """Set 2: a line, two points and a step size, such that no wrong road gives a right number."""
    dice = random.Random(f"meta-gradient {number}")
    while True:
        a, b = dice.choice([-1, 1, 2]), dice.choice([-1, 0, 1])
        x_s, y_s = dice.choice([-2, 1, 2]), dice.randrange(-3, 4)
        x_q, y_q = dice.choice([-1, 1, 2, 3]), dice.randrange(-3, 4)
        alpha = dice.choice([0.05, 0.1, 0.15])
        miss = a * x_s + b - y_s
        left = (a - 2 * alpha * miss * x_s) * x_q + b - 2 * alpha * miss - y_q
        if miss and abs(left) > 0.3 and 1 + x_s * x_q and x_s != x_q:
            break
    return {"number": number, "a": a, "b": b, "alpha": alpha} | {
        "x_s": x_s, "y_s": y_s, "x_q": x_q, "y_q": y_q
    }  # fmt: skip


PROGRAM_A = '''\
def meta_gradient(loss_fn, theta, tasks, alpha, steps):
    """Exact MAML: the mean over the tasks, through all the steps."""
    total = torch.zeros(())                                      # 1
    for x_s, y_s, x_q, y_q in tasks:                             # 2
        phi = theta                                              # 3
        for _ in range(steps):                                   # 4
            loss = loss_fn(phi, x_s, y_s)                        # 5
            slopes = grad(loss, [*phi.values()], create_graph=True)  # 6
            pairs = zip(phi.items(), slopes)                     # 7
            phi = {n: p - alpha * g for (n, p), g in pairs}      # 8
        total = total + loss_fn(phi, x_q, y_q)                   # 9
    mean = total / len(tasks)                                    # 10
    found = grad(mean, [*theta.values()])                        # 11
    return dict(zip(theta, found))                               # 12'''

# The line, what stands there, what stands there with the bug, and when the bug shows.
BUGS_A = {
    "restart": (7, "zip(phi.items(), slopes)", "zip(theta.items(), slopes)", "steps"),
    "support": (9, "loss_fn(phi, x_q, y_q)", "loss_fn(phi, x_s, y_s)", "always"),
    "sum": (10, "total / len(tasks)", "total", "tasks"),
    "short": (4, "range(steps)", "range(steps - 1)", "always"),
    "last": (9, "total + loss_fn(phi, x_q, y_q)", "loss_fn(phi, x_q, y_q)", "tasks"),
    "longer": (5, "loss_fn(phi, x_s, y_s)", "len(x_s) * loss_fn(phi, x_s, y_s)", "points"),
}  # fmt: skip

PROGRAM_B = '''\
def evaluate(predict, tasks):
    """The mean accuracy over the tasks, and half of its 95 % interval."""
    marks = []                                                   # 1
    for x_s, y_s, x_q, y_q in tasks:                             # 2
        labels = predict(x_s, y_s, x_q)                          # 3
        right = (labels == y_q).double()                         # 4
        marks.append(right.mean())                               # 5
    marks = torch.stack(marks)                                   # 6
    error = marks.std() / math.sqrt(len(marks))                  # 7
    return marks.mean().item(), 1.96 * error.item()              # 8'''

BUGS_B = {
    "peeks": (3, "predict(x_s, y_s, x_q)", "predict(x_q, y_q, x_q)", "score"),
    "pooled": (5, "marks.append(right.mean())", "marks.extend(right)", "interval"),
    "scatter": (7, " / math.sqrt(len(marks))", "", "interval"),
    "narrow": (7, "/ math.sqrt(len(marks))", "/ len(marks)", "interval"),
    "best": (8, "marks.mean()", "marks.max()", "score"),
}


def with_bug(program: str, bug: tuple[int, str, str, str]) -> str:
    """Return a program with one bug in it."""
    number, right, wrong, _ = bug
    lines = program.split("\n")
    at = next(i for i, line in enumerate(lines) if line.endswith(f"# {number}"))
    code = lines[at].rsplit("#", 1)[0].rstrip()
    if right not in code:
        raise ValueError(f"line {number} does not hold {right!r}")
    lines[at] = f"{code.replace(right, wrong):<64} # {number}"
    return "\n".join(lines)


def bugs(number: int) -> tuple[str, str]:
    """Return which bugs are planted for a student, by name."""
    dice = random.Random(f"bugs {number}")
    return dice.choice(list(BUGS_A)), dice.choice(list(BUGS_B))


def find_the_bug(number: int) -> Values:
    """Set 3: two programs with a bug each."""
    a, b = bugs(number)
    return {
        "number": number,
        "program_a": with_bug(PROGRAM_A, BUGS_A[a]),
        "program_b": with_bug(PROGRAM_B, BUGS_B[b]),
        "line_a": BUGS_A[a][0],
        "when_a": BUGS_A[a][3],
        "line_b": BUGS_B[b][0],
        "effect_b": BUGS_B[b][3],
    }


OTHERWISE = '''\
def meta_gradient(loss_fn, theta, tasks, alpha, steps):
    """As program A, but task by task, and backwards in their order."""
    found = {name: torch.zeros_like(p) for name, p in theta.items()}
    for x_s, y_s, x_q, y_q in reversed(tasks):
        start = {name: p.detach().clone().requires_grad_() for name, p in theta.items()}
        phi = start
        for _ in range(steps):
            slopes = grad(loss_fn(phi, x_s, y_s), list(phi.values()), create_graph=True)
            phi = {n: p - alpha * g for (n, p), g in zip(phi.items(), slopes)}
        for name, g in zip(start, grad(loss_fn(phi, x_q, y_q), list(start.values()))):
            found[name] = found[name] + g / len(tasks)
    return found'''


class Program(str):
    """The source of a `meta_gradient` that the grader shows to a submission."""


def programs(number: int) -> Values:
    """What the hidden tests of set 3 show to `ill`: healthy programs, and sick ones by name."""
    head = "import torch\nfrom torch.autograd import grad\n\n\n"
    return {
        "healthy": [Program(head + PROGRAM_A), Program(head + OTHERWISE)],
        "sick": {name: Program(head + with_bug(PROGRAM_A, bug)) for name, bug in BUGS_A.items()},
        "planted": bugs(number)[0],
    }


def fair_comparison(number: int) -> Values:
    """Set 4: which families of creatures, which learners, how many tasks."""
    dice = random.Random(f"fair {number}")
    return {
        "number": number,
        "seed": dice.randrange(10_000),
        "families": sorted(dice.sample(range(10), 6)),
        "k": dice.choice([3, 4]),
        "n_tasks": dice.choice([48, 60, 72]),
    }


VARIANTS: dict[str, Callable[[int], Values]] = {
    "ps1_sampler": sampler,
    "ps2_meta_gradient": meta_gradient,
    "ps3_find_the_bug": find_the_bug,
    "ps4_fair_comparison": fair_comparison,
}

WITHOUT_PACKAGE = ("ps2_meta_gradient",)  # asks for what the package has
SHOWN: dict[str, Callable[[int], Values]] = {"ps3_find_the_bug": programs}
