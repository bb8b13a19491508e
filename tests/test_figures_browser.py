"""The moving figures in Chromium: they answer mouse, finger and keyboard, offline, everywhere."""

import itertools
import json
import math
import random
import re
from collections.abc import Iterator

import pytest
import torch
from book_site import built_book
from figure_hands import Hands, opened
from torch.nn.functional import mse_loss

from maml_tutorial import (
    MLP,
    GaussianPolicy,
    Navigation,
    SinusoidTasks,
    Task,
    acting,
    adapt,
    as_data,
    fomaml,
    imaml,
    init_params,
    joint,
    load_weights,
    make_loss,
    maml,
    over_tasks,
    reinforce,
    reptile,
)
from maml_tutorial import make_predict as predictor
from maml_tutorial.figures import meta_gradient
from maml_tutorial.figures.page import FOLDER, modules_of
from maml_tutorial.params import stacked
from maml_tutorial.plots import show

pytestmark = pytest.mark.browser
CHAPTERS = {
    "drag_points": "01_learning_to_learn",
    "one_shot_game": "01_learning_to_learn",
    "drag_theta": "04_a_good_place_to_start",
    "m_steps_landscape": "04_a_good_place_to_start",
    "meta_gradient": "06_the_outer_loop",
    "sine_adapt": "07_maml_on_sine_waves",
    "letter_adapt": "08_maml_on_images",
    "who_pulls": "09_relatives_of_maml",
    "find_the_goal": "13_learning_to_act",
}
WIDTHS, SCHEMES, ORIGINS = (1280, 375), ("light", "dark"), ("http", "file")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    from page_checks import launched

    with launched(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def site(chromium: str) -> Iterator[dict[str, str]]:
    """Addresses of the built book: from a server, and from the disk."""
    from page_checks import served

    built = built_book()
    assert built.code == 0, built.log[-3000:]
    with served(built.html) as address:
        yield {"http": f"{address}/book/", "file": f"{built.html.as_uri()}/book/"}


def seconds(text: str) -> list[float]:
    """The second number of each pair "a → b"."""
    return [float(n) for n in re.findall(r"→ ([\d.]+)", text)]


def lands(hands, act, selector: str, dx: float, dy: float) -> bool:
    """Whether a handle that is dragged follows to where it is let go."""
    x, y = hands.centre(selector)
    act(selector, dx, dy)
    for _ in range(40):  # a busy machine may take its time
        there = hands.place(selector)
        if abs(there[0] - x - dx) < 3 and abs(there[1] - y - dy) < 3:
            return True
        hands.page.wait_for_timeout(50)
    return False


def drag_points(hands) -> None:
    def errors() -> list[float]:
        texts = hands.find(".mf-key .mf-number").all_inner_texts()
        return [float(text) for text in texts if text]

    maml, pretrained = errors()
    assert "after 1 step" in hands.text(".mf-key") and maml < 0.6 and pretrained > 4.5
    # On the chapter's first screen: all points lie in a window of 900 pixels.
    assert hands.find(".mf-knob").count() == 5
    lowest = "e => Math.max(...e.map(k => k.getBoundingClientRect().bottom + scrollY))"
    assert hands.find(".mf-knob").evaluate_all(lowest) < 900
    assert lands(hands, hands.drag, ".mf-handle >> nth=1", 10, 40)
    assert errors() != [maml, pretrained]
    assert lands(hands, hands.swipe, ".mf-handle >> nth=3", 15, -50)
    assert hands.changed_by(lambda: hands.press(".mf-handle >> nth=2", "ArrowUp", "ArrowLeft"))
    hands.find("button:text('As at first')").click()
    assert errors() == [maml, pretrained]
    assert hands.changed_by(lambda: hands.tap("label:has-text('10')"))
    assert "after 10 steps" in hands.text(".mf-key") and errors()[0] < maml
    hands.press("input[type=radio]:checked", "Home", "ArrowLeft")
    assert hands.changed_by(lambda: hands.find("button:text('Another wave')").click())


def one_shot_game(hands) -> None:
    # Animals come first. Mouse: the first round's right card is 0, as the chapter's answers say.
    assert "Round 1 of the first 5" in hands.text(".mf-note")
    assert "No round with animals yet" in hands.text(".mf-score")
    assert hands.find("button:text('Forget')").is_disabled()
    assert not hands.find("label:has-text('20')").is_visible()
    assert hands.find(".mf-card").first.inner_text().split() == ["0", "vudin"]
    assert "card 0 vudin" in hands.find(".mf-card").first.get_attribute("aria-label")
    glass = hands.find(".mf-asked .mf-image").get_attribute("aria-label")
    assert glass.startswith("the animal behind the glass")
    assert hands.changed_by(lambda: hands.find(".mf-card").nth(0).click())
    assert "Right" in hands.text(".mf-sum") and "animals: 1 of 1 right" in hands.text(".mf-score")
    # Keyboard: Enter deals the next round, a digit picks a card (3 is right, 0 is not).
    assert hands.changed_by(lambda: hands.press("button:text('Next round')", "Enter"))
    assert "Round 2 of the first 5" in hands.text(".mf-note")
    hands.page.keyboard.press("0")
    assert "It was card 3, dimbun" in hands.text(".mf-sum")
    # A click on the figure is enough for the digits (4 is right), and a finger will do as well.
    hands.tap("button:text('Next round')")
    hands.find(".mf-sum").click()
    hands.page.keyboard.press("4")
    assert "animals: 2 of 3 right" in hands.text(".mf-score")
    # Letters have their own rounds and their own score: in the first, 3 is right; then 4 and 0.
    hands.tap("label:has-text('letters')")
    assert "No round with 5 cards yet" in hands.text(".mf-score")
    assert hands.changed_by(lambda: hands.find(".mf-card").nth(3).click())
    assert "5 cards: 1 of 1 right" in hands.text(".mf-score")
    assert hands.find(".mf-card.mf-truth").count() == 1
    hands.press("button:text('Next round')", "Enter", "0")
    assert "It was card 4" in hands.text(".mf-sum") and "1 of 2 right" in hands.text(".mf-score")
    assert hands.find(".mf-card.mf-miss").count() == 1
    hands.page.keyboard.press("4")  # a round is answered once
    assert "1 of 2 right" in hands.text(".mf-score")
    hands.tap("button:text('Next round')")
    hands.tap(".mf-card >> nth=0")
    assert "2 of 3 right. 95 % interval: 21 to 94 %" in hands.text(".mf-score")
    # Twenty cards: no card can be named by one key.
    hands.tap("label:has-text('20')")
    assert hands.find(".mf-card").count() == 20 and "a guesser: 5 %" in hands.text(".mf-interval")
    hands.press(".mf-card >> nth=0", "1")
    assert "No round with 20 cards yet" in hands.text(".mf-score")
    # Who comes back finds score and choice, and no round that is known already.
    hands.page.reload()
    assert hands.find(".mf-card").count() == 20
    hands.find("label:has-text('5')").first.click()
    assert "2 of 3 right" in hands.text(".mf-score")
    assert "Round 4 of the first 5" in hands.text(".mf-note")
    # Not even who wants to be scored anew; and the animals' score stays.
    hands.find("button:text('Forget')").click()
    assert "No round with 5 cards yet" in hands.text(".mf-score")
    assert "Round 4 of the first 5" in hands.text(".mf-note")
    hands.find("label:has-text('animals')").click()
    assert "animals: 2 of 3 right" in hands.text(".mf-score")


def drag_theta(hands) -> None:
    def titles() -> list[float]:
        return seconds(" ".join(hands.find(".mf-title").all_text_contents()))

    assert titles() == [2.17, 2.07]  # as the chapter's cell prints
    assert hands.find("[aria-pressed=true]").inner_text() == "Best before any step"
    assert "Best" not in hands.text(".mf-key >> nth=0")
    hands.find("button:text('Best after one step')").click()
    assert hands.find("[aria-pressed=true]").inner_text() == "Best after one step"
    assert max(titles()) <= 0.05
    # What was left behind can be compared with.
    assert "Best before any step:3.69 before, 2.12 after" in hands.text(".mf-key >> nth=0")
    before = hands.find(".mf-handle").evaluate_all("h => h.map(e => e.getAttribute('transform'))")
    assert lands(hands, hands.drag, ".mf-handle >> nth=0", 20, 60)
    after = hands.find(".mf-handle").evaluate_all("h => h.map(e => e.getAttribute('transform'))")
    assert before[0] != after[0] and before[1] != after[1]  # one start on both maps
    assert hands.changed_by(lambda: hands.press(".mf-handle >> nth=1", "ArrowUp", "ArrowLeft"))
    assert lands(hands, hands.swipe, ".mf-handle >> nth=1", -20, 40)
    assert hands.changed_by(lambda: hands.tap(".mf-plot >> nth=2", 0.9))


def m_steps_landscape(hands) -> None:
    assert "2.93, at a = 1.6" in hands.text(".mf-key")
    assert hands.changed_by(lambda: hands.press("input[type=range]", "ArrowRight"))
    assert "after 1 step" in hands.text(".mf-title")
    assert "1.41, at a = 2.6" in hands.text(".mf-key")  # as the chapter's cell prints
    assert "1.89" in hands.text(".mf-key")
    x, y = hands.centre("input[type=range]")
    assert hands.changed_by(lambda: hands.page.mouse.click(x, y))
    assert "after 10 steps" in hands.text(".mf-title")
    assert hands.changed_by(lambda: hands.tap("input[type=range]", 0.02))
    assert "before any step" in hands.text(".mf-title")


def meta_gradient_figure(hands) -> None:
    assert "exact −3.84, first order −4.80" in hands.text(".mf-sum")
    alpha = "input[type=range] >> nth=1"
    assert hands.changed_by(lambda: hands.press(alpha, *["ArrowRight"] * 8))
    assert "exact 0.00, first order 8.00" in hands.text(".mf-sum")
    hands.press(alpha, "ArrowRight")
    assert re.search(r"exact −[\d.]+, first order [\d.]+", hands.text(".mf-sum"))  # opposite signs
    hands.find("button:text('As in the text')").click()
    assert "−3.84" in hands.text(".mf-sum")
    theta = ".mf-handle >> nth=2"
    x, _ = hands.centre(theta)
    assert hands.changed_by(lambda: hands.drag(theta, 40, 0))
    assert abs(hands.place(theta)[0] - x - 40) < 4  # θ moves in steps of 0.05, and on the curve
    assert "−3.84" not in hands.text(".mf-sum")
    x, y = hands.centre(".mf-handle >> nth=0")
    before = hands.text(".mf-sum")
    assert hands.changed_by(lambda: hands.swipe(".mf-handle >> nth=0", 0, -50))  # support point
    assert abs(hands.place(".mf-handle >> nth=0")[1] - y + 50) < 4
    assert hands.text(".mf-sum") != before


def sine_adapt(hands) -> None:
    def errors() -> list[float]:
        texts = hands.find(".mf-key .mf-number").all_inner_texts()
        return [float(text) for text in texts if text]

    start = errors()
    assert hands.changed_by(lambda: hands.press(".mf-play input", "ArrowRight"))
    random_start, pretrained, maml = errors()
    assert maml < 0.4 * start[2] and random_start > 0.8 * start[0]  # one step
    assert hands.changed_by(lambda: hands.drag(".mf-handle >> nth=0", 25, 0))
    assert errors() != [random_start, pretrained, maml]
    assert hands.changed_by(lambda: hands.press(".mf-handle >> nth=2", "ArrowLeft"))
    points = hands.find(".mf-handle").count()
    hands.tap(".mf-plot >> nth=0", 0.52)
    assert hands.find(".mf-handle").count() == points + 1
    hands.press(".mf-handle >> nth=1", "Delete")
    assert hands.find(".mf-handle").count() == points
    hands.find("button:text('One point')").click()
    assert hands.find(".mf-handle").count() == 1
    x, _ = hands.centre(".mf-handle")
    hands.swipe(".mf-handle", -60, 0)
    assert abs(hands.place(".mf-handle")[0] - x + 60) < 3
    assert hands.changed_by(lambda: hands.find("button:text('Another wave')").click())
    assert hands.find(".mf-handle").count() == 5
    hands.find("label:has-text('anywhere')").click()
    hands.find("button:text('One point')").click()
    assert lands(hands, hands.drag, ".mf-handle", 20, 30)
    assert lands(hands, hands.swipe, ".mf-handle", -20, -50)


def letter_adapt(hands) -> None:
    start = hands.text(".mf-sum")
    assert "MAML, after 0 steps" in start
    assert hands.changed_by(lambda: hands.press("input[type=range]", "ArrowRight"))
    assert re.search(r"after 1 step: [45] of 5 queries right, 5 of 5 cards", hands.text(".mf-sum"))
    assert hands.changed_by(lambda: hands.tap("label:has-text('random start')"))
    assert "random start, after 1 step:" in hands.text(".mf-sum")
    cards = hands.find(".mf-support .mf-image").first.get_attribute("aria-label")
    assert hands.changed_by(lambda: hands.find("button[aria-label='next task']").click())
    assert hands.find(".mf-support .mf-image").first.get_attribute("aria-label") != cards
    assert "after 1 step:" in hands.text(".mf-sum")


def who_pulls(hands) -> None:
    def row(name: str) -> list[str]:
        return hands.find(f"tr:has(th:text-is('{name}')) td").all_inner_texts()

    assert "exact: θ = 0.30, mean gradient −0.12" in hands.text(".mf-sum >> nth=1")
    assert row("exact") == ["?", "?", "?"]
    hands.find("button:has-text('Let it run')").click()
    assert row("exact") == ["0.60", "80 : 20", "0.128"] and row("joint") == ["?", "?", "?"]
    assert "θ = 0.60 after" in hands.text(".mf-sum >> nth=1")
    # Keyboard: the arrow goes on to first order, Enter lets it run.
    hands.press("input[type=radio]:checked", "ArrowRight")
    assert "First order" in hands.text(".mf-how >> nth=1")
    assert hands.changed_by(lambda: hands.press("button:has-text('Let it run')", "Enter"))
    assert row("first order") == ["0.00", "50 : 50", "0.200"]
    assert row("exact") == ["0.60", "80 : 20", "0.128"]  # stays
    # Finger: Reptile with one step ends where joint training does.
    for name in ("Reptile", "joint"):
        hands.tap(f"label:has-text('{name}')")
        hands.tap("button:has-text('Let it run')")
    assert row("Reptile") == row("joint") == ["−0.60", "20 : 80", "0.416"]
    # The ends follow k and α.
    assert hands.changed_by(lambda: hands.press("input[type=range] >> nth=1", "ArrowRight"))
    assert row("Reptile") != row("joint") and row("joint")[0] == "−0.60"
    x, _ = hands.centre(".mf-handle")
    hands.drag(".mf-handle", 40, 0)
    assert abs(hands.place(".mf-handle")[0] - x - 40) < 5  # θ moves in steps of 0.05
    x, _ = hands.centre(".mf-handle")
    hands.swipe(".mf-handle", -50, 0)
    assert abs(hands.place(".mf-handle")[0] - x + 50) < 5
    assert hands.changed_by(lambda: hands.press(".mf-handle", "ArrowLeft"))
    assert hands.changed_by(lambda: hands.find("button:text('One outer step')").click())
    assert "after 1 outer step," in hands.text(".mf-sum >> nth=1")
    hands.find("button:text('As at first')").click()
    assert "exact: θ = 0.30, mean gradient −0.12" in hands.text(".mf-sum >> nth=1")
    assert row("exact") == ["?", "?", "?"] and hands.find("input:checked").count() == 1


def find_the_goal(hands) -> None:
    def out() -> list[float]:
        """How far out the walks end, MAML's and the pre-trained policy's."""
        texts = hands.find(".mf-key .mf-number").all_inner_texts()
        return [float(re.match(r"(\S+) out", text)[1].replace("−", "-")) for text in texts]

    def away() -> float:
        return float(re.search(r"goal (\S+) out", hands.text(".mf-sum"))[1])

    start = hands.text(".mf-sum"), hands.text(".mf-key"), hands.text(".mf-table")
    assert start[0].startswith("After 1 update, goal 0.38 out")
    assert abs(out()[0] - 0.38) < 0.07 and start[2].count("?") == 4
    # Mouse: a near goal is passed; keyboard: the second update mends it.
    assert hands.changed_by(lambda: hands.find("button:text('Near goal')").click())
    assert away() == 0.2 and out()[0] > 0.3
    hands.press("input[type=radio]:checked", "ArrowRight")
    assert hands.text(".mf-sum").startswith("After 2 updates") and abs(out()[0] - 0.2) < 0.06
    assert hands.text(".mf-table").count("?") == 2
    # Finger: before an update nothing leads to the goal.
    hands.tap("label:has-text('0')")
    assert hands.text(".mf-sum").startswith("Before an update") and max(map(abs, out())) < 0.15
    # One goal in both plots, by mouse, finger, arrow keys, sliders or a tap beside it.
    hands.find("label:text-is(' 1')").click()
    assert lands(hands, hands.drag, ".mf-handle >> nth=0", 30, -60)
    moved = hands.find(".mf-handle").evaluate_all("h => h.map(e => e.ariaValueText)")
    assert moved[0] == moved[1] and away() != 0.2
    assert lands(hands, hands.swipe, ".mf-handle >> nth=1", -40, 30)
    assert hands.changed_by(lambda: hands.press(".mf-handle >> nth=0", "ArrowUp"))
    hands.press("input[type=range] >> nth=0", "End")
    hands.press("input[type=range] >> nth=1", "Home")
    assert away() == 0.99
    assert hands.changed_by(lambda: hands.tap(".mf-plot >> nth=1", 0.4))
    before = hands.text(".mf-table")
    assert hands.changed_by(lambda: hands.find("button:text('Other walks')").click())
    assert hands.text(".mf-table") != before
    drawn = hands.drawn()
    hands.find("button:text('▶ Walk')").click()
    assert hands.drawn() == drawn  # who wants no motion sees the walks at once
    hands.find("button:text('As at first')").click()
    assert start == (hands.text(".mf-sum"), hands.text(".mf-key"), hands.text(".mf-table"))


ACTS = {
    "drag_points": drag_points,
    "one_shot_game": one_shot_game,
    "drag_theta": drag_theta,
    "m_steps_landscape": m_steps_landscape,
    "meta_gradient": meta_gradient_figure,
    "sine_adapt": sine_adapt,
    "letter_adapt": letter_adapt,
    "who_pulls": who_pulls,
    "find_the_goal": find_the_goal,
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("name", ACTS)
def test_a_figure_answers_mouse_finger_and_keyboard(browser, site, name, origin, width, scheme):
    url = f"{site[origin]}{CHAPTERS[name]}.html"
    with opened(browser, url, width=width, scheme=scheme, reduced_motion="reduce") as page:
        hands = Hands(page, name)
        assert hands.figure.get_attribute("data-state") == "live"
        assert not hands.find(":scope > .mf-still").is_visible()
        ACTS[name](hands)
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(over) <= 0
        # The reader has been at work: is it still in order for everyone?
        assert hands.accessibility() == []


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("chapter", ["02_few_shot_learning", "08_maml_on_images"])
def test_the_readers_score_comes_back_as_a_star(browser, site, chapter, origin):
    url = site[origin]
    with opened(browser, f"{url}{chapter}.html") as page:
        hands = Hands(page, "your_score")
        assert hands.find("a:text('play first')").count() == 1
        assert hands.find(".mf-star-you").count() == 0
        hands.find("a:text('play first')").click()
        page.wait_for_load_state("load")
        game = Hands(page, "one_shot_game")
        game.find(".mf-card").first.click()  # a round with animals is none with letters
        game.find("label:has-text('letters')").click()
        game.find(".mf-card").nth(3).click()
        game.press("button:text('Next round')", "Enter", "0")
        page.goto(f"{url}{chapter}.html")
        hands = Hands(page, "your_score")
        assert (
            "1 of 2 right with 5 cards, 50 %. "
            "The line through the star is its 95 % interval, 9 to 91 %" in hands.text(".mf-note")
        )
        # The star stands where the plot has 50 %: half way between 0 and 100 %.
        script = """f => {
          const data = JSON.parse(f.querySelector('script[type="application/json"]').textContent);
          const star = f.querySelector('.mf-star-you');
          return [0, 1].map(i => [(data.zero[i] + data.hundred[i]) / 2,
            Number(star.getAttribute('xy'[i])) - 6 * i]);
        }"""
        for wanted, found in hands.figure.evaluate(script):
            assert found == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_game_on_the_first_page_goes_on_in_the_chapter(browser, site, width):
    with opened(browser, f"{site['http']}../index.html", width=width) as page:
        game = Hands(page, "one_shot_game")
        assert not game.find("label").first.is_visible()  # animals alone: nothing to choose
        assert game.find(".mf-card").last.bounding_box()["y"] < 800
        game.find(".mf-card").first.click()
        assert "animals: 1 of 1 right" in game.text(".mf-score")
        assert game.accessibility() == []
        page.emulate_media(media="print")
        assert game.find(".mf-still svg").is_visible()
        page.emulate_media(media="screen")
        page.goto(f"{site['http']}01_learning_to_learn.html")
        game = Hands(page, "one_shot_game")
        assert "animals: 1 of 1 right" in game.text(".mf-score")
        assert "Round 2 of the first 5" in game.text(".mf-note")


def test_a_browser_that_keeps_nothing_can_still_play(browser, site):
    # As in a notebook's sandbox, for our own key alone: the theme keeps its mode there too.
    forbid = """for (const name of ['getItem', 'setItem']) {
      const kept = Storage.prototype[name];
      Storage.prototype[name] = function (key, ...rest) {
        if (key.startsWith('maml-tutorial')) throw new Error('no');
        return kept.call(this, key, ...rest);
      };
    }"""
    with opened(browser, f"{site['http']}02_few_shot_learning.html") as page:
        page.add_init_script(forbid)
        page.goto(f"{site['http']}01_learning_to_learn.html")
        game = Hands(page, "one_shot_game")
        game.find(".mf-card").first.click()
        assert "1 of 1 right" in game.text(".mf-score")
        page.goto(f"{site['http']}02_few_shot_learning.html")
        assert "missing" in Hands(page, "your_score").text(".mf-note")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_play_respects_those_who_want_no_motion(browser, site, motion):
    url = f"{site['http']}{CHAPTERS['m_steps_landscape']}.html"
    with opened(browser, url, reduced_motion=motion) as page:
        hands = Hands(page, "m_steps_landscape")
        hands.find("button:has-text('Play')").click()
        if motion == "no-preference":
            hands.find(".mf-title:has-text('after')").wait_for(state="attached")
            assert "Pause" in hands.text(".mf-play button")
            hands.find("button:has-text('Pause')").click()
            assert "after 20 steps" not in hands.text(".mf-title")
        else:
            assert "after 20 steps" in hands.text(".mf-title")
        assert "Play" in hands.text(".mf-play button")


def test_walks_are_walked_where_motion_is_welcome(browser, site):
    url = f"{site['http']}{CHAPTERS['find_the_goal']}.html"
    with opened(browser, url, reduced_motion="no-preference") as page:
        hands = Hands(page, "find_the_goal")
        whole = hands.drawn()
        hands.find("button:text('▶ Walk')").click()
        assert len(hands.drawn()) < 0.9 * len(whole)
        for _ in range(60):  # a busy machine may take its time
            hands.page.wait_for_timeout(100)
            if hands.drawn() == whole:
                return
        raise AssertionError("the walks did not come to their end")


@pytest.mark.parametrize("name", [*ACTS, "your_score"])
def test_paper_shows_a_still_and_no_controls(browser, site, name):
    chapter = CHAPTERS.get(name, "02_few_shot_learning")
    with opened(browser, f"{site['file']}{chapter}.html") as page:
        hands = Hands(page, name)
        page.emulate_media(media="print")
        assert not any(b.is_visible() for b in hands.find("button, input").all())
        picture = hands.find(".mf-still svg")
        box = picture.bounding_box()
        assert picture.is_visible() and box["width"] > 200 and box["height"] > 100
        assert len(page.pdf()) > 100_000


def test_where_no_script_runs_the_still_is_there(browser, site):
    for chapter in set(CHAPTERS.values()):
        url = f"{site['file']}{chapter}.html"
        with opened(browser, url, java_script_enabled=False) as page:
            for name in (name for name, its in CHAPTERS.items() if its == chapter):
                assert page.locator(f'[data-figure="{name}"] .mf-still svg').is_visible()


def test_a_script_that_fails_leaves_the_still_and_says_why(browser):
    import matplotlib.pyplot as plt

    still = show(plt.figure(), alt="A drawing.")
    figure = meta_gradient(theta=0, inner_lr=0.1, support=(1, 2), query=(2, 2), still=still)
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error.message))
    page.set_content(figure.html.replace('"support":[1,2]', '"support":null'))
    assert page.locator(".mf-still svg").is_visible() and page.locator(".mf-stage").count() == 0
    assert len(errors) == 1
    page.close()


