"""The recipes of chapter 12: the notebook's own functions, with good input and with bad."""

import ast
import math

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, mse_loss

from maml_tutorial import (
    MLP,
    EpisodeSampler,
    SinusoidTasks,
    Task,
    evaluate,
    init_params,
    make_loss,
    make_predict,
    maml,
    maml_loss,
)
from tools.notebooks import find_notebooks, has_tag, read
from tools.notebooks.page import tree

PAGE = next(path for path in find_notebooks() if path.stem == "12_your_own_data")
KEPT_OUT = ("KEPT", "FOLDER")  # the notebook's temporary folder


def recipes() -> dict[str, object]:
    """Imports, constants in capitals and definitions of the page, made without its training."""
    body = [
        statement
        for cell in read(PAGE).cells
        if cell.cell_type == "code" and not ({"exercise", "remove-cell"} & set(_tags(cell)))
        for statement in tree(cell).body
        if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
        or (isinstance(statement, ast.Assign) and _constant(statement))
    ]
    scope: dict[str, object] = {"__name__": "notebook"}
    exec(compile(ast.Module(body, []), PAGE.name, "exec"), scope)  # noqa: S102
    return scope


def _tags(cell):
    return [tag for tag in ("exercise", "remove-cell") if has_tag(cell, tag)]


def _constant(statement):
    names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return bool(names) and all(name.isupper() and name not in KEPT_OUT for name in names)


HAVE = recipes()
GroupTasks, KS = HAVE["GroupTasks"], HAVE["KS"]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def score_of(net, loss, sampler, metric, **options):
    learner = maml(make_loss(net, loss), inner_lr=0.1, **options)
    params = init_params(net, seed=0)
    return evaluate(
        learner, make_predict(net), metric, params, sampler, inner_steps=(1,), n_tasks=2,
        generator=rng(),
    ).query[1]  # fmt: skip


# --- groups ---------------------------------------------------------------------------------


def groups(*sizes):
    return {
        f"G{i}": (torch.full((n, 2), float(i)), torch.arange(n)[:, None].float())
        for i, n in enumerate(sizes)
    }


def test_a_task_is_one_group_and_no_row_is_in_both_halves():
    tasks = GroupTasks(groups(7, 9, 15), k_shot=3, k_query=4)(30, rng())
    assert tasks.x_support.shape == (30, 3, 2) and tasks.y_query.shape == (30, 4, 1)
    for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
        assert len({*x_s.flatten().tolist(), *x_q.flatten().tolist()}) == 1
        assert len({*y_s.flatten().tolist(), *y_q.flatten().tolist()}) == 7


def test_within_a_call_every_group_comes_once_before_any_comes_twice():
    sample, generator = GroupTasks(groups(*[8] * 5), k_shot=3, k_query=4), rng()
    for _ in range(3):  # a call begins anew: the same generator, the same tasks
        drawn = sample(10, generator).x_support[:, 0, 0].tolist()
        assert sorted(drawn[:5]) == sorted(drawn[5:]) == [0, 1, 2, 3, 4]
    short = sample(2, generator).x_support[:, 0, 0].tolist()
    assert len(set(short)) == 2
    torch.testing.assert_close(sample(7, rng(3)), sample(7, rng(3)), rtol=0, atol=0)


def test_a_group_with_gaps_is_named():
    for part in (0, 1):
        some = groups(7, 8)
        some["G1"][part][3, 0] = math.nan
        with pytest.raises(ValueError, match="G1 has gaps"):
            GroupTasks(some, k_shot=3, k_query=4)


def test_a_group_too_small_is_named():
    with pytest.raises(ValueError, match=r"G1 has 6 rows, and a task needs 3 \+ 4"):
        GroupTasks(groups(7, 6), k_shot=3, k_query=4)


# --- pictures -------------------------------------------------------------------------------


def pictures(folder, sizes):
    for i, n in enumerate(sizes):
        (folder / f"c{i}").mkdir(parents=True)
        for j in range(n):
            Image.new("RGB", (40, 30), (40 * i, 5 * j, 90)).save(folder / f"c{i}" / f"{j}.png")
    return folder


def test_a_folder_with_classes_of_unequal_size_becomes_tasks(tmp_path):
    sample = HAVE["picture_tasks"](pictures(tmp_path, (5, 6, 9)), n_way=3, k_shot=1, k_query=4)
    assert sample(2, rng()).x_query.shape == (2, 12, 3, 32, 32)


