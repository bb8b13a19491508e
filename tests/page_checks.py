"""What a page of the book must show in a browser: one load, many findings.

Each finding is one line of text, so that a failing test reads as a list of what to repair.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Response, TimeoutError, sync_playwright

QUIET = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
AXE_SOURCE = (Path(__file__).parent / "fixtures" / "axe" / "axe.min.js").read_text("utf-8")
FIGURE_CHECKS = (Path(__file__).parent / "figure_checks.js").read_text("utf-8")
WIDTHS = (1280, 375)
LEAST_WORD = 11  # pixels: the smallest word of a figure on a phone
HEAVIEST = 700_000  # bytes: what a browser loads to show a page, packed as a server sends it
PACKED: dict[str, int] = {}  # bytes by address: what pages share is packed once
# All of axe-core's rules in light; in dark, those that look at colour (nothing else changes), and
# at one width, since no colour depends on it.
VIOLATIONS = {"resultTypes": ["violations"]}
COLOURS = VIOLATIONS | {"runOnly": ["color-contrast", "link-in-text-block"]}
SCHEMES = {1280: {"light": VIOLATIONS, "dark": COLOURS}, 375: {"light": VIOLATIONS}}

# Boxes that stick out of the page on the right, unless a box around them scrolls or clips.
STICKING_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll('body *')].filter(e => {
    if (e.getBoundingClientRect().right <= wide + 1) return false;
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== 'visible') return false;
    return true;
  }).slice(0, 3).map(e => e.tagName.toLowerCase() + '.' + [...e.classList].join('.'));
}"""
# A chapter has thousands of coloured words of code in a handful of colours, and axe-core takes
# seconds for each thousand: leave it the first of each kind, in cells and in their outputs.
UNWRAP_REPEATED = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll('.highlight pre span:not(:has(*))')) {
    const kind = word.className + (word.closest('.cell_output') ? ' output' : '');
    if (seen.has(kind)) word.replaceWith(word.textContent);
    else if (word.textContent.trim()) seen.add(kind);
  }
}"""
THEME_IS = "scheme => (document.documentElement.dataset.theme ?? scheme) === scheme"
# The theme gives boxes that scroll their tab stop a while after the width changes.
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
TAB_STOPS = """() => [...document.querySelectorAll('pre, .cell_output > .output')].every(
  box => box.tabIndex === 0 || box.scrollWidth <= box.clientWidth)"""
SCROLL_WIDTH = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Formulas without MathML, with an error in it, or of no width; and TeX that stands in the text.
UNRENDERED_MATHS = r"""() => {
  const empty = m => m.checkVisibility() && !m.getBoundingClientRect().width;
  const bad = e => !e.querySelector('math') || e.querySelector('merror') ||
    [...e.querySelectorAll('math')].some(empty);
  const found = [...document.querySelectorAll('.math')].filter(bad).map(e => e.outerHTML);
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const {data, parentElement} = words.currentNode;
    const typed = /\\[()[\]]|\$\$|\$\\|\\begin\{/.test(data);
    if (typed && !parentElement.closest('code, pre, script, style')) found.push(data);
  }
  return found.map(text => text.trim().slice(0, 160));
}"""


class Handler(SimpleHTTPRequestHandler):
    """A file server that keeps quiet."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free local port; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """Start the installed Chromium with a fresh profile; never download one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