@pytest.fixture(scope="module")
def evaluate(browser) -> Iterator:
    """Evaluate an expression where all of a figure's functions are in reach."""
    page = browser.new_page()

    def run(name: str, expression: str, argument: object) -> object:
        code = ""
        for needed in modules_of(name):
            source = (FOLDER / f"{needed}.js").read_text("utf-8")
            code += re.sub(r"^import .*\n|^export ", "", source, flags=re.MULTILINE)
        return page.evaluate(
            f"argument => {{ {code}\nreturn ({expression})(argument); }}", argument
        )

    yield run
    page.close()


def in_order(params):
    names = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
    return [params[name].flatten() for name in names]


@pytest.mark.parametrize("start", ["MAML", "random start", "pre-trained"])
def test_gradient_descent_in_the_page_is_that_of_adapt(evaluate, start):
    """100 random tasks, ten steps: parameters and predictions agree to 1e-4."""
    weights = {
        "MAML": lambda: load_weights("sinusoid-k5"),
        "pre-trained": lambda: load_weights("sinusoid-k5-pretrained"),
        "random start": lambda: init_params(MLP(), seed=0),
    }
    params = weights[start]()
    model = MLP()
    loss_fn, predict = make_loss(model, mse_loss), predictor(model)
    tasks = SinusoidTasks(k_shot=5, k_query=20)(100, torch.Generator().manual_seed(3))
    flat = torch.cat(in_order(params)).tolist()
    script = """([flat, tasks, steps]) => {
      const start = unpack(Float32Array.from(flat), [1, 40, 40, 1]);
      return tasks.map(([xs, ys, query]) => {
        const end = adapt(start, xs, ys, 0.01, steps)[steps];
        return [end.flatMap(({ w, b }) => [...w, ...b]), predict(end, query)];
      });
    }"""
    given = [
        [part[i].flatten().tolist() for part in (tasks.x_support, tasks.y_support, tasks.x_query)]
        for i in range(100)
    ]
    worst = 0.0
    for i, (found, predicted) in enumerate(evaluate("mlp", script, [flat, given, 10])):
        support = tasks.x_support[i], tasks.y_support[i]
        phi = adapt(loss_fn, params, *support, inner_lr=0.01, inner_steps=10, first_order=True)
        wanted = torch.cat([torch.cat(in_order(phi)), predict(phi, tasks.x_query[i]).flatten()])
        got = torch.tensor([*found, *predicted])
        worst = max(worst, (wanted.detach() - got).abs().max().item())
    assert worst < 1e-4