def test_a_folder_that_will_not_do_is_refused(tmp_path):
    folder, picture_tasks = pictures(tmp_path / "a", (5, 5, 5)), HAVE["picture_tasks"]
    with pytest.raises(ValueError, match="n_way = 4, but there are only 3 classes"):
        picture_tasks(folder, n_way=4, k_shot=1, k_query=4)
    with pytest.raises(ValueError, match="a class has only 5 images"):
        picture_tasks(folder, n_way=3, k_shot=2, k_query=4)
    (tmp_path / "b" / "nobody").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="nobody"):
        picture_tasks(tmp_path / "b", n_way=1, k_shot=1, k_query=1)
    with pytest.raises(FileNotFoundError, match="one subfolder a class"):
        picture_tasks(tmp_path / "c", n_way=1, k_shot=1, k_query=1)


# --- pictures read when they are dealt ------------------------------------------------------


def test_pictures_from_disk_are_those_from_memory(tmp_path):
    folder = pictures(tmp_path, (5, 12, 7))
    shots = {"n_way": 3, "k_shot": 2, "k_query": 3}
    lazy = HAVE["FromDisk"](folder, 16, **shots)(3, rng(4))
    whole = HAVE["picture_tasks"](folder, **shots, size=16)(3, rng(4))
    torch.testing.assert_close(lazy, whole, rtol=0, atol=0)


def test_only_the_pictures_that_are_dealt_are_read(tmp_path):
    folder = pictures(tmp_path, (5, 5))
    sample = HAVE["FromDisk"](folder, 16, n_way=2, k_shot=1, k_query=1)
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="png"):
        sample(1, rng())


def test_a_folder_from_disk_that_will_not_do_is_refused(tmp_path):
    FromDisk = HAVE["FromDisk"]
    with pytest.raises(ValueError, match="a class has only 2 images"):
        FromDisk(pictures(tmp_path / "a", (5, 2)), 16, n_way=2, k_shot=1, k_query=2)
    with pytest.raises(FileNotFoundError):
        FromDisk(tmp_path / "b", 16, n_way=2, k_shot=1, k_query=2)
    (tmp_path / "a" / "c0" / "0.png").write_text("no picture")
    with pytest.raises(OSError, match="cannot identify image"):
        FromDisk(tmp_path / "a", 16, n_way=2, k_shot=1, k_query=1)(20, rng())


# --- tables ---------------------------------------------------------------------------------


def read_text(path, text, by="who", columns=("a", "b")):
    path.write_text(text)
    return HAVE["read_rows"](path, by, columns)


def test_a_table_becomes_rows_in_the_order_of_the_columns(tmp_path):
    found = read_text(tmp_path / "t.csv", "b,who,a\n2,Ada,3\n5,Bo,6\n8,Ada,9\n")
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "ada": [[3, 2], [9, 8]],
        "bo": [[6, 5]],
    }


def test_labels_that_differ_in_blanks_and_capitals_are_one(tmp_path):
    assert len(read_text(tmp_path / "t.csv", "who,a,b\nAda,1,2\n ada ,1,2\n")["ada"]) == 2


@pytest.mark.parametrize("gap", ["NaN", "", " ", "n/a", "N/A", "?"])
def test_a_gap_is_kept_as_one(tmp_path, gap):
    found = read_text(tmp_path / "t.csv", f"who,a,b\nAda,1,{gap}\n")["ada"]
    assert found[0, 0] == 1 and found[0, 1].isnan()


@pytest.mark.parametrize("text", ["high", "inf", "-inf", "1,5", "3 kg"])
def test_what_is_neither_number_nor_gap_is_named_with_its_line(tmp_path, text):
    with pytest.raises(ValueError, match=rf"line 3: b is '{text}': neither number nor gap"):
        read_text(tmp_path / "t.csv", f'who,a,b\nAda,1,2\nBo,1,"{text}"\n')


@pytest.mark.parametrize("text", ["who,a\nAda,1\n", ""])
def test_a_column_that_is_not_there_is_named(tmp_path, text):
    there = r"'b'; found: \['who', 'a'\]|'who'; found: \[\]"
    with pytest.raises(ValueError, match=f"no column ({there})"):
        read_text(tmp_path / "t.csv", text)


@pytest.mark.parametrize("line", [" ,1,2", ",1,2"])
def test_a_row_without_a_label_is_named(tmp_path, line):
    with pytest.raises(ValueError, match="line 2 has no who"):
        read_text(tmp_path / "t.csv", f"who,a,b\n{line}\n")


