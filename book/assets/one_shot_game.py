"""The directive ``one-shot-game``: chapter 1's game, with the animals alone, on another page."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

CHAPTER = "book/01_learning_to_learn.ipynb"
# A figure's head and style sheet, its still, its data, and its script.
PARTS = re.compile(
    r'(<div class="maml-figure" data-figure="one_shot_game".*?<div class="mf-still">)(.*)'
    r'(</div>\n<script type="application/json">)(.*?)(</script>.*)',
    re.DOTALL,
)


class OneShotGame(SphinxDirective):
    """Show the game that the chapter holds; its content is shown on paper and where no script runs."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the game around the content."""
        path = Path(self.env.srcdir, CHAPTER)
        self.env.note_dependency(str(path))
        still = self.parse_content_to_nodes()
        before, after = animals_alone(game_of(json.loads(path.read_text("utf-8"))))
        return [nodes.raw("", before, format="html"), *still, nodes.raw("", after, format="html")]


def game_of(notebook: dict) -> str:
    """Return the HTML of the game in a notebook's outputs.

    Example:
        >>> html = '<div class="maml-figure" data-figure="one_shot_game"></div>'
        >>> game_of({"cells": [{"outputs": [{"data": {"text/html": [html]}}]}]}) == html
        True
    """
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    (game,) = [page for page in pages if 'data-figure="one_shot_game"' in page]
    return game


def animals_alone(game: str) -> tuple[str, str]:
    """Return a game without its letters: what stands before its still, and what behind.

    Example:
        >>> game = '<div class="maml-figure" data-figure="one_shot_game"><div class="mf-still">'
        >>> game += '<svg></svg></div>\\n<script type="application/json">{"decks":{"animals":1,'
        >>> game += '"letters":2}}</script><script></script></div>'
        >>> animals_alone(game)[1]
        '</div>\\n<script type="application/json">{"decks":{"animals":1}}</script><script></script></div>'
    """
    found = PARTS.fullmatch(game)
    if not found:
        raise ValueError(f"{CHAPTER}: the game is not built as expected")
    before, _, between, text, after = found.groups()
    data = json.loads(text)
    del data["decks"]["letters"]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return before, f"{between}{text}{after}"
