"""Formulas as MathML, written while the book is built: the browser sets them, no script does."""

from html import escape

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
CONVERTER = LatexToMathML(fancy_error=False)
# The converter asks for the round script letters with a variation selector; the book's font has
# one script, and a letter that stands alone can be searched and copied.
SCRIPT_SELECTOR = "\ufe00"
# The smallest root sign is as tall as a line. Browsers hang what is left of it below the formula and
# strike a low letter with its bar, unless something under the root is as tall as the sign.
ROOT, STRUT = "<msqrt>", '<mspace width="0" height="0.72em" depth="0.2em"/>'
WORD_JOINER = "\u2060"  # no line may break here: browsers would leave a comma to the next one


def mathml(tex: str, display: bool = False) -> str:
    r"""Return a formula as MathML.

    Args:
        tex: The formula in TeX, without dollar signs.
        display: Set on a line of its own?

    Returns:
        HTML: one ``<math>`` element.

    Raises:
        ValueError: Where the formula has an unknown command or does not end; says which.

    Example:
        >>> mathml(r"\theta - 0.1")
        '<math><mi>θ</mi><mo>−</mo><mn>0.1</mn></math>'
    """
    try:
        html = CONVERTER.convert_with_local_state(tex, displaystyle=display)
    except LatexError as error:
        position, _, reason = str(error).partition(": ")
        raise ValueError(f"{reason} (character {position})") from error
    return html.replace(SCRIPT_SELECTOR, "").replace(ROOT, ROOT + STRUT)


def converted(node: nodes.Element, display: bool) -> str:
    """Return the MathML of a node; warn of a formula that has none, and show its TeX instead."""
    tex = node.astext().strip()
    try:
        return mathml(tex, display)
    except ValueError as error:
        logger.warning("the formula %s is not understood: %s", tex, error, location=node)
        return f"<code>{escape(tex)}</code>"


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line, and tie it to what touches it: `($x$)`, `$N$-way`, `$x$,`."""
    line = node.parent.children
    place = line.index(node)
    before = line[place - 1].astext()[-1:] if place else " "
    after = line[place + 1].astext()[:1] if place + 1 < len(line) else " "
    translator.body += [
        "" if before.isspace() else WORD_JOINER,
        translator.starttag(node, "span", "", CLASS="math"),
        converted(node, display=False),
        "</span>",
        "" if after.isspace() else WORD_JOINER,
    ]
    raise nodes.SkipNode


def visit_display(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, with its number where it has one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body += [converted(node, display=True), "</div>\n"]
    raise nodes.SkipNode


def setup_mathml(app: Sphinx) -> None:
    """Let `html_math_renderer: mathml` in the configuration choose this one."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
