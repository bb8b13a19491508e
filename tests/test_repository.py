"""The repository's address stands in one place, and every other place is equal to it."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tools.addresses import PLACEHOLDER, BadAddressError, parse, readdress
from tools.repository import (
    address,
    differences,
    own_addresses,
    pinned,
    places,
    set_address,
    site,
)
from tools.setup_cell import setup_cell

MINE = "https://github.com/me/our-book"


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy of every file that names the repository."""
    for path in places(root):
        target = tmp_path / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


@pytest.fixture
def small(root: Path, tmp_path: Path) -> Path:
    """A book of one notebook."""
    (tmp_path / "book").mkdir()
    for path in places(root):
        if path.parent == root:
            shutil.copy(path, tmp_path)
    text = notebook_with(setup_cell(address(root)))
    (tmp_path / "book/01.ipynb").write_text(json.dumps(json.loads(text), indent=1), "utf-8")
    return tmp_path


def notebook_with(source: str) -> str:
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "setup",
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_every_place_in_this_repository_names_the_address_of_pyproject():
    assert differences() == []


def test_there_are_notebooks_and_pages_among_the_places(root: Path):
    names = [path.name for path in places(root)]
    assert {"README.md", "CITATION.cff", "_config.yml", "pyproject.toml", "index.md"} <= set(names)
    assert any(name.endswith(".ipynb") for name in names)


def test_setting_an_address_reaches_every_place_and_leaves_no_placeholder(copy: Path):
    set_address(MINE, copy)
    assert address(copy) == MINE
    assert differences(copy) == []
    for path in places(copy):
        assert PLACEHOLDER.lower() not in path.read_text(encoding="utf-8").lower(), path


def test_setting_an_address_and_setting_it_back_changes_nothing(copy: Path):
    before = {path: path.read_bytes() for path in places(copy)}
    old = address(copy)
    assert set_address(MINE, copy)
    assert set_address(old, copy)
    assert {path: path.read_bytes() for path in places(copy)} == before


def test_setting_the_same_address_again_writes_nothing(copy: Path):
    assert set_address(address(copy), copy) == []


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff", "_config.yml"])
def test_a_place_with_another_address_is_named_and_mended(copy: Path, name: str):
    path = copy / name
    path.write_text(path.read_text(encoding="utf-8").replace(address(copy), MINE), encoding="utf-8")
    assert any(line.startswith(name) for line in differences(copy))
    set_address(address(copy), copy)
    if name != "README.md":  # prose may speak of other repositories, so it is named, not changed
        assert differences(copy) == []


def test_a_set_up_cell_with_another_address_is_named_and_mended(copy: Path):
    path = copy / "book" / "99_other.ipynb"
    path.write_text(notebook_with(setup_cell(MINE)), encoding="utf-8")
    assert any("99_other.ipynb" in line for line in differences(copy))
    set_address(address(copy), copy)
    assert differences(copy) == []


def test_a_cell_that_keeps_to_a_tag_still_names_its_repository(copy: Path):
    path = copy / "book" / "99_other.ipynb"
    path.write_text(notebook_with(setup_cell(MINE, "v1.0")), encoding="utf-8")
    assert parse(MINE) in own_addresses(copy)


def test_a_set_up_cell_that_was_edited_is_brought_back_to_the_template(copy: Path):
    path = copy / "book" / "99_other.ipynb"
    edited = setup_cell(address(copy)) + "\nprint('hello')"
    path.write_text(notebook_with(edited), encoding="utf-8")
    assert any("99_other.ipynb" in line for line in differences(copy))
    set_address(address(copy), copy)
    assert differences(copy) == []


def test_the_code_of_a_paper_with_the_same_name_is_left_alone(copy: Path):
    cited = "see https://github.com/somebody-else/our-book and https://github.com/me/our-book-2\n"
    page = copy / "index.md"
    page.write_text(page.read_text(encoding="utf-8") + cited, encoding="utf-8")
    set_address(MINE, copy)
    set_address("https://github.com/you/third", copy)
    assert page.read_text(encoding="utf-8").endswith(cited)


