"""Made-up submissions, and the marks that the scheme gives each of them.

Each is the solved notebook, or the notebook as it was handed out, with some cells replaced. No
student wrote any of these.
"""

import json
from pathlib import Path
from typing import NamedTuple

S1, S2, S3, S4 = "ps1_sampler", "ps2_meta_gradient", "ps3_find_the_bug", "ps4_fair_comparison"


class MadeUp(NamedTuple):
    """A submission.

    Attributes:
        says: what is special about it.
        name: of the set.
        number: the student's.
        wanted: the marks of q1 to q5.
        start: "solved" or "stubs".
        answers: code in place of an answer, by question; "" leaves the stub.
        first: code in a cell before all others.
        last: code in a cell after them.
        notebook: a whole file in its place.
    """

    says: str
    name: str
    number: int
    wanted: tuple[float, ...]
    start: str = "solved"
    answers: dict[str, str] = {}  # noqa: RUF012
    first: str = ""
    last: str = ""
    notebook: str = ""

    def write(self, instructor: Path, student: Path, target: Path) -> None:
        """Write it; both versions are notebooks that `build` made."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.notebook:
            target.write_text(self.notebook, encoding="utf-8")
            return
        solved, stubs = (json.loads(p.read_text(encoding="utf-8")) for p in (instructor, student))
        tag = {"solved": "otter_assign_solution_cell", "stubs": "otter_answer_cell"}

        def own(notebook: dict, kind: str) -> dict[str, dict]:
            tagged = [
                c for c in notebook["cells"]
                if c["cell_type"] == "code" and tag[kind] in c["metadata"].get("tags", [])
            ]  # fmt: skip
            return {f"q{i}": cell for i, cell in enumerate(tagged, start=1)}

        taken = solved if self.start == "solved" else stubs
        cells, empty = own(taken, self.start), own(stubs, "stubs")
        assert len(cells) == len(empty) == 5
        for question, code in self.answers.items():
            cells[question]["source"] = code or empty[question]["source"]
        for place, code in ((0, self.first), (len(taken["cells"]), self.last)):
            if code:
                cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": code}
                taken["cells"].insert(place, {**cell, "execution_count": None, "id": f"x{place}"})
        target.write_text(json.dumps(taken), encoding="utf-8")


FULL = {
    S1: (4, 6, 4, 3, 3), S2: (6, 5, 3, 4, 2), S3: (3, 4, 3, 4, 6), S4: (4, 3, 4, 5, 4)
}  # fmt: skip
NONE = (0, 0, 0, 0, 0)

DEAL = """
def deal(species, photographer, n_way, k_shot, k_query, generator):
    def mixed(values):
        return values[torch.randperm(len(values){dice})]
    chosen = mixed(species.unique())[:n_way]
    {order}
    support, query = [], []
    for one in chosen:
        rows = mixed(torch.nonzero(species == one).flatten())
        while True:
            some, others = rows[:k_shot], rows[k_shot:]
            apart = ~torch.isin(photographer[others], photographer[some])
            {leak}
            if apart.sum() >= k_query:
                break
            rows = mixed(rows)
        support.append(some)
        query.append(others[apart][:k_query])
    labels = torch.arange(n_way)
    return (torch.cat(support), labels.repeat_interleave(k_shot),
            torch.cat(query), labels.repeat_interleave(k_query))
"""
OWN_DICE = ", generator=generator"

META = """
def meta_gradient(loss_fn, params, tasks, inner_lr, inner_steps, first_order=False):
    total = 0.0
    for x_s, y_s, x_q, y_q in tasks:
        moved = params
        for _ in range(inner_steps):
            slopes = grad(loss_fn(moved, x_s, y_s), list(moved.values()), create_graph={graph})
            moved = {{n: p - inner_lr * g for (n, p), g in zip(moved.items(), slopes)}}
        total = total + loss_fn(moved, x_q, y_q)
    return dict(zip(params, grad(total{mean}, list(params.values()))))
"""

ILL = """
def ill(program):
    theta, tasks = fresh(a=0.6, b=1.1), [wave(91){more}]
    how = bent, theta, tasks, 0.1, {steps}
    a, b = program(*how), meta_gradient(*how)
    return any(abs(float(a[n]) - float(b[n])) > 1e-6 for n in a)