@pytest.mark.parametrize(("method", "rate"), [("exact", 0.1), ("pre-trained", 0.5)])
def test_a_policy_gradient_step_in_the_page_is_that_of_adapt(evaluate, method, rate):
    """25 goals for each policy, the same noise: walks, and all parameters after an update."""
    world, policy = Navigation(), GaussianPolicy((32, 32))
    kept = load_weights(f"navigation-{method}")
    params = {name: p.detach().double().requires_grad_() for name, p in kept.items()}
    names = [f"mean.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")] + ["log_std"]
    goals = world.goals(25, torch.Generator().manual_seed(len(method))).double()
    goals[::2] *= 0.3  # so near that some walks arrive before an update
    theta = stacked(params, 25)
    played = world.play(acting(policy, theta), goals, 20, torch.Generator().manual_seed(4))
    losses = over_tasks(make_loss(policy, reinforce))
    phi = adapt(losses, theta, *as_data(played), inner_lr=rate, first_order=True)
    wanted = torch.cat([phi[name].detach().flatten(1) for name in names], dim=1)
    dice = torch.Generator().manual_seed(4)  # draws again what `play` drew
    noise = torch.stack(
        [torch.randn(25, 20, 2, dtype=torch.float64, generator=dice) for _ in range(100)], dim=1
    )
    script = """text => {
      const [flat, rate, goals, noise] = JSON.parse(text);
      const world = { horizon: 100, longestMove: 0.1, arrived: 0.01, gamma: 0.99 };
      const start = unpackPolicy(Float32Array.from(flat), [2, 32, 32, 2]);
      return JSON.stringify(goals.map((goal, i) => {
        const walked = walks(start, goal, noise[i], world);
        const returns = walked.map(({ rewards }) => rewards.reduce((sum, r) => sum + r, 0));
        return [...returns, ...packPolicy(updated(start, walked, rate, world.gamma))];
      }));
    }"""
    flat = torch.cat([params[name].flatten() for name in names]).tolist()
    given = json.dumps([flat, rate, goals.tolist(), noise.flatten(1).tolist()])
    found = torch.tensor(json.loads(evaluate("policy", script, given)), dtype=torch.float64)
    assert 20 < (played.alive.sum(dim=-1) < 100).sum() < 250  # of 500
    assert (found[:, :20] - played.returns()).abs().max() < 1e-6
    assert (found[:, 20:] - wanted).abs().max() < 1e-8
    assert (wanted - torch.tensor(flat)).abs().max() > 0.05


