"""Film chapter 1's first figure, and photograph it on a phone, for the top of the README.

    make book && .venv/bin/python -m tools.readme_pictures

Pictures are taken in Chromium from the built book, in light and in dark, and written to
`book/assets`; the film moves twice, then rests.
"""

import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tools.print_pdf import find_browser

ROOT = Path(__file__).parents[1]
CHAPTER = ROOT / "_build/html/book/01_learning_to_learn.html"
TARGET = ROOT / "book/assets"
MOTIONS = ((0, -1.0), (3, 1.0), (1, 1.0))  # which point is dragged, and which way first
N_FRAMES, FRAME_MS, RANGE = 14, 90, 52  # frames and their time, pixels up or down


def picture(element: Locator | Page) -> Image.Image:
    """What the browser shows."""
    return Image.open(io.BytesIO(element.screenshot())).convert("RGB")


def opened(browser: Browser, scheme: str, width: int, height: int, scale: float) -> Page:
    """The chapter's page in a window of its own, once its fonts are there."""
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=scale
    )
    page.goto(CHAPTER.as_uri(), wait_until="load")
    page.evaluate("() => document.fonts.ready.then(() => true)")
    page.wait_for_timeout(500)  # axes are drawn when their box has its width
    return page


def frames(page: Page) -> Iterator[Image.Image]:
    """Three points are dragged there and back, one after the other."""
    figure = page.locator('[data-figure="drag_points"]')
    figure.scroll_into_view_if_needed()
    page.add_style_tag(content=".mf-row, .mf-how { display: none !important }")
    for point, way in MOTIONS:
        knob = figure.locator(".mf-handle .mf-knob").nth(point)
        box = knob.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        for frame in range(N_FRAMES):
            share = math.sin(2 * math.pi * frame / N_FRAMES)
            page.mouse.move(x, y + way * RANGE * share)
            yield picture(figure)
        page.mouse.move(x, y)
        page.mouse.up()


def main() -> None:
    """Write all pictures."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser())
        for scheme in ("light", "dark"):
            film = list(frames(opened(browser, scheme, 700, 900, 1.0)))
            film[0].save(TARGET / f"readme_{scheme}_still.webp", quality=85, method=6)
            film[0].save(
                TARGET / f"readme_{scheme}.webp",
                save_all=True,
                append_images=film[1:],
                duration=FRAME_MS,
                loop=2,
                quality=80,
                method=6,
            )
            phone = picture(opened(browser, scheme, 375, 740, 2.0))
            phone.save(TARGET / f"readme_{scheme}_phone.webp", quality=85, method=6)
        browser.close()


if __name__ == "__main__":
    if not CHAPTER.is_file():
        sys.exit(f"{CHAPTER.relative_to(ROOT)} does not exist: run make book first")
    main()