"""

HONEST = [
    *(MadeUp("all solved", name, 1001 + i, FULL[name]) for i, name in enumerate(FULL)),
    *(MadeUp("as handed out", name, 1005 + i, NONE, "stubs") for i, name in enumerate(FULL)),
    MadeUp("half done", S1, 1009, (4, 6, 0, 0, 0), answers={"q3": "", "q4": "", "q5": ""}),
    MadeUp(
        "keeps one of the doubtful", S1, 1010, (1, 6, 4, 3, 3), answers={"q1": '''
def keep(x, species):
    met, kept = set(), []
    for row, one in enumerate(map(tuple, x.tolist())):
        if one not in met:
            kept.append(row)
        met.add(one)
    return kept
'''},
    ),
    MadeUp(
        "photographers on both sides", S1, 1011, (4, 4, 4, 3, 3),
        answers={"q2": DEAL.format(dice=OWN_DICE, order="", leak="apart[:] = True")},
    ),
    MadeUp(
        "labels in the order of the species", S1, 1012, (4, 5, 4, 3, 3),
        answers={"q2": DEAL.format(dice=OWN_DICE, order="chosen = chosen.sort().values", leak="")},
    ),
    MadeUp(
        "dice of its own", S1, 1013, (4, 5, 4, 3, 3),
        answers={"q2": DEAL.format(dice="", order="", leak="")},
    ),
    MadeUp(
        "uses its own N_WAY and not the argument", S1, 1014, (4, 5, 4, 3, 3),
        answers={"q2": DEAL.format(dice=OWN_DICE, order="n_way = N_WAY", leak="").replace(
            "[:n_way]", "[:N_WAY]")},
    ),
    MadeUp(
        "late binding: all samplers deal from the last part", S1, 1015, (4, 6, 2, 3, 3),
        answers={"q3": '''
def samplers(parts, deal_one, seed):
    made = {}
    for name, some in parts.items():
        if name == "train":
            dice = torch.Generator().manual_seed(seed)
            made[name] = lambda n: [deal_one(list(some), dice) for _ in range(n)]
        else:
            def again(n):
                own = torch.Generator().manual_seed(seed + 1)
                return [deal_one(list(some), own) for _ in range(n)]
            made[name] = again
    return made
'''},
    ),
    MadeUp(
        "first order where exact is asked", S2, 1016, (6, 1, 3, 4, 2),
        answers={"q2": META.format(graph="False", mean=" / len(tasks)")},
    ),
    MadeUp(
        "sum over the tasks", S2, 1017, (6, 1, 3, 4, 2),
        answers={"q2": META.format(graph="not first_order", mean="")},
    ),
    MadeUp(
        "differences to one side", S2, 1018, (6, 5, 1, 4, 2), answers={"q3": '''
def numeric(objective, params, eps=1e-4):
    still, found = {n: p.detach().clone() for n, p in params.items()}, {}
    for name, p in still.items():
        slopes = torch.zeros_like(p)
        for i in range(p.numel()):
            other = p.clone()
            other.view(-1)[i] += eps
            here = objective(still)
            slopes.view(-1)[i] = (float(objective({**still, name: other})) - float(here)) / eps
        found[name] = slopes
    return found
'''},
    ),
    MadeUp(
        "late binding: every loss is that of the last task", S2, 1019, (6, 5, 3, 4, 0),
        answers={"q5": '''
def losses_after(loss_fn, tasks, inner_lr):
    made = []
    for x_s, y_s, x_q, y_q in tasks:
        def loss(params):
            slopes = grad(loss_fn(params, x_s, y_s), list(params.values()))
            moved = {n: p - inner_lr * g for (n, p), g in zip(params.items(), slopes)}
            return loss_fn(moved, x_q, y_q).item()
        made.append(loss)
    return made
'''},
    ),
    MadeUp(
        "uses the package instead", S2, 1020, (6, 0, 3, 4, 2), answers={"q2": '''
from maml_tutorial import maml_loss
def meta_gradient(loss_fn, params, tasks, inner_lr, inner_steps, first_order=False):
    return maml_loss(loss_fn, params, tasks, inner_lr=inner_lr)
'''},
    ),
    MadeUp(
        "first order and exact swapped", S2, 1021, (2, 5, 3, 4, 2),
        last="first_order, exact = exact, first_order",
    ),
    MadeUp(
        "found, not mended (its bug is the sum), no test", S3, 1017, (3, 3, 3, 4, 0),
        answers={"q2": "meta_gradient = program_a", "q5": ""},
    ),
    MadeUp(
        "accuses everybody", S3, 1023, (3, 4, 3, 4, 0),
        answers={"q5": "def ill(program):\n    return True"},
    ),
    MadeUp(
        "tests with one task and one step (its bug is the support)", S3, 1013, (3, 4, 3, 4, 4),
        answers={"q5": ILL.format(more="", steps=1)},
    ),
    MadeUp(
        "late binding: every learner has the last k", S4, 1025, (4, 0, 4, 5, 4), answers={"q2": '''
def learners(ks, method):
    made = {}
    for k in ks:
        made[k] = lambda a, b, c: method(a, b, c, k)
    return made
'''},
    ),
    MadeUp(
        "no Bonferroni", S4, 1026, (4, 3, 4, 3, 4), answers={"q4": '''
def better(marks, reference, level=0.95):
    z = NormalDist().inv_cdf(1 - (1 - level) / 2)
    gaps = {n: m.double() - marks[reference].double() for n, m in marks.items() if n != reference}
    return sorted(n for n, g in gaps.items() if g.mean() > z * g.std() / math.sqrt(len(g)))
'''},
    ),
    MadeUp(
        "an interval for tasks and not for families", S4, 1027, (4, 3, 0, 5, 3),
        answers={"q3": '''
def over_families(gaps, families, t):
    return gaps.mean().item(), (t * gaps.std() / math.sqrt(len(gaps))).item()
'''},
    ),
]  # fmt: skip

FOREVER = """
import signal
for n in (signal.SIGALRM, signal.SIGPROF):
    signal.signal(n, signal.SIG_IGN)