def test_the_noise_of_the_page_is_normal(evaluate):
    """As many numbers as twenty walks need, for each of ten seeds; they do not know each other."""
    drawn = torch.tensor(
        evaluate("policy", "n => range(10).map((s) => normals(1000 + s, n))", 4000)
    )
    for moment, wanted in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert (drawn**moment).mean().item() == pytest.approx(wanted, abs=0.15)
    for a, b in ((drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1])):
        assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.03


def test_another_step_size_would_be_seen(evaluate):
    script = """flat => {
      const start = unpack(Float32Array.from(flat), [1, 40, 40, 1]);
      const [a, b] = [0.01, 0.0101].map(lr => adapt(start, [1, 2], [1, -1], lr, 10)[10]);
      return Math.max(...a[1].w.map((v, i) => Math.abs(v - b[1].w[i])));
    }"""
    flat = torch.cat(in_order(load_weights("sinusoid-k5"))).tolist()
    assert evaluate("mlp", script, flat) > 1e-4


def test_the_step_on_two_waves_is_that_of_autograd(evaluate):
    generator = random.Random(0)
    for _ in range(20):
        theta = [generator.uniform(0, 5), generator.uniform(0, math.pi)]
        xs = [generator.uniform(-5, 5) for _ in range(5)]
        ys = [generator.uniform(-5, 5) for _ in range(5)]
        found = evaluate(
            "drag_theta", "([t, x, y]) => [loss(t, x, y), step(t, x, y, 0.1)]", [theta, xs, ys]
        )
        at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        x, y = torch.tensor([xs, ys], dtype=torch.float64)
        loss = (at[0] * torch.sin(x - at[1]) - y).square().mean()
        (slope,) = torch.autograd.grad(loss, at)
        assert found[0] == pytest.approx(loss.item(), rel=1e-9)
        assert found[1] == pytest.approx((at - 0.1 * slope).tolist(), rel=1e-9)


