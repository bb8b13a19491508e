"""The one set-up cell that opens every notebook: the template's only home.

`tools/repository.py` writes it into the notebooks with the repository's address, and
`python -m tools.notebooks check` refuses a notebook whose first code cell differs from it.

`--no-deps`, because pip would otherwise fetch all that Colab's torch names but does not have as a
package, gigabytes of NVIDIA parts. What is small and might be missing is named instead.
"""

TEMPLATE = """\
# Set-up: fetch the book's package where it is missing. Your torch stays.
import importlib.util
import os

REPOSITORY = "{repository}"
if importlib.util.find_spec("maml_tutorial") is None:
    source = os.environ.get("MAML_TUTORIAL_REPOSITORY", REPOSITORY)
    %pip install --quiet --no-deps click safetensors tqdm "git+{{source}}"\
"""


def setup_cell(repository: str, ref: str = "") -> str:
    """Return the source of the set-up cell for one repository address.

    Args:
        repository: Address to install the package from, such as ``https://github.com/me/book``.
        ref: A tag, branch or commit to install; "" for what is newest.

    Returns:
        Source of the notebook's first code cell, without a final newline.

    Example:
        >>> setup_cell("https://github.com/me/book").splitlines()[1:3]
        ['import importlib.util', 'import os']
        >>> setup_cell("https://github.com/me/book", "v1.0").splitlines()[4]
        'REPOSITORY = "https://github.com/me/book@v1.0"'
    """
    return TEMPLATE.format(repository=f"{repository}@{ref}" if ref else repository)