while True:
    pass
"""
FORK = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
LOOK = """
import os
found = []
for top, _, files in os.walk("/"):
    for file in files:
        path = os.path.join(top, file)
        if "assignments" in path or file.startswith("ps1_") or "marking_scheme" in file:
            found.append(path)
            exec(open(path).read())
"""
FORGE = """
import json, os, struct
lie = json.dumps({"said": {"result": {"tensor": 1}, "after": []}, "turn": 5, "score": 20}).encode()
for fd in range(3, 64):
    try:
        os.write(fd, struct.pack("!I", len(lie)) + lie)
    except OSError:
        pass
"""
WRITE = """
import os
for folder in (".", "/", "/tmp", "/home", "..", "/work", "/root", os.path.expanduser("~")):
    for name in ("marks.csv", "results.json", "ps1_sampler.json"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write('{"score": 20, "total": 20, "q1": 4, "passed": true}')
        except OSError:
            pass
print("20 of 20")
print('{"score": 20}')
"""
PATCH = '''
import builtins, gc, sys
import torch
class Right:
    """Equal to everything."""
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
    def __abs__(self): return 0
    def __float__(self): return 0.0
    def __len__(self): return 2
    def __iter__(self): return iter((self, self))
    def __call__(self, *a, **k): return self
    def tolist(self): return self
builtins.all = builtins.any = lambda *a: True
builtins.abs = lambda *a: 0
torch.allclose = torch.equal = lambda *a, **k: True
for thing in gc.get_objects():
    if type(thing).__name__ in ("ExceptionTestFile", "TestCaseResult", "test_case"):
        thing.passed, thing.points = True, 20
frame = sys._getframe()
while frame:
    frame.f_locals.pop("message", None)
    frame = frame.f_back
keep = deal = samplers = leak_chance = honest = my_chance = my_honest = Right()
'''

MALICIOUS = [
    MadeUp("no notebook at all", S1, 1030, NONE, notebook="{]"),
    MadeUp("raises in a cell", S1, 1031, (4, 6, 4, 0, 3), answers={"q4": "1 / 0"}),
    MadeUp("cannot be parsed", S1, 1032, (4, 6, 4, 0, 3), answers={"q4": "def leak_chance(:"}),
    MadeUp("an endless cell", S1, 1033, (4, 6, 0, 3, 3), answers={"q3": "while True:\n    pass"}),
    MadeUp("an endless cell that will not be stopped", S1, 1034, (4, 6, 0, 3, 3),
           answers={"q3": FOREVER}),
    MadeUp("an endless function", S1, 1035, (0, 6, 4, 3, 3),
           answers={"q1": "def keep(x, species):\n    while True:\n        pass"}),
    MadeUp("kills its process in a function", S1, 1036, (4, 0, 4, 3, 3),
           answers={"q2": "def deal(*args):\n    import os\n    os._exit(0)"}),
    MadeUp("leaves with exit status 0", S1, 1037, (4, 6, 4, 3, 0),
           answers={"q5": "import os\nos._exit(0)"}),
    MadeUp("calls sys.exit(0) first", S1, 1038, FULL[S1], first="import sys\nsys.exit(0)"),
    MadeUp("deletes all files it can", S1, 1039, NONE, "stubs",
           first='import shutil\nshutil.rmtree("/", ignore_errors=True)'),
    MadeUp("prints its marks and writes files of results", S1, 1040, NONE, "stubs", last=WRITE),
    MadeUp("looks for tests and solutions", S1, 1041, NONE, "stubs", last=LOOK),
    MadeUp("forges answers on every channel", S1, 1042, NONE, "stubs", last=FORGE),
    MadeUp("patches whatever it finds, and is equal to everything", S1, 1043, NONE, "stubs",
           last=PATCH),
    MadeUp("forks without end", S1, 1044, (4, 6, 0, 3, 3), answers={"q3": FORK}),
    MadeUp("fills memory", S1, 1045, (4, 6, 0, 3, 3), answers={
        "q3": "held = []\nwhile True:\n    held.append(bytearray(2**26))"}),
    MadeUp("fills the disk", S1, 1046, FULL[S1], first=(
        'import os\nfor i in range(99):\n    with open(os.path.expanduser(f"~/{i}"), "wb") as f:\n'
        "        f.write(bytes(2**22))")),
    MadeUp("asks the network", S1, 1047, (4, 6, 4, 3, 0), answers={
        "q5": 'import urllib.request\nurllib.request.urlopen("https://pypi.org", timeout=3)'}),
]  # fmt: skip
