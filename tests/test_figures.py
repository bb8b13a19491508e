"""The moving figures' Python half: what is put into a page, and what bad input is told."""

import base64
import io
import json
import re

import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image

from benchmarks import navigation_policies
from maml_tutorial import (
    MLP,
    EpisodeSampler,
    GaussianPolicy,
    init_params,
    load_benchmark,
    load_creatures,
    load_glyphs,
    load_weights,
)
from maml_tutorial import figures as f
from maml_tutorial.figures.page import (
    FOLDER,
    modules_of,
    pack_colours,
    pack_images,
    pack_short,
    page,
    script,
)
from maml_tutorial.figures.traits import traits
from maml_tutorial.figures.who_pulls import TASKS, ends
from maml_tutorial.plots import COLOURS, show
from tools.notebooks import find_notebooks, read
from tools.refresh_figures import refreshed

SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.js"))
AXIS = torch.linspace(0, 3, 4)


@pytest.fixture
def still():
    return show(plt.figure(), alt="A drawing.")


def data_of(figure):
    text = re.search(r'<script type="application/json">(.*?)</script>', figure.html, re.DOTALL)[1]
    return json.loads(text)


def committed():
    """(chapter, html) of every figure in the notebooks."""
    for path in find_notebooks():
        for cell in read(path).cells:
            for output in cell.get("outputs", []):
                if "maml-figure" in (html := output.get("data", {}).get("text/html", "")):
                    yield path.stem[:2], html


COMMITTED = list(committed())
PLACES = {
    "drag_points": {"01"},
    "one_shot_game": {"01"},
    "your_score": {"02", "08"},
    "drag_theta": {"04"},
    "m_steps_landscape": {"04"},
    "meta_gradient": {"06"},
    "sine_adapt": {"07"},
    "letter_adapt": {"08"},
    "who_pulls": {"09"},
    "find_the_goal": {"13"},
}


def test_each_figure_stands_in_its_chapter():
    found = {name: set() for name in PLACES}
    for chapter, html in COMMITTED:
        found[re.search(r'data-figure="(\w+)"', html)[1]].add(chapter)
    assert found == PLACES


@pytest.mark.parametrize(("chapter", "html"), COMMITTED, ids=[c for c, _ in COMMITTED])
def test_a_committed_figure_has_the_present_script(chapter, html):
    assert html == refreshed(html), "run `python -m tools.refresh_figures`"


def test_an_outdated_script_would_be_seen():
    html = COMMITTED[0][1]
    assert refreshed(html.replace("const SVG", "const OLD_SVG")) == html


@pytest.mark.parametrize(("chapter", "html"), COMMITTED, ids=[c for c, _ in COMMITTED])
def test_a_figure_needs_nothing_from_elsewhere(chapter, html):
    addresses = set(re.findall(r"https?://[\w./-]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"\bsrc=|\bimport\b[^}]*from|@import", re.sub(r"data:[^\"']+", "", html))


def test_no_name_is_declared_twice_where_modules_are_put_together():
    declared = r"^(?:export )?(?:const|let|function|class) (\w+)"
    for name in SCRIPTS:
        names = re.findall(declared, script(name), re.MULTILINE)
        assert sorted(set(names)) == sorted(names), name


def test_every_script_belongs_to_a_figure():
    assert {m for name in PLACES for m in modules_of(name)} == set(SCRIPTS)


def test_what_a_script_imports_is_exported_there():
    for name in SCRIPTS:
        source = (FOLDER / f"{name}.js").read_text("utf-8")
        for names, module in re.findall(r'import \{([^}]*)\} from "\./(\w+)\.js"', source):
            exported = re.findall(
                r"^export (?:const|function|class) (\w+)",
                (FOLDER / f"{module}.js").read_text("utf-8"),
                re.MULTILINE,
            )
            assert {n.strip() for n in names.split(",")} <= set(exported), (name, module)


def test_the_palette_is_that_of_the_plots(still):
    html = f.meta_gradient(theta=0, inner_lr=0.1, support=(1, 2), query=(2, 2), still=still).html
    assert all(f"--mf-{name}:{value};" in html for name, value in COLOURS.items())


