"""The notebooks run in Colab, imitated: nothing but their set-up cell makes them work.

An environment as Colab's is made in seconds: a new virtual environment that sees the torch,
torchvision, matplotlib and ipywidgets of this one (links, with what they need), plus the kernel
that runs the cells, and nothing else of this project. The set-up cell, the same in every notebook,
installs the package with pip from a git clone, as it does from the repository's address in Colab.
This is done once; then notebooks run there, each alone in an empty folder.

What differs from the real thing: this Python's and torch's version, no GPU, and none of the
hundreds of other packages that Colab has.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement

from tools.notebooks import find_notebooks, read
from tools.notebooks.files import code_cells
from tools.notebooks.rules_code import expected_setup_cell
from tools.notebooks.run import execute

# A chapter takes up to a minute; its solutions need nothing that the chapter does not.
CHAPTERS = [path for path in find_notebooks() if path.parent.name == "book"]
# Between them they use all that could differ there: figures, games, widgets, weights, records, the
# lack of Omniglot. Of each chapter all imports are run, and all records and weights are read.
# `COLAB_CHAPTERS="09 10"` names others; once a week all run in Colab's own image (colab.yml).
WHOLE = tuple(os.environ.get("COLAB_CHAPTERS", "01 03 04").split())
READERS = {"load_benchmark", "load_record", "load_weights"}
ROOTS = ("torch", "torchvision", "matplotlib", "pip")
# As Colab has them; their front-end parts and a notebook server are not needed to run a cell.
# With the newer ones of this environment `make test` runs every cell of every chapter.
KERNEL = (
    "ipywidgets==7.7.1 ipykernel==6.17.1 ipython==7.34.0 "
    "ipython_genutils==0.2.0 backcall==0.2.0 pickleshare==0.7.5 decorator==5.1.1"
).split()
FETCHED = {"maml-tutorial", "click", "safetensors", "tqdm"}  # all that a set-up cell may bring
OWN_KERNEL = {"ipywidgets", "widgetsnbextension", "jupyterlab-widgets", "ipykernel", "ipython"}
INSTALLED = """
import importlib.metadata, json, os
found = {}
for dist in reversed(list(importlib.metadata.distributions())):  # the first on the path wins
    file = next((f for f in dist.files or () if f.name == "METADATA"), None)
    if file is not None:
        path = os.path.realpath(dist.locate_file(file))
        name = dist.metadata["Name"].lower().replace("_", "-")
        found[name] = (dist.version, path, os.stat(path).st_mtime_ns)
print(json.dumps(found))
"""


def run(*command: str | Path, **options: object) -> str:
    """Run a command and return what it prints.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def closure(names: tuple[str, ...]) -> set[str]:
    """``names`` and all that they need, of what is installed here."""
    found: set[tuple[str, str]] = set()
    todo = [(name, "") for name in names]  # a distribution, and an extra of it or none
    while todo:
        name, extra = pair = todo.pop()
        if pair not in found:
            found.add(pair)
            for need in map(Requirement, distribution(name).requires or []):
                if not need.marker or need.marker.evaluate({"extra": extra}):
                    todo += [(need.name.lower(), wanted) for wanted in ("", *need.extras)]
    return {name for name, _ in found}


