"""What a deck's source may say beside MyST: its chapter's outputs, questions, notes.

A deck of `course/slides` is named as its chapter's notebook; the names of cells below are those of
that notebook, or `other_chapter:cell`.

- `{out}`, a role: ``{out}`cell | pattern` `` is what the pattern finds in a cell's output.
- `{figure}` cell: a drawing or a moving figure. `:pieces: 2` sets stacked panels side by side,
  `:only: 1` shows some of them, `:axis: 40` repeats the lowest part, an axis that all share, below
  each; `:moving:` takes the figure that moves.
- `{printed}` cell, `{table}` cell, `{code}` cell: lines of an output, rows of a table, of code.
  `:most: 6` of `{printed}` keeps the first six lines.
- `{predict}`, `{takeaway}`, `{discuss}`: boxes.
- `{decks}` first last: links to the decks of these chapters.
- `{notes}` minutes: what the speaker says and asks, and which wrong answers to expect.
"""

import hashlib
import itertools
import math
import re
import sys
import tomllib
from html import escape
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.parsers.rst import directives
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from tools.slides import outputs

sys.path.insert(0, str(outputs.BOOK / "assets"))
from mathml import mathml, setup_mathml  # noqa: E402

logger = logging.getLogger(__name__)
MOST_LINES = 12  # of code on a slide
LONG = 68  # letters of a line in the usual size that fit a slide
# Room for a picture alone, beside words, and below them, in pixels of a slide of 1280 × 720.
ROOM = {"wide": 1222, "high": 590}
BESIDE = {"wide": 720, "high": 684}
ABOVE = {"wide": 1222, "high": 470}
WORDS = 1280 - 48 - 24 - 20  # what words and a picture share, without margins and a gap
GAP, LARGEST = 10, 2.6  # between pieces, in pixels; pixels for a unit of a drawing
# What a hand may type on a slide is a count; whatever was measured comes from an output.
MEASURED = re.compile(r"±\s?\d|(?<!xercise \d)(?<!xercise \d\d)(?<=\d)[.]\d|\d\s?%")


class Strip(NamedTuple):
    """A part of a drawing: its SVG, and its size in its own units."""

    svg: str
    wide: float
    high: float


class Notes(nodes.General, nodes.Element):
    """What the speaker sees."""


class Picture(nodes.General, nodes.Element):
    """A figure: `html`, or `parts` of which it will be made; the room asked for."""


class FromBook:
    """Shared by what asks a notebook for something; a failure is a warning, and so an error."""

    def chapter(self) -> str:
        """Name of the deck's own notebook."""
        return Path(self.env.docname).name

    def ask(self, question, *arguments):
        """Return an answer of `outputs`, or None with a warning."""
        try:
            return question(self.chapter(), *arguments)
        except outputs.Missing as missing:
            logger.warning("%s", missing, location=self.get_location())
            return None


class Out(FromBook, SphinxRole):
    """A number of an output."""

    def run(self):
        """Return the number as words of the slide."""
        name, _, pattern = self.text.partition("|")
        found = self.ask(outputs.number, name.strip(), pattern.strip())
        return [nodes.inline("", found or "?", classes=["out"])], []


def sized(parts: list[list[Strip]], wide: float, high: float) -> tuple[str, float]:
    """Return a drawing's pieces side by side, as large as a room allows, and how wide they are.

    Args:
        parts: of each piece its strips, one below the other.
        wide: the room, in pixels.
        high: likewise.
    """
    taken = sum(strips[0].wide for strips in parts)
    tallest = max(sum(strip.high for strip in strips) for strips in parts)
    gaps = GAP * (len(parts) - 1)
    scale = min((wide - gaps) / taken, high / tallest, LARGEST)
    html = ""
    for strips in parts:
        html += '<div class="piece">'
        for n, (svg, w, h) in enumerate(strips):
            look = f'<svg width="{w * scale:.1f}" height="{h * scale:.1f}" '
            if n:  # an axis that has been described
                svg = re.sub(r"<title.*?</title>", "", svg, count=1, flags=re.DOTALL)
                look += 'aria-hidden="true" '
                svg = svg.replace('role="img" ', "", 1)
            html += svg.replace("<svg ", look, 1)
        html += "</div>"
    return html, scale * taken + gaps


class Figure(FromBook, SphinxDirective):
    """A drawing of the chapter, or a figure that moves."""

    required_arguments = 1
    option_spec = {
        "pieces": directives.positive_int,
        "axis": directives.positive_int,
        "only": directives.positive_int_list,
        "moving": directives.flag,
        "high": directives.positive_int,
        "wide": directives.positive_int,
    }

    def run(self):
        """Return the figure."""
        name, pieces = self.arguments[0], self.options.get("pieces", 1)
        only = self.options.get("only", [])
        room = {"high": self.options.get("high"), "wide": self.options.get("wide")}
        key = "s" + hashlib.sha256(f"{self.env.docname}{name}{only}".encode()).hexdigest()[:6]
        if "moving" in self.options:
            html = self.ask(outputs.moving, name)
            return [] if html is None else [Picture("", html=html, parts=[], **room)]
        svg = self.ask(outputs.drawing, name)
        places = svg and self.ask(lambda _: outputs.cuts(svg, pieces))
        if not places:
            return []
        wide, high = outputs.size(svg)
        axis = self.options.get("axis", 0)
        parts = []
        for i, (top, bottom) in enumerate(itertools.pairwise(places), start=1):
            if only and i not in only:
                continue
            strips = [(top, bottom)]
            if axis and bottom < high:
                strips.append((high - axis, high))
            parts.append(
                [
                    Strip(outputs.piece(svg, *strip, f"{key}{i}{j}"), wide, strip[1] - strip[0])
                    for j, strip in enumerate(strips)
                ]
            )
        return [Picture("", html="", parts=parts, **room)]


