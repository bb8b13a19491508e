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
    EpisodeSampler,
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


def test_every_group_comes_once_before_any_comes_twice():
    tasks = GroupTasks(groups(*[8] * 5), k_shot=3, k_query=4)(10, rng())
    drawn = tasks.x_support[:, 0, 0].tolist()
    assert sorted(drawn[:5]) == sorted(drawn[5:]) == [0, 1, 2, 3, 4]


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


# --- tables ---------------------------------------------------------------------------------

TABLE = {"group": "who", "inputs": ["a", "b"], "target": "t"}


def test_a_table_becomes_groups_in_the_order_of_its_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("t,who,b,a\n1,Ada,2,3\n4,Bo,5,6\n7,Ada,8,9\n")
    found = HAVE["read_groups"](path, **TABLE)
    assert list(found) == ["Ada", "Bo"]
    assert found["Ada"][0].tolist() == [[3, 2], [9, 8]] and found["Ada"][1].tolist() == [[1], [7]]


@pytest.mark.parametrize("gap", ["NaN", "", "inf", "high"])
def test_a_gap_in_a_table_is_named_with_its_line(tmp_path, gap):
    path = tmp_path / "t.csv"
    path.write_text(f"who,a,b,t\nAda,1,2,3\nBo,1,{gap},3\n")
    with pytest.raises(ValueError, match=rf"line 3 \(who Bo\): b is '{gap}', and no number"):
        HAVE["read_groups"](path, **TABLE)


@pytest.mark.parametrize("text", ["who,a,t\nAda,1,2\n", ""])
def test_a_column_that_is_not_there_is_named(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    there = r"'b'; found: \['who', 'a', 't'\]|'a'; found: \[\]"
    with pytest.raises(ValueError, match=f"no column ({there})"):
        HAVE["read_groups"](path, **TABLE)


def test_a_line_that_ends_early_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("who,a,b,t\nAda,1,2\n")
    with pytest.raises(ValueError, match="line 2 .* t is None"):
        HAVE["read_groups"](path, **TABLE)


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


def test_a_liked_sentence_holds_three_words_of_the_topic_and_a_disliked_one_none():
    for sentences, liked in HAVE["invent_readers"](3, seed=0).values():
        ids = HAVE["encode"](sentences, HAVE["VOCABULARY"]) // 5
        counts = torch.stack([(ids == topic).sum(dim=1) for topic in range(8)])
        fits = [(c[liked == 1] == 3).all() and (c[liked == 0] == 0).all() for c in counts]
        assert sum(map(bool, fits)) == 1


def test_the_transformer_s_exact_gradient_is_that_of_the_loop():
    net = HAVE["TextNet"](n_words=40, length=8).double()
    loss_fn, params = make_loss(net, cross_entropy), init_params(net, seed=0)
    tasks = HAVE["reader_tasks"](HAVE["invent_readers"](3, seed=0))(3, rng())
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
    assert [r.shape for r in rows] == [(2, 4, 1, 1), (3, 4, 1, 1)]
    torch.testing.assert_close(rows[1][:, :, 0, 0], backbone(classes[1] / 255).detach())


def test_a_backbone_that_looks_at_the_batch_is_refused():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4, momentum=0.5))
    classes = [torch.randint(256, (4, 3, 2, 2), dtype=torch.uint8)]
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        HAVE["embed_once"](backbone, classes)
    assert HAVE["embed_once"](backbone.eval(), classes)[0].shape == (4, 4, 1, 1)