def test_a_line_that_ends_early_is_named(tmp_path):
    with pytest.raises(ValueError, match="line 2: b is None"):
        read_text(tmp_path / "t.csv", "who,a,b\nAda,1\n")
    with pytest.raises(ValueError, match="line 2 has no who"):
        read_text(tmp_path / "t.csv", "a,b,who\n1,2\n")


def test_scale_and_filling_come_from_the_rows_given_and_from_no_others():
    train = [torch.tensor([[1.0, 10.0], [3.0, math.nan]]), torch.tensor([[5.0, 30.0]])]
    scale = HAVE["learn_scale"](train)
    whole = HAVE["ready"](torch.cat(train), scale)
    assert whole.isfinite().all()
    torch.testing.assert_close(whole.mean(dim=0), torch.zeros(2))
    torch.testing.assert_close(whole.std(dim=0), torch.ones(2))
    alone = HAVE["ready"](torch.tensor([[100.0, math.nan]]), scale)
    torch.testing.assert_close(alone[0, 0], torch.tensor(97.0 / 2))
    assert -1 < alone[0, 1] < 0  # the lower of the two known values is the median


def test_columns_that_never_change_or_are_empty():
    same = torch.tensor([[1.0, 2.0], [1.0, 3.0]])
    assert HAVE["ready"](same, HAVE["learn_scale"]([same])).isfinite().all()
    with pytest.raises(ValueError, match="empty in training"):
        HAVE["learn_scale"]([torch.tensor([[math.nan, 2.0], [math.nan, 3.0]])])


def test_the_messy_table_has_what_the_page_says_of_it(tmp_path):
    HAVE["save_seeds"](tmp_path / "seeds.csv", seed=1)
    text = (tmp_path / "seeds.csv").read_text()
    assert "n/a" in text and ",," in text
    rows = HAVE["read_rows"](tmp_path / "seeds.csv", "sort", HAVE["MEASURED"])
    sizes = {len(some) for some in rows.values()}
    assert len(rows) == 120 and min(sizes) < 6 and max(sizes) > 20


# --- free answers ---------------------------------------------------------------------------


def test_a_free_answer_is_scored_on_the_tasks_that_the_judge_deals():
    dealt = []

    def sampler(n_tasks, generator):
        dealt.append(SinusoidTasks(5, 6)(n_tasks, generator))
        return dealt[-1]

    net = MLP()
    learner = maml(make_loss(net, mse_loss), inner_lr=0.01)
    HAVE["judge"](learner, net, HAVE["squared_error"], init_params(net, seed=0), sampler)
    found = HAVE["free"](sampler, lambda task: torch.zeros_like(task.y_query))
    torch.testing.assert_close(*dealt, rtol=0, atol=0)
    assert found.mean == pytest.approx(dealt[0].y_query.square().mean().item(), rel=1e-5)


def test_ridge_is_a_line_and_a_larger_penalty_a_flatter_one():
    x = torch.randn(2, 8, 3, generator=rng(), dtype=torch.float64).float()
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 4
    task = Task(x[:, :6], y[:, :6], x[:, 6:], y[:, 6:])
    torch.testing.assert_close(HAVE["ridge"](task, 1e-6), task.y_query, rtol=1e-3, atol=1e-3)
    assert HAVE["ridge"](task, 1e6).abs().max() < 0.1


def test_the_nearest_mean_is_that_of_the_class():
    x = torch.tensor([[[0.0], [2.0], [10.0], [12.0]]])
    task = Task(x, torch.tensor([[1, 1, 0, 0]]), torch.tensor([[[5.9], [6.1]]]), torch.zeros(1, 2))
    assert HAVE["nearest_mean"](task).tolist() == [[1, 0]]
    assert HAVE["nearest_mean"](task, lambda x: -(x**2)).tolist() == [[1, 1]]
    once = task._replace(y_support=torch.ones(1, 4, dtype=torch.long))  # no example of class 0
    assert HAVE["nearest_mean"](once).isfinite().all()


# --- signals --------------------------------------------------------------------------------