class Printed(FromBook, SphinxDirective):
    """Lines of an output: those that a pattern finds."""

    required_arguments = 1
    option_spec = {"lines": directives.unchanged, "most": directives.positive_int}

    def run(self):
        """Return the lines, in smaller letters where they are long."""
        text = self.ask(outputs.lines, self.arguments[0], self.options.get("lines", "")) or ""
        kept = text.split("\n")[: self.options.get("most")]
        look = "printed long" if max(map(len, kept)) > LONG else "printed"
        html = f'<pre class="{look}" tabindex="0">{escape(chr(10).join(kept))}</pre>'
        return [nodes.raw("", html, format="html")]


def cell_html(words: str) -> str:
    """Return the words of a table's cell as HTML: bold, code and formulas, no links."""
    words = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", words)
    parts = re.split(r"\$([^$]+)\$", words)
    shown = [mathml(p) if i % 2 else escape(p) for i, p in enumerate(parts)]
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", "".join(shown))
    html = re.sub(r"(?<!\*)\*([^*]+)\*", r"<em>\1</em>", html)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html)


class Table(FromBook, SphinxDirective):
    """Rows and columns of a table."""

    required_arguments = 1
    option_spec = {"rows": directives.unchanged, "columns": directives.unchanged}

    def run(self):
        """Return the table."""
        options = (self.options.get(name, "") for name in ("rows", "columns"))
        found = self.ask(outputs.table, self.arguments[0], *options)
        if found is None:
            return []
        heading, *body = found
        first = '<th scope="col">{}</th>' if heading[0] else "<td>{}</td>"
        head = first.format(cell_html(heading[0]))
        head += "".join(f'<th scope="col">{cell_html(c)}</th>' for c in heading[1:])
        rows = "".join(
            f'<tr><th scope="row">{cell_html(name)}</th>'
            + "".join(f"<td>{cell_html(c)}</td>" for c in rest)
            + "</tr>"
            for name, *rest in body
        )
        long = ' class="long"' if len(body) > 6 else ""
        html = f"<table{long}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return [nodes.raw("", html, format="html")]


class Code(FromBook, SphinxDirective):
    """Lines of a cell's code, a dozen at most."""

    required_arguments = 1
    option_spec = {"from": directives.unchanged, "to": directives.unchanged}

    def run(self):
        """Return the code, coloured."""
        start, end = (self.options.get(name, "") for name in ("from", "to"))
        text = self.ask(outputs.source, self.arguments[0], start, end)
        if text is None:
            return []
        if (count := len(text.splitlines())) > MOST_LINES:
            logger.warning("%d lines of code on a slide", count, location=self.get_location())
        formatter = HtmlFormatter(nowrap=True)
        html = highlight(text, get_lexer_by_name("python"), formatter)
        return [nodes.raw("", f'<pre class="highlight" tabindex="0">{html}</pre>', format="html")]


class Decks(SphinxDirective):
    """Links to all decks from one chapter to another, with their titles and minutes."""

    required_arguments = 2

    def run(self):
        """Return the list."""
        first, last = (int(argument) for argument in self.arguments)
        items = []
        for path in sorted(Path(self.env.srcdir).glob("[0-9]*.md")):
            chapter, text = int(path.stem[:2]), path.read_text("utf-8")
            if not first <= chapter <= last:
                continue
            self.env.note_dependency(str(path))
            title = re.search(r"^# (.+)$", text, re.MULTILINE)[1]
            minutes = sum(float(m) for m in re.findall(r"^:::\{notes\} (\S+)", text, re.MULTILINE))
            words = f'<a href="{path.stem}.html">{chapter} · {escape(title)}</a>'
            items.append(f'<li>{words} <span class="minutes">{minutes:g} minutes</span></li>')
        return [nodes.raw("", f'<ul class="decks">{"".join(items)}</ul>', format="html")]


class Box(SphinxDirective):
    """A question, a take-away, or something to discuss."""

    has_content = True

    def run(self):
        """Return a box named as the directive."""
        box = nodes.container("", classes=["box", self.name])
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


class SpeakerNotes(SphinxDirective):
    """Notes, with the minutes that the slide takes."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Return the notes; they need minutes and words."""
        notes = Notes("", minutes=float(self.arguments[0].split()[0]))
        self.state.nested_parse(self.content, self.content_offset, notes)
        return [notes]


