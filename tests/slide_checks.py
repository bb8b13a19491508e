"""What a deck must show in a browser at 1280 × 720: one load, many findings."""

from pathlib import Path

from page_checks import AXE_SOURCE, COLOURS, FIGURE_CHECKS, VIOLATIONS, axe_lines
from playwright.sync_api import Browser, Page

CHECKS = (Path(__file__).parent / "slide_checks.js").read_text("utf-8")
SIZE = {"width": 1280, "height": 720}
# axe-core asks for style sheets on its own account: what nobody's browser does, and files refuse.
SCHEMES = {"light": VIOLATIONS | {"preload": False}, "dark": COLOURS | {"preload": False}}
# The book's figures stand in <main>; a deck's in a box with that role.
FIGURE_CHECKS = FIGURE_CHECKS.replace('"main svg', '"[role=main] svg')


def opened(browser: Browser, deck: Path, findings: list[str]) -> Page:
    """Open a deck from the disk, noting whatever it asks the network for, or says."""
    page = browser.new_page(viewport=SIZE, reduced_motion="reduce", color_scheme="light")

    def guard(route) -> None:
        if route.request.url.startswith("http"):
            findings.append(f"external request: {route.request.url}")
            route.abort()
        else:
            route.continue_()

    page.route("**/*", guard)
    page.on("pageerror", lambda error: findings.append(f"page error: {error.message}"))
    page.on("console", lambda message: findings.append(f"console: {message.text}"))
    page.goto(deck.resolve().as_uri(), wait_until="load")
    page.wait_for_function("Reveal.isReady()")
    return page


def turn(page: Page, scheme: str) -> None:
    """Let the system turn light or dark, and wait for the deck to follow."""
    page.emulate_media(color_scheme=scheme)
    follows = "scheme => document.documentElement.dataset.theme === scheme"
    page.wait_for_function(follows, arg=scheme)


def inspect(browser: Browser, deck: Path) -> list[str]:
    """Return everything that is wrong with a deck, one line each."""
    findings: list[str] = []
    page = opened(browser, deck, findings)
    page.evaluate("() => document.fonts.ready.then(() => true)")
    page.evaluate(CHECKS)
    findings += page.evaluate("slideChecks.walk()")
    page.evaluate(AXE_SOURCE)
    page.evaluate(FIGURE_CHECKS)
    page.evaluate("slideChecks.spread()")
    for scheme in SCHEMES:
        turn(page, scheme)
        findings += [f"{scheme}: {line}" for line in page.evaluate("() => bookChecks.faint()")]
    page.evaluate("slideChecks.bare()")
    for scheme, options in SCHEMES.items():
        turn(page, scheme)
        found = axe_lines(page.evaluate("options => axe.run(options)", options)["violations"])
        findings += [f"{scheme}: {line}" for line in found]
    page.close()
    return findings