@pytest.mark.parametrize(
    ("url", "given", "site_of_it"),
    [
        ("https://github.com/Me/Our.Book", "", "https://me.github.io/Our.Book/"),
        ("https://github.com/Our-Course/our-course.github.io", "", "https://our-course.github.io/"),
        (MINE, "https://teaching.example.org", "https://teaching.example.org/"),
        (MINE, "https://example.org/teaching/maml/", "https://example.org/teaching/maml/"),
    ],
)
def test_the_site_follows_or_is_given_and_all_goes_back(small: Path, url, given, site_of_it):
    before = {path: path.read_bytes() for path in places(small)}
    old = address(small)
    set_address(url, small, given)
    assert site(small) == site_of_it
    assert f"({site_of_it})" in (small / "README.md").read_text("utf-8")
    config = yaml.safe_load((small / "_config.yml").read_text("utf-8"))
    assert config["html"]["baseurl"] == site_of_it
    assert differences(small) == []
    set_address(old, small)
    assert {path: path.read_bytes() for path in places(small)} == before


@pytest.mark.parametrize("name", ["README.md", "_config.yml"])
def test_a_place_with_another_site_is_named_and_mended(small: Path, name: str):
    path = small / name
    text = path.read_text("utf-8")
    path.write_text(text.replace(site(small), "https://teaching.example.org/"), "utf-8")
    assert any(line.startswith(name) for line in differences(small))
    if name == "_config.yml":
        set_address(address(small), small)
        assert path.read_text("utf-8") == text


def test_the_sites_of_others_on_the_same_host_are_left_alone(small: Path):
    others = "https://me.github.io/our-book-2/ https://me.github.io/other/ https://me.github.io/a/b"
    mine = "https://me.github.io/our-book/book/03_episodes.html, https://me.github.io/our-book."
    page = small / "index.md"
    page.write_text(f"{others} {mine}", "utf-8")
    set_address(MINE, small)
    set_address("https://github.com/me/me.github.io", small)
    set_address("https://github.com/me/me.github.io", small)
    root = "https://me.github.io/book/03_episodes.html, https://me.github.io."
    assert page.read_text("utf-8") == f"{others} {root}"
    set_address(MINE, small)
    assert page.read_text("utf-8") == f"{others} {mine}"


@pytest.mark.parametrize(
    "given",
    ["teaching.example.org", "http://teaching.example.org", "https://a.b/../c", "https://a b.org"],
)
def test_what_is_no_site_is_named_and_nothing_is_written(small: Path, given: str):
    before = {path: path.read_bytes() for path in places(small)}
    with pytest.raises(BadAddressError, match="no site's address"):
        set_address(MINE, small, given)
    assert {path: path.read_bytes() for path in places(small)} == before


def test_a_name_that_only_begins_alike_is_another():
    own, to = {parse(MINE)}, ("you", "third")
    sites, to_site = {"https://a.org/x/", "https://a.org/x/maml/"}, "https://b.org/"
    others = f"{MINE}.js {MINE}-2 {MINE}.git-lfs https://a.org/x.y/ https://a.org/xy"
    assert readdress(others, own, to, sites, to_site) == others
    mine = f"{MINE}.git {MINE}. {MINE}/issues https://a.org/x/maml/book https://a.org/x/book"
    third = "https://github.com/you/third"
    assert readdress(mine, own, to, sites, to_site) == (
        f"{third}.git {third}. {third}/issues https://b.org/book https://b.org/book"
    )


def test_a_host_that_will_not_do_is_told_why():
    with pytest.raises(BadAddressError, match="gitlab.com will not do: Colab"):
        parse("https://gitlab.com/me/my-copy")
    with pytest.raises(BadAddressError, match="that is a site: SITE= takes it"):
        parse("https://me.github.io/my-copy/")