def test_signals_become_classes_each_signal_on_its_own_scale():
    signals, labels = HAVE["invent_signals"](5, 6, seed=0)
    classes = HAVE["signal_classes"](3 + 10 * signals, labels)
    assert len(classes) == 5 and classes[0].shape == (6, 1, 1, 64)
    assert classes[0].mean(dim=-1).abs().max() < 1e-5
    sampler = EpisodeSampler(classes, n_way=5, k_shot=1, k_query=5)
    found = score_of(HAVE["SignalNet"](5), cross_entropy, sampler, HAVE["correct"])
    assert 0 <= found.mean <= 1


def test_signals_of_another_shape_or_with_gaps_are_refused():
    signals, labels = HAVE["invent_signals"](5, 6, seed=0)
    with pytest.raises(ValueError, match=r"got \(30, 64\): one channel is signals\[:, None\]"):
        HAVE["signal_classes"](signals[:, 0], labels)
    signals[7, 0, 3] = math.nan
    with pytest.raises(ValueError, match=r"signal 7 \(class 1\) has gaps"):
        HAVE["signal_classes"](signals, labels)


# --- text -----------------------------------------------------------------------------------


def test_sentences_become_ids_and_an_unknown_word_is_named():
    encode = HAVE["encode"]
    assert encode(["a b", "b b"], ["b", "a"]).tolist() == [[1, 0], [0, 0]]
    with pytest.raises(ValueError, match="sentence 1: 'c' is not among the 2 known words"):
        encode(["a b", "b c"], ["a", "b"])


def test_sequences_of_unequal_length_are_named():
    with pytest.raises(ValueError, match="sequence 2 has length 1, sequence 0 has 2"):
        HAVE["one_tensor"]([[1, 2], [3, 4], [5]])
    with pytest.raises(ValueError, match="sequence 1 has length 1"):
        HAVE["encode"](["a b", "b"], ["a", "b"])


def test_a_liked_sentence_holds_six_words_of_the_taste_and_a_disliked_one_two():
    tastes = HAVE["TASTES"][40:43]
    readers = HAVE["invent_readers"](tastes, seed=0)
    for taste, (sentences, liked) in zip(tastes, readers.values(), strict=True):
        topics = HAVE["encode"](sentences, HAVE["VOCABULARY"]) // 4
        of_taste = torch.isin(topics, torch.tensor(taste)).sum(dim=1)
        assert of_taste.tolist() == [6 if like else 2 for like in liked]


def test_no_taste_is_met_in_training_and_asked_in_the_test():
    assert sorted(HAVE["MIXED"]) == list(range(252)) == list(range(len(HAVE["TASTES"])))
    assert len(set(HAVE["TASTES"])) == 252


def test_the_transformer_s_exact_gradient_is_that_of_the_loop():
    net = HAVE["TextNet"](n_words=40, length=8).double()
    loss_fn, params = make_loss(net, cross_entropy), init_params(net, seed=0)
    tasks = HAVE["reader_tasks"](HAVE["invent_readers"](HAVE["TASTES"][:3], seed=0))(3, rng())
    found = []
    with sdpa_kernel(SDPBackend.MATH):
        for vectorised in (True, False):
            loss = maml_loss(loss_fn, params, tasks, inner_lr=0.4, vectorised=vectorised)
            found.append(torch.autograd.grad(loss, list(params.values())))
    torch.testing.assert_close(found[0], found[1])


# --- sequences ------------------------------------------------------------------------------


def test_the_gru_needs_the_loop_and_learns_in_it():
    sampler = GroupTasks(HAVE["invent_tanks"](4, seed=0), **KS)
    net = HAVE["SequenceNet"]()
    found = score_of(net, mse_loss, sampler, HAVE["squared_error"], vectorised=False)
    assert math.isfinite(found.mean)
    with pytest.raises(ValueError, match="pass vectorised=False"):
        score_of(net, mse_loss, sampler, HAVE["squared_error"])


# --- frozen ---------------------------------------------------------------------------------


def test_a_backbone_is_asked_once_for_each_picture():
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    classes = [torch.randint(256, (n, 3, 2, 2), dtype=torch.uint8) for n in (2, 3)]
    rows = HAVE["embed_once"](backbone, classes)
    assert [r.shape for r in rows] == [(2, 4), (3, 4)]
    torch.testing.assert_close(rows[1], backbone(classes[1] / 255).detach())


def test_a_backbone_that_looks_at_the_batch_is_refused():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4, momentum=0.5))
    classes = [torch.randint(256, (4, 3, 2, 2), dtype=torch.uint8)]
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        HAVE["embed_once"](backbone, classes)
    assert HAVE["embed_once"](backbone.eval(), classes)[0].shape == (4, 4)