class Lay(SphinxTransform):
    """Lay out each slide: its heading, words beside or above its picture, notes behind."""

    default_priority = 950

    def apply(self, **_: object) -> None:
        """Rearrange all sections of a deck, and say which version of the course it is."""
        decks = [s for s in self.document.findall(nodes.section)]
        slides = 0.0
        for section in decks:
            own = [n for n in section.children if not isinstance(n, nodes.title | nodes.section)]
            deeper = [n for n in section.children if isinstance(n, nodes.section)]
            heading = [n for n in section.children if isinstance(n, nodes.title)]
            notes = [n for n in own if isinstance(n, Notes)]
            pictures = [n for n in own if isinstance(n, Picture)]
            words = [n for n in own if n not in notes and n not in pictures]
            slides += sum(n["minutes"] for n in notes)
            if len(notes) != 1:
                logger.warning("a slide needs notes, once", location=section)
            first = isinstance(section.parent, nodes.document)
            body = nodes.container("", classes=["body"])
            if first:
                body["classes"].append("first")
                words.append(nodes.paragraph("", self.imprint(), classes=["imprint"]))
            room = ROOM
            if pictures and words:
                beside = len(pictures) == 1 and len(pictures[0]["parts"]) == 1
                body["classes"].append("beside" if beside else "above")
                body += nodes.container("", *words, classes=["words"])
                room = BESIDE if beside else ABOVE
            else:
                body += words
            for picture in pictures:
                wide, high = (picture[k] or room[k] for k in ("wide", "high"))
                if picture["parts"]:
                    picture["html"], taken = sized(picture["parts"], wide, high)
                    if "beside" in body["classes"]:
                        body["classes"].append(f"w{math.ceil(taken / 20) * 20}")
            body += pictures
            section.children = [*heading, body, *notes, *deeper]
            for child in section.children:
                child.parent = section
            self.typed(body)
            for note in notes:
                self.typed(note)

    def imprint(self) -> str:
        """Name, version and licence of the course."""
        project = tomllib.loads((outputs.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        return f"Learning to Learn: MAML, step by step · version {project['version']} · CC BY 4.0"

    def typed(self, part: nodes.Element) -> None:
        """Warn of numbers that were typed and that something was measured for."""
        for text in part.findall(nodes.Text):
            around = text.parent
            if isinstance(around, nodes.inline) and "out" in around["classes"]:
                continue
            if isinstance(around, nodes.math | nodes.math_block | nodes.literal | nodes.raw):
                continue
            if "imprint" in around.get("classes", ()):
                continue
            if found := MEASURED.search(text.astext()):
                logger.warning(
                    "%r is typed: take it from an output by {out}", found[0], location=around
                )


def visit_notes(translator, node: Notes) -> None:
    """Open the notes, with their minutes in front."""
    minutes = f"{node['minutes']:g}"
    name = "minute" if minutes == "1" else "minutes"
    translator.body.append(
        f'<aside class="notes" data-minutes="{minutes}"><p><strong>{minutes} {name}</strong></p>'
    )


def depart_notes(translator, node: Notes) -> None:
    """Close the notes."""
    translator.body.append("</aside>")


def visit_picture(translator, node: Picture) -> None:
    """Write the figure."""
    kind = "" if node["parts"] else " moving"
    swipe = " data-prevent-swipe" if kind else ""
    translator.body.append(f'<div class="picture{kind}"{swipe}>{node["html"]}</div>')
    raise nodes.SkipNode


def stand_alone(app: Sphinx, _: nodes.document) -> None:
    """Tell Sphinx that a deck need not stand in a table of contents."""
    app.env.metadata[app.env.docname]["orphan"] = True


def write_styles(app: Sphinx, _: object = None) -> None:
    """Write the colours of code, light and dark, and widths, beside the other styles."""
    css = ""
    for scheme in ("light", "dark"):
        formatter = HtmlFormatter(style=f"a11y-high-contrast-{scheme}")
        rules = formatter.get_style_defs(f'html[data-theme="{scheme}"] .highlight').splitlines()
        css += "\n".join(rule for rule in rules if " .highlight ." in rule) + "\n"
    # How wide words may be beside a picture.
    for taken in range(100, BESIDE["wide"] + 40, 20):
        css += f".reveal section:has(> .w{taken}) {{ --left: {WORDS - taken}px; }}\n"
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made.css").write_text(css, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of all this."""
    setup_mathml(app)
    app.add_node(Notes, html=(visit_notes, depart_notes))
    app.add_node(Picture, html=(visit_picture, None))
    app.add_role("out", Out())
    for name, directive in {
        "figure": Figure, "printed": Printed, "table": Table, "code": Code, "notes": SpeakerNotes,
        "decks": Decks,
        "predict": Box, "takeaway": Box, "discuss": Box,
    }.items():  # fmt: skip
        app.add_directive(name, directive, override=True)
    app.add_transform(Lay)
    app.connect("doctree-read", stand_alone)
    app.connect("build-finished", lambda app, error: error or write_styles(app))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