def test_the_hand_sized_gradients_are_those_of_autograd(evaluate):
    generator = random.Random(1)
    for _ in range(20):
        state = {
            "theta": generator.uniform(-1, 2),
            "alpha": generator.uniform(0, 1),
            "support": [generator.uniform(0, 3), generator.uniform(-1, 4)],
            "query": [generator.uniform(0, 3), generator.uniform(-1, 4)],
        }
        found = evaluate("meta_gradient", "meta", state)
        theta = torch.tensor(state["theta"], dtype=torch.float64, requires_grad=True)
        (xs, ys), (xq, yq) = state["support"], state["query"]
        for create_graph, name in ((True, "exact"), (False, "firstOrder")):
            loss = (theta * xs - ys) ** 2
            (slope,) = torch.autograd.grad(loss, theta, create_graph=create_graph)
            query = ((theta - state["alpha"] * slope) * xq - yq) ** 2
            (wanted,) = torch.autograd.grad(query, theta)
            assert found[name] == pytest.approx(wanted.item(), rel=1e-9, abs=1e-12)


def parabola(params, x, y):
    """½h(θ − c)², where a task's one point has x = c and y = h."""
    return (y / 2 * (params["theta"] - x).square()).mean()


def relatives(alpha: float, k: int) -> dict:
    """The package's learners, by the names that the figure gives them."""
    inner, spring = {"inner_lr": alpha, "inner_steps": k}, 1 / alpha
    return {
        "exact": maml(parabola, **inner),
        "first order": fomaml(parabola, **inner),
        "Reptile": reptile(parabola, **inner),
        "implicit": imaml(parabola, inner_lr=1 / (4 + spring), inner_steps=40, pull=spring),
        "joint": joint(parabola, **inner),
    }