def test_a_text_that_would_end_the_script_is_made_harmless(still):
    html = page("kit", {"name": "</script><b>"}, label="x", still=still).html
    assert "</script><b>" not in html and data_of(page("kit", {"n": "</"}, label="x", still=still))


def test_two_figures_of_one_page_share_no_id():
    """Ids are checked on the built site too; here on the stills, where they come from."""
    figures = [html for _, html in COMMITTED]
    ids = [i for html in figures for i in re.findall(r'\bid="([^"]+)"', html)]
    assert len(ids) == len(set(ids))


def test_packed_numbers_come_back():
    values = torch.rand(3, 5) * 7 - 2
    packed = pack_short(values)
    steps = torch.frombuffer(bytearray(base64.b64decode(packed["u16"])), dtype=torch.uint16)
    back = packed["low"] + (packed["high"] - packed["low"]) / 65535 * steps.float()
    half_a_step = 0.51 * (packed["high"] - packed["low"]) / 65535
    assert torch.allclose(back.view(3, 5), values, rtol=0, atol=half_a_step)
    assert pack_short(torch.ones(2))["u16"] == "AAAAAA=="


def test_packed_images_come_back():
    images = load_glyphs("test").images[:3, :2].flatten(0, 1)
    packed = pack_images(images, columns=4)
    sheet = Image.open(io.BytesIO(base64.b64decode(packed["picture"].split(",")[1]))).convert("L")
    assert sheet.size == (4 * 30, 2 * 30)
    second = (
        torch.frombuffer(bytearray(sheet.crop((31, 1, 59, 29)).tobytes()), dtype=torch.uint8)
        .view(28, 28)
        .int()
    )
    assert (255 - second - images[1, 0]).abs().max() <= 9  # sixteen greys
    fifth = (
        torch.frombuffer(bytearray(sheet.crop((1, 31, 29, 59)).tobytes()), dtype=torch.uint8)
        .view(28, 28)
        .int()
    )
    assert (255 - fifth - images[4, 0]).abs().max() <= 9


def test_animals_come_back_in_their_colours():
    images = load_creatures("test", n_examples=1, size=64).images.flatten(0, 1)[:12]
    packed = pack_colours(images)
    sheet = Image.open(io.BytesIO(base64.b64decode(packed["picture"].split(",")[1])))
    assert sheet.size == (10 * 66, 2 * 66)
    last = torch.tensor(list(sheet.crop((67, 67, 131, 131)).convert("RGB").tobytes()))
    error = last.view(64, 64, 3) - images[11].permute(1, 2, 0).float()
    assert error.square().mean().sqrt() < 12  # another animal is 60 and more away
    other = images[10].permute(1, 2, 0).float()
    assert (last.view(64, 64, 3) - other).square().mean().sqrt() > 30


def test_the_first_rounds_of_the_animals_are_taken_from_the_box(still):
    animals = load_creatures("test", n_examples=2)
    cards, asked = animals.images[None, 5:10, 0], animals.images[7:8, 1]
    letters = load_glyphs("test")
    opening = letters.images[None, :5, 0], letters.images[:1, 1], [0]
    game = f.one_shot_game(
        letters, opening, animals=(animals, (cards, asked, [2])), drawings=2, still=still
    )
    deck = data_of(game)["decks"]["animals"]
    assert deck["opening"] == [{"cards": [10, 12, 14, 16, 18], "query": 15, "answer": 2}]
    assert deck["images"]["count"] == 100 and deck["classes"][7] == [14, 15]
    assert deck["names"][7] == animals.names[7] and deck["traits"][14] == deck["traits"][15] != ""
    with pytest.raises(ValueError, match="first 2 pictures"):
        f.one_shot_game(
            letters, opening, animals=(animals, (255 - cards, asked, [2])), drawings=2, still=still
        )


