"""Hands for the moving figures: mouse, finger and keyboard, and what is drawn before and after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from page_checks import AXE_SOURCE, axe_lines
from playwright.sync_api import Browser, Locator, Page

# All geometry that a figure draws, as one text: paths, dots, bars, pictures.
DRAWN = """f => [...f.querySelectorAll(
  '.mf-stage :is(path, circle, image, text, span, .mf-handle)')]
  .map(e => ['d', 'cx', 'cy', 'href', 'x', 'transform', 'style'].map(a => e.getAttribute(a)).join())
  .join(';')"""


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