PULLING = [{"h": 1, "c": 1}, {"h": 4, "c": -1}]
AS_TASKS = Task(*(torch.tensor([[t[key]] for t in PULLING]).double() for key in "chch"))


def at(theta: float) -> dict:
    return {"theta": torch.tensor(theta, dtype=torch.float64, requires_grad=True)}


@pytest.mark.parametrize("name", relatives(0.1, 1))
def test_whoever_pulls_takes_the_packages_gradient(evaluate, name):
    """And leads each task to the φ that the package's learner finds."""
    script = """([name, tasks, cases]) => cases.map(([theta, alpha, k]) => [
      meanGradient(name, theta, tasks, alpha, k),
      ...tasks.map((task) => pullOf(name, theta, task, alpha, k).phi)])"""
    cases = list(itertools.product((-1.6, -0.3, 0.0, 0.7, 1.5), (0.01, 0.1, 0.2, 0.25), (1, 2, 5)))
    for case, found in zip(
        cases, evaluate("who_pulls", script, [name, PULLING, cases]), strict=True
    ):
        theta, alpha, k = case
        learner, params = relatives(alpha, k)[name], at(theta)
        wanted = learner.gradient(params, AS_TASKS)[1][0].item()
        more = {"inner_steps": 0} if name == "joint" else {}  # it trains at θ itself
        phi = learner.learn(stacked(params, 2), AS_TASKS.x_support, AS_TASKS.y_support, **more)
        assert found == pytest.approx([wanted, *phi["theta"].tolist()], rel=1e-9, abs=1e-12), case