def test_the_landscape_says_where_it_is_lowest(still):
    landscapes = torch.stack([torch.arange(16.0).view(4, 4), 9 - torch.arange(16.0).view(4, 4)])
    figure = f.m_steps_landscape(landscapes, a_axis=AXIS, b_axis=AXIS, still=still)
    first, second = data_of(figure)["frames"]
    assert (first["best"], first["lowest"], first["fromSquare"]) == ([0, 0], 0, 0)
    assert (second["best"], second["lowest"], second["fromSquare"]) == ([3, 3], -6, 9)


def test_the_letters_are_shown_in_the_order_of_their_labels(still):
    sampler = EpisodeSampler(load_glyphs("test").images, n_way=3, k_shot=1, k_query=1)
    tasks = sampler(2, torch.Generator().manual_seed(0))
    mixed = tasks._replace(x_query=tasks.x_query.flip(1), y_query=tasks.y_query.flip(1))
    answers = torch.rand(2, 4, 3, 3)
    figures = [
        f.letter_adapt(t, {"MAML": a}, {"MAML": torch.ones(2, 4)}, n_way=3, still=still)
        for t, a in ((tasks, answers), (mixed, answers.flip(2)))
    ]
    assert data_of(figures[0]) == data_of(figures[1])


def test_weights_in_another_order_are_the_same_network(still):
    params = init_params(MLP(), seed=0)
    turned = dict(sorted(params.items()))
    assert list(turned) != list(params)
    one, other = (f.sine_adapt({"MAML": p}, inner_lr=0.01, still=still) for p in (params, turned))
    assert one.html == other.html


POLICY = init_params(GaussianPolicy((8, 8)), seed=0)
RATES = {"MAML": (0.1, 0.05)}


def test_a_policy_in_another_order_is_the_same_policy(still):
    turned = dict(sorted(POLICY.items(), reverse=True))
    one, other = (
        f.find_the_goal({"MAML": p}, inner_lr=RATES, still=still) for p in (POLICY, turned)
    )
    assert one.html == other.html


@pytest.mark.parametrize("method", ["exact", "pre-trained"])
def test_the_policies_of_the_page_are_those_of_the_record(method):
    """Where the record was made anew: `python -m benchmarks.navigation_policies`."""
    runs = load_benchmark("navigation")["runs"]
    (kept,) = (run["std"] for run in runs if (run["method"], run["seed"]) == (method, 0))
    std = load_weights(f"navigation-{method}")["log_std"].exp()
    assert std.tolist() == pytest.approx(kept, abs=0.0006)


def test_the_command_keeps_one_policy_of_each_kind(tmp_path, monkeypatch):
    def trained(method, seed):
        assert seed == 0
        return init_params(GaussianPolicy((4,)), seed=len(method))

    monkeypatch.setattr(navigation_policies, "trained", trained)
    monkeypatch.setattr(navigation_policies, "RECORDS", tmp_path)
    navigation_policies.main()
    for method in ("exact", "pre-trained"):
        kept = load_weights(tmp_path / f"navigation-{method}.safetensors")
        assert all(torch.equal(kept[k], p) for k, p in trained(method, 0).items())


