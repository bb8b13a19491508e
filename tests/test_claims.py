"""The list of the book's claims: what has a source, and what is told to have none."""

from pathlib import Path

import nbformat.v4 as nb
import pytest

from tools.claims import __main__ as listing
from tools.claims.times import fault, reading
from tools.claims.words import compares, numbers

PRINTED = nb.new_output("stream", text="after one step  2.547 ± 0.021\nright: 0.843\n")


@pytest.fixture
def page(tmp_path: Path):
    """Make a notebook of cells, strings for prose, and return the sources of its claims."""

    def sources(*cells) -> dict[str, str]:
        whole = [nb.new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
        path = tmp_path / "page.ipynb"
        path.write_text(nbformat_text(whole), "utf-8")
        listing.sections.cache_clear()
        return {claim.words: claim.source for claim in listing.claims(path)}

    return sources


def nbformat_text(cells: list) -> str:
    return nb.writes(nb.new_notebook(cells=cells))


def code(source: str, *, tags: tuple[str, ...] = (), outputs: tuple = ()):
    return nb.new_code_cell(source, metadata={"tags": list(tags)}, outputs=list(outputs))


SHOWN = code("show()", outputs=(PRINTED,))
HIDDEN = code("assert 3.1 < end < 3.2", tags=("remove-cell",))


@pytest.mark.parametrize(
    "sentence, source",
    [
        ("It ends at 2.55.", "2.55: output"),
        ("It ends at 2.5.", "2.5: output"),
        ("It ends at 2.56.", ""),
        ("It is right on 84 %.", "84 %: output"),
        ("It is right on 85 %.", ""),
        ("It is 84.3 high.", ""),  # a share is meant by per cent alone
        ("It ends between 3.1 and 3.2.", "3.1: assertion; 3.2: assertion"),
        ("It goes from 2.55 to 0.7.", ""),  # each number needs its own
        ("They report 98.7 ([Finn et al.](https://arxiv.org/abs/1703.03400)).", "98.7: paper"),
        ("Recorded somewhere: 0.573.", ""),
        ("Recorded as `sinusoid-k5`: 0.573 after a step.", "0.573: record sinusoid-k5"),
        ("Recorded as `sinusoid-k5`: 0.574 after a step.", ""),
    ],
)
def test_a_number_needs_a_source_that_rounds_to_it(page, sentence: str, source: str) -> None:
    assert page("## Steps", SHOWN, HIDDEN, sentence)[sentence] == source


def test_a_number_of_a_far_section_is_no_source_unless_the_page_is_spoken_of(page) -> None:
    far = ("## Steps", SHOWN, "## Between", "Nothing.", "## Later", "So 2.55 it was.")
    assert page(*far)["So 2.55 it was."] == ""
    recalled = page(*far[:-2], "## Take away", "So 2.55 it was.")
    assert recalled["So 2.55 it was."] == "2.55: output elsewhere on the page"


def test_what_a_picture_draws_is_no_source_but_its_words_are(page) -> None:
    html = '<svg><path d="M 7.77 1"/></svg><script>x = 6.66</script><img alt="it falls to 5.55">'
    shown = code("draw()", outputs=(nb.new_output("display_data", data={"text/html": html}),))
    found = page("## Steps", shown, "It is 7.77 wide.", "It is 6.66 high.", "It falls to 5.55.")
    assert list(found.values()) == ["", "", "5.55: output"]


def test_a_comparison_needs_an_assertion_or_an_output_of_its_section(page) -> None:
    better = "MAML is better."
    assert page("## Steps", SHOWN, HIDDEN, better)[better] == "assertion"
    assert page("## Steps", SHOWN, better)[better] == "output"
    assert page("## Steps", HIDDEN, "## Other", better)[better] == ""
    assert page("## Steps", code("assert_nothing = 1"), better)[better] == ""


def test_names_and_counts_are_no_claims() -> None:
    assert (
        numbers("In chapter 12 and 13, three 5-way 20-shot tasks of 2017: animals never seen.")
        == []
    )
    assert not compares("animals that she has never seen")
    assert compares("It never fails.")


def test_a_reason_explains_its_claim_and_none_may_be_left_over() -> None:
    found = {"index.md": [listing.Claim("", "Twice two is 4.0.", "")]}
    reasons = {"index.md": [{"reason": "arithmetic", "words": ["Twice two", "Thrice two"]}]}
    assert listing.explain(found, reasons) == [
        "index.md: nothing without a source says 'Thrice two': take it out"
    ]
    assert found["index.md"][0].source == "arithmetic"


def test_the_opening_box_names_the_minutes_that_words_and_shown_code_take(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"

    def box(minutes: int) -> str:
        prose = f"**Time** {minutes} minutes to read.\n\n" + "word " * 1995
        folded = code("\n".join(["x = 1"] * 900), tags=("hide-input",))
        cells = [nb.new_markdown_cell(prose), code("\n".join(["x = 1"] * 100)), folded]
        cells += [nb.new_markdown_cell("## Exercises\n\n" + "word " * 5000)]
        path.write_text(nbformat_text(cells), "utf-8")
        return fault(path)

    assert box(15) == ""
    assert reading(path)[:2] == (2000, 100)
    assert "2000 words and 100 lines of code take 15: write 15" in box(25)