def loaded_page(
    browser: Browser, url: str, findings: list[str], answers: list[Response] | None = None
) -> Page:
    """Open a page offline but for its own server, noting each request or script that fails.

    Args:
        browser: A running browser.
        url: Address of the page, http:// or file://.
        findings: What fails is added to it.
        answers: All that the page asks for and gets is added to it.
    """
    home = urlsplit(url).netloc
    answers = [] if answers is None else answers
    page = browser.new_page(viewport={"width": WIDTHS[0], "height": 900}, reduced_motion="reduce")

    def guard(route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("http", "https") and address.netloc != home:
            findings.append(f"external request: {route.request.url}")
            route.abort()
        else:
            route.continue_()

    def answered(response: Response) -> None:
        answers.append(response)
        if response.status >= 400:
            findings.append(f"failed request: {response.status} {response.url}")

    page.route("**/*", guard)
    page.on("response", answered)
    page.on("requestfailed", lambda request: findings.append(f"failed request: {request.url}"))
    page.on("pageerror", lambda error: findings.append(f"page error: {error.message}"))
    page.on(
        "console",
        lambda message: message.type == "error" and findings.append(f"console: {message.text}"),
    )
    page.goto(url, wait_until="load")
    return page


def inspect(browser: Browser, url: str) -> list[str]:
    """Return everything that is wrong with one page, at both widths, in light and dark.

    Args:
        browser: A running browser.
        url: Address of the page, http:// or file://.

    Returns:
        Findings, one line each; empty where the page is in order.
    """
    noted: list[str] = []
    answers: list[Response] = []
    page = loaded_page(browser, url, noted, answers)
    page.evaluate("() => document.fonts.ready.then(() => true)")
    findings = too_heavy(answers)
    findings += [f"maths not rendered: {text}" for text in page.evaluate(UNRENDERED_MATHS)]
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(50)
    findings += noted  # before axe-core, which asks for style sheets on its own account
    page.evaluate(AXE_SOURCE)
    page.evaluate(FIGURE_CHECKS)
    page.evaluate(UNWRAP_REPEATED)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        with suppress(TimeoutError):  # late or never: axe-core then names the boxes
            page.evaluate(SETTLED)
            page.wait_for_function(TAB_STOPS, timeout=5000)
        if over := page.evaluate(SCROLL_WIDTH):
            culprits = ", ".join(page.evaluate(STICKING_OUT))
            findings.append(f"{width} px: scrolls sideways by {over} px ({culprits})")
        for scheme, options in SCHEMES[width].items():
            page.emulate_media(color_scheme=scheme)
            try:
                page.wait_for_function(THEME_IS, arg=scheme, timeout=2000)
            except TimeoutError:
                findings.append(f"{width} px: the page does not turn {scheme} with the system")
            found = axe_lines(page.evaluate("options => axe.run(options)", options)["violations"])
            found += page.evaluate("() => bookChecks.faint()")
            findings += [f"{width} px, {scheme}: {line}" for line in found]
        cut = "cut" if width == WIDTHS[0] else "cutOnAPhone"
        findings += [f"{width} px: {line}" for line in page.evaluate(f"() => bookChecks.{cut}()")]
    findings += page.evaluate("() => bookChecks.cutWords()")
    small = page.evaluate("least => bookChecks.smallWords(least)", LEAST_WORD)
    findings += [f"375 px: {line}" for line in small]
    page.close()
    return findings


def too_heavy(answers: list[Response]) -> list[str]:
    """Print the weight of all that was loaded for a page; return it as a finding above the limit.

    `pytest tests/test_browser.py -k in_order -s` prints a line for each page of the book.
    """
    sizes = {}
    for answer in answers:
        if answer.ok and answer.url.startswith("http"):
            if answer.url not in PACKED:
                PACKED[answer.url] = len(gzip.compress(answer.body(), 6))
            sizes[urlsplit(answer.url).path] = PACKED[answer.url]
    largest = sorted(sizes, key=sizes.get, reverse=True)[:5]
    parts = ", ".join(f"{path.rpartition('/')[2]} {sizes[path] // 1000}" for path in largest)
    weight = sum(sizes.values())
    print(f"{weight // 1000:5} kB  {next(iter(sizes), 'a file')}  ({parts})")
    return [f"heavy: {weight} bytes ({parts})"] if weight > HEAVIEST else []


def axe_lines(violations: list[dict]) -> list[str]:
    """Return axe-core's serious and critical findings, one line an element."""
    return [
        f"axe {found['id']} ({found['impact']}): {node['html'][:160]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
