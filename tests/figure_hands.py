"""Hands for the moving figures: mouse, finger and keyboard; and eyes that read numbers off them."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from page_checks import AXE_SOURCE, axe_lines
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

# All geometry that a figure draws, as one text: paths, dots, bars, pictures.
DRAWN = """f => [...f.querySelectorAll(
  '.mf-stage :is(path, circle, image, text, span, .mf-handle)')]
  .map(e => ['d', 'cx', 'cy', 'href', 'x', 'transform', 'style'].map(a => e.getAttribute(a)).join())
  .join(';')"""

# What a plot holds, in the units of its own drawing; colours as they are painted.
HELD = """svg => {
  const number = (e, name) => Number(e.getAttribute(name));
  const all = (selector, read) => [...svg.querySelectorAll(selector)].map(read);
  const word = e => [e.textContent, number(e, 'x'), number(e, 'y')];
  return {
    width: svg.viewBox.baseVal.width,
    ticks: all('.mf-axes path', e => e.getAttribute('d')),
    labels: all('.mf-axes text', word),
    words: all('.mf-words text', word),
    lines: all('.mf-line', e => [getComputedStyle(e).stroke, e.getAttribute('d')]),
    heads: all('.mf-head', e => [getComputedStyle(e).fill, e.getAttribute('d')]),
    dots: all('.mf-dot', e => [number(e, 'cx'), number(e, 'cy')]),
    handles: all('.mf-handle', e => e.getAttribute('transform')),
  };
}"""

HIDDEN = """f => {
  const box = e => e.getBoundingClientRect();
  const meet = (a, b) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const edge = box(f), words = [...f.querySelectorAll('.mf-plot text')].filter(e => e.textContent);
  const knobs = [...f.querySelectorAll('.mf-knob')];
  return words.filter(word => {
    const cut = box(word).left < edge.left || box(word).right > edge.right;
    return cut || [...words, ...knobs].some(e => e !== word && meet(box(e), box(word)));
  }).map(e => e.textContent);
}"""


@contextmanager
def opened(
    browser: Browser, url: str, *, width: int = 1280, scheme: str = "light", **options: object
) -> Iterator[Page]:
    """A page in a context of its own, with a touch screen and without a network.

    Raises:
        AssertionError: something was written to the console as an error.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        has_touch=True,
        **options,
    )
    page = context.new_page()
    page.set_default_timeout(5000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.message))
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    home = url.split("/book/")[0]
    page.route("**/*", lambda r: r.continue_() if r.request.url.startswith(home) else r.abort())
    try:
        page.goto(url, wait_until="load")
        yield page
    finally:
        context.close()
    assert not errors, errors[:3]


class Hands:
    """One figure, and what a reader may do to it."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.figure = page.locator(f'.maml-figure[data-figure="{name}"]')
        self.figure.locator(".mf-stage").scroll_into_view_if_needed()

    def find(self, selector: str) -> Locator:
        return self.figure.locator(selector)

    def drawn(self) -> str:
        return self.figure.evaluate(DRAWN)

    def text(self, selector: str) -> str:
        return self.find(selector).text_content()  # also of SVG

    def centre(self, selector: str) -> tuple[float, float]:
        """Middle of an element, in the window, after scrolling it into the middle of that."""
        element = self.find(selector).first
        element.evaluate("e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
        box = element.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def place(self, selector: str) -> tuple[float, float]:
        """Where a handle is drawn, in the window."""
        box = self.find(selector).first.locator(".mf-knob").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, selector: str, dx: float, dy: float) -> None:
        """Drag with the mouse."""
        x, y = self.centre(selector)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx / 2, y + dy / 2)
        self.page.mouse.move(x + dx, y + dy)
        self.page.mouse.up()

    def swipe(self, selector: str, dx: float, dy: float) -> None:
        """Drag with a finger."""
        x, y = self.centre(selector)
        session = self.page.context.new_cdp_session(self.page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            touching = [{"x": px, "y": py} for px, py in points]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touching})

        touch("touchStart", (x, y))
        touch("touchMove", (x + dx / 2, y + dy / 2))
        touch("touchMove", (x + dx, y + dy))
        touch("touchEnd")
        session.detach()
        self.page.wait_for_timeout(50)

    def tap(self, selector: str, across: float = 0.5) -> None:
        """Tap with a finger, at a share of the element's width."""
        x, y = self.centre(selector)
        box = self.find(selector).first.bounding_box()
        # The browser makes a click of it, or moves a slider, in its own time: wait for that.
        self.page.evaluate("""() => {
          window.tapped = false;
          for (const kind of ['click', 'input'])
            addEventListener(kind, () => (window.tapped = true), { capture: true, once: true });
        }""")
        for _ in range(3):  # a machine that is busy for half a second takes a tap for a long press
            self.page.touchscreen.tap(box["x"] + across * box["width"], y)
            for _ in range(20):
                if self.page.evaluate("() => window.tapped"):
                    return
                self.page.wait_for_timeout(50)
        raise AssertionError(f"no tap arrived at {selector}")

    def press(self, selector: str, *keys: str) -> None:
        """Focus an element and press keys."""
        self.find(selector).first.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def hidden_words(self) -> list[str]:
        """Words in the plots that another word or a knob covers, or that the figure's edge cuts."""
        return self.figure.evaluate(HIDDEN)

    def changed_by(self, act: Callable[[], None]) -> bool:
        """Whether what is drawn differs after `act`."""
        before = self.drawn()
        act()
        for _ in range(40):  # a busy machine may take its time
            if self.drawn() != before:
                return True
            self.page.wait_for_timeout(50)
        return False

    def accessibility(self) -> list[str]:
        """What axe-core finds in the figure as it is now."""
        # Listings are checked with their page; here they would only cost seconds.
        self.page.evaluate("document.querySelectorAll('.cell_input').forEach(e => e.remove())")
        self.page.evaluate(AXE_SOURCE)
        # axe-core would ask for style sheets on its own account: from a disk, in vain.
        options = {"resultTypes": ["violations"], "preload": False}
        found = self.figure.evaluate("(f, options) => axe.run(f, options)", options)
        return axe_lines(found["violations"])

    def plot(self, nth: int = 0) -> "Plot":
        """Read the figure's plot of this number, once it is drawn."""
        svg = self.find(".mf-plot").nth(nth)
        svg.locator(".mf-axes text").first.wait_for(state="attached")
        return Plot(svg)

    def colour(self, name: str) -> str:
        """The colour that the legend gives to a name."""
        sample = self.find(f'.mf-key li:has(span:text-is("{name}")) path')
        return sample.evaluate("e => getComputedStyle(e).stroke")

    def slide(self, label: str, notches: int) -> None:
        """Put a slider that many notches from its left end."""
        slider = f'.mf-slider:has(label:text-is("{label}")) input'
        self.press(slider, "Home", *["ArrowRight"] * notches)

    def value(self, label: str) -> float:
        """Where a slider stands."""
        return float(self.find(f'.mf-slider:has(label:text-is("{label}")) input').input_value())

    def cards(self, selector: str) -> np.ndarray:
        """Whether there is ink in the middle of each of 4 × 4 fields of every card."""
        grey = np.array(picture(self.figure).convert("L"))
        corner = self.figure.bounding_box()
        found = []
        for card in self.find(selector).all():
            box = card.bounding_box()
            # Inside a border of a pixel lie 28 dots of a drawing, with a margin of one dot.
            middles = 1 + (1 + 7 * (np.arange(4) + 0.5)) / 30 * (box["width"] - 2)
            rows, columns = (middles + box[axis] - corner[axis] for axis in "yx")
            found.append(grey[np.ix_(rows.astype(int), columns.astype(int))] < 128)
        return np.array(found)


