"""One version, wherever the course names it; its citation and its archive say the same."""

import json
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

CHANGE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", re.MULTILINE)
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
# The words that Zenodo takes, and that this course could need.
UPLOADS = {"software", "publication", "lesson", "dataset", "other"}
ZENODO = {
    "title", "description", "creators", "version", "upload_type", "access_right", "license",
    "language", "keywords", "notes",
}  # fmt: skip


@pytest.fixture
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def citation(root: Path) -> dict:
    return yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))


@pytest.fixture
def archive(root: Path) -> dict:
    return json.loads((root / ".zenodo.json").read_text("utf-8"))


@pytest.fixture
def changes(root: Path) -> str:
    return (root / "CHANGELOG.md").read_text("utf-8")


def test_every_place_names_the_version_of_pyproject(project, citation, archive, changes) -> None:
    newest, when = CHANGE.findall(changes)[0]
    assert project["version"] == newest == str(citation["version"]) == archive["version"]
    assert str(citation["date-released"]) == when


def test_the_changelog_keeps_its_form(changes: str) -> None:
    headings = re.findall(r"^## .*$", changes, re.MULTILINE)
    assert set(headings) - {"## [Unreleased]"} == {found[0] for found in CHANGE.finditer(changes)}
    found = [
        (tuple(map(int, v.split("."))), date.fromisoformat(d)) for v, d in CHANGE.findall(changes)
    ]
    assert found == sorted(found, reverse=True)
    assert set(re.findall(r"^### (.*)$", changes, re.MULTILINE)) <= KINDS


def test_the_citation_says_what_a_citation_must(citation: dict, project: dict) -> None:
    assert {"cff-version", "message", "title", "authors", "license"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all("name" in who or {"family-names", "given-names"} <= who.keys()
               for who in citation["authors"])  # fmt: skip
    assert citation["license"] == project["license"]
    assert citation["repository-code"] == project["urls"]["Repository"]


def test_the_archive_says_what_the_citation_says(archive: dict, citation: dict) -> None:
    assert archive.keys() <= ZENODO
    assert archive["upload_type"] in UPLOADS and archive["access_right"] == "open"
    assert archive["description"] == citation["abstract"].strip()
    for key in ("title", "license", "keywords"):
        assert archive[key] == citation[key]
    people = [
        who.get("name") or f"{who['family-names']}, {who['given-names']}"
        for who in citation["authors"]
    ]
    assert [who["name"] for who in archive["creators"]] == people
