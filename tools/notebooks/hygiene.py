"""What a committed notebook must hold to; every rule has a fixture that breaks it alone."""

from collections.abc import Iterator
from pathlib import Path

from tools.notebooks import rules_code, rules_form, rules_output, rules_text
from tools.notebooks.files import read
from tools.notebooks.page import Finding, Page

RULES = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        # form
        rules_form.notebook_metadata,
        rules_form.cell_metadata,
        rules_form.known_tags,
        rules_form.unique_ids,
        rules_form.notebook_size,
        rules_form.output_belongs_to_source,
        # code
        rules_code.setup_cell_first,
        rules_code.all_executed,
        rules_code.no_missing_output,
        rules_code.no_untested_twin,
        rules_code.code_fits_the_page,
        # text
        rules_text.one_title,
        rules_text.no_myst,
        rules_text.links_exist,
        rules_text.images_have_alt,
        rules_text.no_machine_paths,
        # output
        rules_output.no_error,
        rules_output.no_stderr,
        rules_output.output_size,
        rules_output.figures_are_titled_svg,
        rules_output.moving_figures_have_a_still,
        rules_output.no_dead_widget,
        rules_output.no_memory_address,
    )
}


def check_notebook(path: Path) -> list[Finding]:
    """All findings in the notebook at ``path``; none in a clean one."""
    return list(_findings(Page(path, read(path))))


def _findings(page: Page) -> Iterator[Finding]:
    for name, rule in RULES.items():
        for cell, what, remedy in rule(page):
            yield Finding(page.path, name, cell, what, remedy)