def test_the_site_and_colab_links_follow(copy: Path):
    page = copy / "index.md"
    owner, name = parse(address(copy))
    page.write_text(
        f"https://{owner.lower()}.github.io/{name}/ "
        f"https://colab.research.google.com/github/{owner}/{name}/blob/main/book/03_episodes.ipynb",
        encoding="utf-8",
    )
    set_address("https://github.com/Me/my-copy", copy)
    assert page.read_text(encoding="utf-8") == (
        "https://me.github.io/my-copy/ "
        "https://colab.research.google.com/github/Me/my-copy/blob/main/book/03_episodes.ipynb"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://gitlab.com/me/my-copy",
        "git@gitlab.com:me/my-copy.git",
        "https://me.github.io/my-copy/",
        "my-copy",
        "me/my-copy",
        "https://github.com/me",
        "http://github.com/me/my-copy",
        "https://example.org/me/my-copy",
        "https://github.com/me/my copy",
        'https://github.com/me/"; import os',
        "https://github.com/-me/my-copy",
        "https://github.com/me/..",
        "https://github.com/me/my-copy/tree/main",
    ],
)
def test_what_is_no_address_is_named_and_nothing_is_written(copy: Path, url: str):
    before = {path: path.read_bytes() for path in places(copy)}
    with pytest.raises(BadAddressError, match="give one like") as error:
        set_address(url, copy)
    assert repr(url) in str(error.value)
    assert {path: path.read_bytes() for path in places(copy)} == before


def test_a_copy_for_a_term_installs_and_opens_its_tag_and_lets_go_of_it_again(copy: Path):
    before = {path: content(path) for path in places(copy)}
    old = address(copy)
    set_address(old, copy, ref="v1.0")
    assert pinned(copy) == "v1.0"
    assert differences(copy) == []
    notebooks = [path for path in places(copy) if path.suffix == ".ipynb"]
    assert notebooks
    for path in notebooks:
        assert f"{address(copy)}@v1.0" in path.read_text(encoding="utf-8"), path
    assert "\n  branch: v1.0\n" in (copy / "_config.yml").read_text(encoding="utf-8")
    set_address(MINE, copy, ref="v1.1")  # another copy, another tag
    assert differences(copy) == []
    set_address(old, copy)
    assert {path: content(path) for path in places(copy)} == before


def content(path: Path) -> object:
    """What a file says; of a notebook, whatever the order of its keys."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".ipynb" else text


def test_a_button_that_opens_another_branch_is_named_and_mended(copy: Path):
    path = copy / "_config.yml"
    path.write_text(path.read_text("utf-8").replace("branch: main", "branch: v0.9"), "utf-8")
    assert any("branch is not 'main'" in line for line in differences(copy))
    set_address(address(copy), copy)
    assert differences(copy) == []


@pytest.mark.parametrize("ref", ["v1 0", "-v1", '"; import os', "v1@2", "../x y"])
def test_what_is_no_tag_is_named_and_nothing_is_written(copy: Path, ref: str):
    before = {path: path.read_bytes() for path in places(copy)}
    with pytest.raises(BadAddressError, match="give one like REF=v1.0"):
        set_address(MINE, copy, ref=ref)
    assert {path: path.read_bytes() for path in places(copy)} == before


@pytest.mark.parametrize("ending", ["", "/", ".git", ".git/"])
def test_an_address_copied_from_the_browser_or_from_git_is_understood(ending: str):
    assert parse(MINE + ending) == ("me", "our-book")
    for start in ("git@github.com:", "ssh://git@github.com/"):
        assert parse(f"{start}me/our-book{ending}") == ("me", "our-book")


def test_the_set_up_cell_is_short_and_never_names_torch_as_something_to_install():
    cell = setup_cell(MINE)
    assert len(cell.splitlines()) <= 8
    install = next(line for line in cell.splitlines() if "%pip" in line)
    assert "torch" not in install and "--upgrade" not in install and "-U" not in install