def picture(element: Locator, style: str = "") -> Image.Image:
    """What the browser paints in an element's box; `style` may hide what lies above it."""
    return Image.open(io.BytesIO(element.screenshot(style=style))).convert("RGB")


class Plot:
    """What a plot shows, in the numbers that stand beside the ticks of its axes."""

    def __init__(self, svg: Locator) -> None:
        self.svg, held = svg, svg.evaluate(HELD)
        self.width = held["width"]
        # Of each axis: units of the drawing for one, and where its zero is.
        self.units = axes(held["ticks"], held["labels"])
        self.words = {text: self.place(x, y) for text, x, y in held["words"]}
        self.labels = [text for text, _, _ in held["labels"]]
        self.dots = [self.place(*dot) for dot in held["dots"]]
        self.handles = [self.path(move)[0] for move in held["handles"]]
        self._lines, self._heads = held["lines"], held["heads"]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point of the drawing, as a point between the axes."""
        return tuple(
            (v - shift) / scale for v, (scale, shift) in zip((x, y), self.units, strict=True)
        )

    def path(self, drawn: str) -> np.ndarray:
        """The corners of a path, or the place of a handle, between the axes: `(n, 2)`."""
        numbers = np.array([float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", drawn)])
        return np.array([self.place(x, y) for x, y in numbers.reshape(-1, 2)])

    def lines(self, colour: str | None = None) -> list[np.ndarray]:
        """All lines, or those of a colour, in the order they are drawn in."""
        return [self.path(drawn) for stroke, drawn in self._lines if colour in (None, stroke)]

    def tip(self, colour: str) -> tuple[float, float]:
        """Where the one arrow of a colour points to."""
        (head,) = [drawn for fill, drawn in self._heads if fill == colour]
        return tuple(self.path(head.rstrip("Z"))[0])

    def tips(self) -> list[tuple[float, float]]:
        """Where all arrows point to, in the order they are drawn in."""
        return [tuple(self.path(head.rstrip("Z"))[0]) for _, head in self._heads]

    def map(self, places: np.ndarray) -> np.ndarray:
        """The map's colours at places between the axes, without what is drawn on it: `(n, 3)`."""
        painted = np.array(picture(self.svg, ".mf-plot > g:not(:has(image)) { opacity: 0 }"))
        scale = painted.shape[1] / self.width
        at = [(place * u[0] + u[1]) * scale for place, u in zip(places.T, self.units, strict=True)]
        return painted[at[1].astype(int), at[0].astype(int)].astype(float)


def axes(ticks: list[str], labels: list[list]) -> list[tuple[float, float]]:
    """Scale and shift of the x axis and of the y axis, from ticks and the numbers beside them."""
    found = []
    for pattern, coordinate in ((r"M(\S+) \S+v5", 1), (r"M\S+ (\S+)h-5", 2)):
        pairs = []
        for tick in ticks:
            if match := re.fullmatch(pattern, tick):
                at = float(match[1])
                # A number stands under its tick, or with its foot four units below it.
                foot = at + 4 * (coordinate == 2)
                near = [w[0] for w in labels if abs(w[coordinate] - foot) < 0.1]
                numbers = [n for n in near if re.fullmatch(r"−?[\d.]+", n)]
                assert len(numbers) == 1, f"beside a tick stands {near}"
                pairs.append((float(numbers[0].replace("−", "-")), at))
        values, places = zip(*pairs, strict=True)
        scale, shift = np.polyfit(values, places, 1)
        assert np.allclose(np.multiply(values, scale) + shift, places, atol=0.5)
        found.append((scale, shift))
    return found