def test_where_pulls_end_is_where_the_packages_steps_end(evaluate):
    """Steps with the package's gradients come to rest there; exact MAML's end is the lowest."""
    script = """([tasks, alpha, k, names]) => names.map((name) => {
      const end = endOf(name, tasks, alpha, k);
      return [end, lossAfter(end, tasks, alpha, k), outerStep(name, 0.3, tasks, alpha, k, 0.2)];
    })"""
    for alpha, k in ((0.2, 1), (0.1, 2), (0.02, 5)):
        learners = relatives(alpha, k)
        found = evaluate("who_pulls", script, [PULLING, alpha, k, list(learners)])
        exact = learners["exact"]
        for (name, learner), (end, loss, first) in zip(learners.items(), found, strict=True):
            rate = 0.2 / (alpha * k) if name == "Reptile" else 0.2
            theta = 0.3
            for i in range(30):
                theta -= rate * learner.gradient(at(theta), AS_TASKS)[1][0].item()
                assert i or first == pytest.approx(theta, abs=1e-12)
            assert abs(theta - end) < 0.5 * abs(0.3 - end)
            assert learner.gradient(at(end), AS_TASKS)[1][0].item() == pytest.approx(0, abs=1e-9)
            assert loss == pytest.approx(exact.gradient(at(end), AS_TASKS)[0].item(), rel=1e-9)
        losses = [loss for _, loss, _ in found]
        assert losses[0] == min(losses) < min(losses[1:])
        for other in torch.linspace(-1.6, 1.6, 33).tolist():
            assert exact.gradient(at(other), AS_TASKS)[0].item() >= losses[0] - 1e-12