def installed(python: Path) -> dict[str, list[object]]:
    """Name → (version, a file, when it was written) of all that ``python`` sees."""
    return json.loads(run(python, "-c", INSTALLED, env=clean_environment()))


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would let the package in by the back door."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")} | more


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where pip reaches no package index: the set-up cell needs one, in Colab too."""
    wanted = (
        "--no-deps",
        "--quiet",
        "--dest",
        tmp_path_factory.mktemp("wheel"),
        "flit_core>=3.12,<4",
    )
    try:
        run(sys.executable, "-m", "pip", "download", "--retries", "1", *wanted)
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no network: pip cannot fetch flit_core ({str(error).splitlines()[-1]})")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A git repository with the working tree as its one commit: no other state reaches Colab."""
    folder = tmp_path_factory.mktemp("clone")
    listed = run("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=root)
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    author = (
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@localhost",
        "-c",
        "commit.gpgsign=false",
    )
    run("git", *author, "commit", "--quiet", "-m", "The working tree", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory, network: None) -> Path:
    """The Python of an environment that has what Colab has, and nothing of this project."""
    folder = tmp_path_factory.mktemp("colab")
    run(sys._base_executable, "-m", "venv", "--without-pip", folder / "env")
    python = folder / "env" / "bin" / "python"
    only = folder / "only"
    only.mkdir()
    for name in closure(ROOTS + ("ipykernel", "ipywidgets")) - OWN_KERNEL:
        link(name, only)
    # pip leaves packages alone that it finds by such a line, so the links are safe from it.
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    (site / "only.pth").write_text(str(only))
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", *KERNEL)
    return python


def link(name: str, folder: Path) -> None:
    """Put links to the modules of an installed distribution into ``folder``."""
    for file in distribution(name).files or []:
        top = file.parts[0]
        if top not in ("..", "__pycache__") and not (folder / top).exists():
            (folder / top).symlink_to(distribution(name).locate_file(top))


@contextmanager
def kernel_of(python: Path, clone: Path, folder: Path) -> Iterator[str]:
    """A kernel of ``python`` with an empty cache, whose set-up cells install from ``clone``."""
    spec = folder / "jupyter" / "kernels" / "colab"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "Colab", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
        patch.setenv("MAML_TUTORIAL_REPOSITORY", clone.as_uri())
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            patch.delenv(name, raising=False)
        yield "colab"


@pytest.fixture(scope="module")
def before(colab: Path) -> dict[str, list[object]]:
    """The packages of ``colab`` before the book's own came."""
    return installed(colab)


@pytest.fixture(scope="module")
def after(
    before: object, colab: Path, clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[object]]:
    """The packages of ``colab`` after a set-up cell, with which the next cell could work."""
    folder = tmp_path_factory.mktemp("set-up")
    cells = [new_code_cell(expected_setup_cell()), new_code_cell("import maml_tutorial")]
    with kernel_of(colab, clone, folder) as kernel:
        execute(new_notebook(cells=cells), folder / "set-up.ipynb", kernel=kernel)
    return installed(colab)


@pytest.mark.slow
def test_the_environment_has_what_colab_has_and_nothing_of_ours(
    before: dict[str, list[object]],
) -> None:
    assert {"torch", "torchvision", "matplotlib", "ipywidgets", "ipykernel"} <= set(before)
    assert before["torch"][0] == distribution("torch").version
    assert not {"maml-tutorial", "pytest", "jupyter-book", "ruff"} & set(before)


@pytest.mark.slow
def test_another_torch_would_be_noticed(colab: Path) -> None:
    before = installed(colab)
    site = next(colab.parents[1].glob("lib/python*/site-packages"))
    fake = site / "torch-0.0.1.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.0.1\n")
    (fake / "RECORD").write_text("torch-0.0.1.dist-info/METADATA,,\n")
    try:
        assert installed(colab)["torch"] != before["torch"]
    finally:
        shutil.rmtree(fake)


@pytest.mark.slow
def test_the_set_up_cell_brings_the_package_and_leaves_every_other_as_it_was(
    before: dict[str, list[object]], after: dict[str, list[object]], colab: Path
) -> None:
    assert {name: after.get(name) for name in before} == before
    assert set(after) - set(before) == FETCHED
    where = Path(after["maml-tutorial"][1])
    assert where.is_relative_to(colab.parents[1].resolve()), "the package came from elsewhere"


def files(package: Path) -> set[str]:
    """The files of a package, but for what Python or an editor leaves there."""
    names = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    return {name for name in names if not re.search(r"__pycache__|(^|/)\.|~$", name)}


@pytest.mark.slow
def test_the_set_up_cell_brings_every_file_of_the_package(
    after: dict[str, list[object]], root: Path
) -> None:
    """Of no chapter is a figure, a record or the weights missing."""
    brought = Path(after["maml-tutorial"][1]).parents[1] / "maml_tutorial"
    assert files(brought) == files(root / "maml_tutorial")


@pytest.mark.parametrize("notebook", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_has_the_same_set_up_cell(notebook: Path) -> None:
    assert code_cells(read(notebook))[0].source == expected_setup_cell()


def opening(notebook: Path) -> str:
    """All that the cells of a notebook import, and the records and weights that they read."""
    parts = [ast.parse(cell.source) for cell in code_cells(read(notebook))[1:]]
    imports = [p for part in parts for p in part.body if isinstance(p, ast.Import | ast.ImportFrom)]
    assert imports
    calls = [call for part in parts for call in ast.walk(part) if isinstance(call, ast.Call)]
    reads = [call for call in calls if ast.unparse(call.func) in READERS]
    named = [call for call in reads if all(isinstance(arg, ast.Constant) for arg in call.args)]
    return "\n".join(map(ast.unparse, imports + named))


@pytest.mark.slow
def test_what_the_chapters_import_and_read_is_there(
    after: object, colab: Path, clone: Path, tmp_path: Path
) -> None:
    """In one kernel, to which the package is new for each chapter; the cell has its name."""
    anew = "import sys\nfor name in [*sys.modules]:\n"
    anew += "    if name.startswith('maml_tutorial'):\n        del sys.modules[name]\n"
    cells = [new_code_cell(anew + opening(path), id=path.stem) for path in CHAPTERS]
    with kernel_of(colab, clone, tmp_path) as kernel:
        execute(new_notebook(cells=cells), tmp_path / "openings.ipynb", kernel=kernel)


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_a_chapter_runs_alone_and_leaves_every_package_as_it_was(
    name: str, after: dict[str, list[object]], colab: Path, clone: Path, tmp_path: Path
) -> None:
    (notebook,) = [path for path in CHAPTERS if path.stem.startswith(name)]
    alone = tmp_path / "content" / notebook.name
    alone.parent.mkdir()
    shutil.copy(notebook, alone)
    with kernel_of(colab, clone, tmp_path) as kernel:
        execute(read(alone), alone, kernel=kernel)
    assert installed(colab) == after