def test_the_star_is_put_where_the_plot_has_its_score():
    fig, axis = plt.subplots(figsize=(4, 3))
    axis.plot([2], [0], "o", color="#123456")
    axis.set(xlim=(0, 4), ylim=(0, 100))
    figure = f.your_score(fig, axis, x=2, alt="A plot.")
    drawn = re.search(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: #123456', figure.html)
    place = data_of(figure)["zero"]
    assert place == pytest.approx([float(drawn[1]), float(drawn[2])], abs=0.05)


@pytest.mark.parametrize(("inner_lr", "inner_steps"), [(0.2, 1), (0.05, 3), (0.25, 5)])
def test_the_still_shows_where_the_relatives_end(inner_lr, inner_steps):
    """At the mean of the lowest places, each with the weight that its task's pull has."""
    weights = {"exact": [], "first order": [], "implicit": [], "Reptile": [], "joint": []}
    for h, _ in TASKS.values():
        kept, held = (1 - inner_lr * h) ** inner_steps, 1 / (1 + inner_lr * h)
        shares = h * kept**2, h * kept, h * held**2, 1 - kept, h
        for name, share in zip(weights, shares, strict=True):
            weights[name].append(share)
    wanted = {
        name: sum(w * c for w, (_, c) in zip(share, TASKS.values(), strict=True)) / sum(share)
        for name, share in weights.items()
    }
    assert ends(inner_lr, inner_steps) == pytest.approx(wanted, abs=1e-9)
    alt = f.who_pulls(inner_lr=inner_lr, inner_steps=inner_steps).alt
    for name, end in wanted.items():
        assert f"{name} at {end:.2f}".replace("-", "−") in alt


def test_a_still_of_ones_own_takes_the_place_of_the_ends(still):
    assert f.who_pulls(still=still).alt == "A drawing."


def test_drawings_are_described_by_their_strokes():
    dot_over_line = torch.zeros(28, 28)
    dot_over_line[4:8, 13:16] = 1
    dot_over_line[12:15, 4:24] = 1
    assert traits(dot_over_line) == "two pieces, no loops, wide, more ink low"
    assert traits(dot_over_line[None] * 255) == traits(dot_over_line)
    assert "narrow" in traits(dot_over_line.T)
    from_edge_to_edge = torch.zeros(28, 28)
    from_edge_to_edge[12:15] = 1  # parts the background, and holds none of it
    assert "no loops" in traits(from_edge_to_edge)
    with pytest.raises(ValueError, match="blank"):
        traits(torch.zeros(1, 28, 28))


def test_descriptions_tell_most_letters_apart_and_two_drawings_of_one_mostly_agree():
    """Playable by ear in principle: on five cards the words alone do far better than guessing."""
    tasks = EpisodeSampler(load_glyphs("test").images, n_way=5, k_shot=1, k_query=1)(
        40, torch.Generator().manual_seed(0)
    )
    right = 0
    for x_support, x_query in zip(tasks.x_support, tasks.x_query, strict=True):
        asked = set(traits(x_query[0]).split(", "))
        shared = [len(asked & set(traits(card).split(", "))) for card in x_support]
        right += shared.index(max(shared)) == 0 and shared.count(max(shared)) == 1
    assert right >= 16  # a guesser has 8 of 40


BAD = {
    "points above the plot": (
        lambda s: f.drag_points({}, x=AXIS, y=AXIS + 4, inner_lr=0.01, still=s),
        r"y in −6 … 6, got .* \[4\.0, 5\.0, 6\.0, 7\.0\]",
    ),
    "a point without a height": (
        lambda s: f.drag_points({}, x=AXIS, y=AXIS[1:], inner_lr=0.01, still=s),
        "as many points, got 4 and 3",
    ),
    "another learner's points": (
        lambda s: f.drag_points(
            {"mine": init_params(MLP(), seed=0)}, x=AXIS, y=AXIS, inner_lr=0.01, still=s
        ),
        "unknown learner 'mine'",
    ),
    "another learner": (
        lambda s: f.sine_adapt({"mine": init_params(MLP(), seed=0)}, inner_lr=0.01, still=s),
        "unknown learner 'mine': plots.LEARNERS has MAML",
    ),
    "another alpha": (lambda s: f.sine_adapt({}, inner_lr=0.5, still=s), "got 0.5"),
    "no wave network": (
        lambda s: f.sine_adapt({"MAML": init_params(MLP(n_in=2), seed=0)}, inner_lr=0.01, still=s),
        r"one number, got layers of \[2, 40, 40, 1\]",
    ),
    "two networks": (
        lambda s: f.sine_adapt(
            {
                "MAML": init_params(MLP(), seed=0),
                "pre-trained": init_params(MLP((9,)), seed=0),
            },
            inner_lr=0.01,
            still=s,
        ),
        "one shape",
    ),
    "another grid": (
        lambda s: f.m_steps_landscape(torch.rand(2, 3, 4), a_axis=AXIS, b_axis=AXIS, still=s),
        r"shape \(2, 4, 4\), got \(2, 3, 4\)",
    ),
    "too few surfaces": (
        lambda s: f.drag_theta(
            {"one": (1, 1)},
            torch.rand(2, 4, 4),
            a_axis=AXIS,
            b_axis=AXIS,
            x_support=AXIS,
            x_query=AXIS,
            inner_lr=0.1,
            starts={"a": torch.ones(2)},
            still=s,
        ),
        r"shape \(1, 4, 4\), got \(2, 4, 4\)",
    ),
    "theta outside": (
        lambda s: f.meta_gradient(theta=7, inner_lr=0.1, support=(1, 2), query=(2, 2), still=s),
        "theta must lie between -1 and 2, got 7",
    ),
    "a start beside the plot": (
        lambda s: f.who_pulls(theta=2, still=s),
        "theta must lie between -1.6 and 1.6, got 2",
    ),
    "no pull at all": (lambda s: f.who_pulls(inner_lr=0, still=s), "inner_lr must .* got 0"),
    "too many steps": (lambda s: f.who_pulls(inner_steps=6, still=s), "inner_steps must .* got 6"),
    "a goal out of reach": (
        lambda s: f.find_the_goal({"MAML": POLICY}, inner_lr=RATES, goal=(0.1, 0.8), still=s),
        r"-0\.7 … 0\.7 on each axis, got \(0\.1, 0\.8\)",
    ),
    "a learner without its rates": (
        lambda s: f.find_the_goal(dict.fromkeys(("MAML", "pre-trained"), POLICY), inner_lr=RATES),
        r"for each of \['MAML', 'pre-trained'\], got \{'MAML'",
    ),
    "an update too few": (
        lambda s: f.find_the_goal(
            dict.fromkeys(("MAML", "pre-trained"), POLICY), inner_lr=RATES | {"pre-trained": (0.5,)}
        ),
        "as many updates",
    ),
    "another policy": (
        lambda s: f.find_the_goal({"mine": POLICY}, inner_lr={"mine": (0.1,)}),
        "unknown learner 'mine'",
    ),
    "a network that draws no actions": (
        lambda s: f.find_the_goal({"MAML": init_params(MLP(), seed=0)}, inner_lr=RATES),
        r"must be a GaussianPolicy of the plane, got \{'0.weight': \(40, 1\)",
    ),
    "a policy in space": (
        lambda s: f.find_the_goal(
            {"MAML": init_params(GaussianPolicy(n_in=3, n_out=3), seed=0)}, inner_lr=RATES
        ),
        "GaussianPolicy of the plane",
    ),
    "one drawing": (
        lambda s: f.one_shot_game(load_glyphs("test"), ((), (), ()), drawings=1, still=s),
        "between 2 and 20, got 1",
    ),
    "both places": (
        lambda s: f.your_score(plt.figure(), None, x=1, y=1, alt="x"),
        "x or y, and not both, got x=1 and y=1",
    ),
    "no place": (lambda s: f.your_score(plt.figure(), None, alt="x"), "got x=None and y=None"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_in_the_error(case, still):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call(still)


def test_answers_that_do_not_fit_the_tasks_are_refused(still):
    tasks = EpisodeSampler(torch.rand(6, 3, 1, 28, 28), n_way=2, k_shot=1, k_query=1)(
        3, torch.Generator().manual_seed(0)
    )
    with pytest.raises(ValueError, match=r"got \{'MAML': \(3, 6, 2, 5\)\}"):
        f.letter_adapt(tasks, {"MAML": torch.rand(3, 6, 2, 5)}, {}, n_way=2, still=still)
    with pytest.raises(ValueError, match=r"needs 3 support and query images, got \(2, 2\)"):
        f.letter_adapt(tasks, {"MAML": torch.rand(3, 6, 3, 3)}, {}, n_way=3, still=still)
    with pytest.raises(ValueError, match=r"\(3, 6\) for each of \['MAML'\], got \{\}"):
        f.letter_adapt(tasks, {"MAML": torch.rand(3, 6, 2, 2)}, {}, n_way=2, still=still)


def test_a_still_must_be_a_drawing():
    with pytest.raises(TypeError, match="show"):
        page("kit", {}, label="x", still="<svg/>")
