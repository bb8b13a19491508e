"""The marking scheme: what each hidden test asks and is worth, read from the sets themselves."""

import re

from tools.assignments.source import SETS, parts, questions, read


def scheme() -> str:
    """Return the marking scheme of all sets, as Markdown.

    Example:
        >>> scheme().splitlines()[0]
        '# Marking scheme'
    """
    lines = ["# Marking scheme", "", "Not for students: it names what the hidden tests ask.", ""]
    for name in SETS:
        text = read(name)
        lines += [text.split("\n", 1)[0].replace("# ", "## ", 1), ""]
        blocks = re.split(r"(?=^## q\d · )", text, flags=re.MULTILINE)[1:]
        for block, question in zip(blocks, questions(text), strict=True):
            lines += [f"### {question.name} · {question.title} ({question.points} points)", ""]
            for part in parts(block):
                if part.kind == "hidden":
                    points, _, asks = part.word.partition(" ")
                    lines.append(f"- {points}: {asks}")
                elif part.kind == "rubric":
                    lines.append(f"By hand. {part.body}")
            lines.append("")
    return "\n".join(lines)


def points_agree() -> list[str]:
    """Return the questions whose hidden tests are not worth what the heading says.

    Example:
        >>> points_agree()
        []
    """
    wrong = []
    for name in SETS:
        text = read(name)
        blocks = re.split(r"(?=^## q\d · )", text, flags=re.MULTILINE)[1:]
        for block, question in zip(blocks, questions(text), strict=True):
            worth = sum(int(p.word.split()[0]) for p in parts(block) if p.kind == "hidden")
            if not question.hand and worth != question.points:
                wrong.append(f"{name} {question.name}: {worth} of {question.points}")
    return wrong