@pytest.mark.parametrize(("right", "rounds"), [(4, 5), (0, 3), (40, 50), (7, 7)])
def test_the_interval_of_a_score_is_wilsons(evaluate, right, rounds):
    """Its ends are the rates p with |right − np| = 1.96 √(np(1 − p)), as chapter 1 finds them."""
    low, high = evaluate("kit", "([k, n]) => wilson(k, n)", [right, rounds])
    for rate in (low, high):
        spread = math.sqrt(max(rounds * rate * (1 - rate), 0))
        assert abs(right - rounds * rate) == pytest.approx(1.96 * spread, abs=1e-9)


def test_rounds_are_dealt_as_the_sampler_deals_them(evaluate):
    """Cards of five different letters; another drawing of the right one is asked for."""
    classes = [[3 * c + d for d in range(3)] for c in range(40)]
    script = "classes => range(600).map(() => dealt(classes, 5))"
    rounds = evaluate("one_shot_game", script, classes)
    letters = [[card // 3 for card in played["cards"]] for played in rounds]
    assert all(len(set(chosen)) == 5 for chosen in letters)
    for played, chosen in zip(rounds, letters, strict=True):
        assert played["query"] // 3 == chosen[played["answer"]]
        assert played["query"] != played["cards"][played["answer"]]
    dealt = torch.bincount(torch.tensor(letters).flatten(), minlength=40)  # 75 on average
    answers = torch.bincount(torch.tensor([p["answer"] for p in rounds]), minlength=5)  # 120
    assert 35 < dealt.min() and dealt.max() < 115 and 70 < answers.min() and answers.max() < 170
