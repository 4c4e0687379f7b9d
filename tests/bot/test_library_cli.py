"""Admins look into the index, take a document out of it, and clear away what its source has left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowledge.chroma import ChromaVectors
from knowledge.edition_folders import EditionFolders
from knowledge.editions import Editions
from knowledge.records import DocumentFailure

Lorebot = Callable[..., Any]


def in_json(lorebot: Lorebot, *arguments: str) -> dict[str, Any]:
    done = lorebot(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.fixture
def indexed(lorebot: Lorebot, office: Path) -> Path:
    """The team's folder after its first sync; one document is broken."""
    (office / "documents" / "empty.md").write_text("", encoding="utf-8")
    lorebot("sync")
    return office


def add_source(office: Path, name: str, *documents: str) -> None:
    (office / name).mkdir()
    for document in documents:
        (office / name / document).write_text(f"# Notes\n\nWhat {name} says of lunch.\n", encoding="utf-8")
    table = f'[[sources]]\nname = "{name}"\nkind = "folder"\npath = "{name}"\n'
    config = office / "lorebot.toml"
    config.write_text(config.read_text() + table, encoding="utf-8")


def drop_sources(office: Path) -> None:
    (office / "lorebot.toml").write_text('home = "home"\n', encoding="utf-8")


# Sources


def test_sources_are_listed_with_what_is_indexed_of_them(lorebot: Lorebot, indexed: Path) -> None:
    (listed,) = in_json(lorebot, "sources", "list")["sources"]
    assert (listed["name"], listed["configured"]) == ("office", True)
    assert (listed["documents"], listed["passages"], listed["outcome"]) == (2, 2, "complete")


def test_a_source_is_shown_with_what_cannot_be_read_and_why(lorebot: Lorebot, indexed: Path) -> None:
    shown = in_json(lorebot, "sources", "show", "office")
    assert (shown["kind"], shown["location"]) == ("folder", str(indexed / "documents"))
    assert (shown["audience"], shown["counts"]["added"]) == (["everyone"], 2)
    (failure,) = shown["failing"]
    assert failure["uri"] == "empty.md"
    assert "is empty" in failure["error"]


def test_a_password_in_the_url_of_a_source_is_not_shown(lorebot: Lorebot, office: Path) -> None:
    config = office / "lorebot.toml"
    table = '[[sources]]\nname = "code"\nkind = "git"\nurl = "https://me:secret@127.0.0.1/code.git"\n'
    config.write_text(config.read_text() + table, encoding="utf-8")
    shown = in_json(lorebot, "sources", "show", "code")
    assert shown["location"] == "https://127.0.0.1/code.git"


def test_one_source_is_synced(lorebot: Lorebot, indexed: Path) -> None:
    add_source(indexed, "drive", "lunch.md")
    (indexed / "documents" / "parking.md").unlink()
    done = in_json(lorebot, "sources", "sync", "drive")
    assert (done["added"], done["removed"]) == (1, 0)


def test_a_source_that_has_left_the_settings_is_removed(lorebot: Lorebot, indexed: Path) -> None:
    kept = indexed / "home" / "sources" / "office"
    kept.mkdir(parents=True)
    drop_sources(indexed)
    (listed,) = in_json(lorebot, "sources", "list")["sources"]
    change = in_json(lorebot, "sources", "remove", "office")
    assert listed["configured"] is False
    assert (change["done"], change["documents_removed"], change["passages_removed"]) == ("removed", 2, 2)
    assert in_json(lorebot, "sources", "list")["sources"] == []
    assert in_json(lorebot, "search", "where do visitors park")["passages"] == []
    assert not kept.exists()


def test_a_source_that_is_configured_is_not_removed(lorebot: Lorebot, indexed: Path) -> None:
    done = lorebot("sources", "remove", "office")
    assert done.code == 2
    assert "remove it from lorebot.toml first" in done.err
    assert in_json(lorebot, "documents", "list")["total"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("sources", "show", "ofice"),
        ("sources", "sync", "ofice"),
        ("sources", "remove", "ofice"),
        ("documents", "list", "--source", "ofice"),
        ("documents", "forget", "parking.md", "--source", "ofice"),
    ],
)
def test_a_source_that_does_not_exist_is_answered_with_the_nearest(
    lorebot: Lorebot, indexed: Path, arguments: tuple[str, ...]
) -> None:
    done = lorebot(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err == "lorebot: there is no source 'ofice'; did you mean 'office'?\n"


# Documents and passages


def test_documents_are_listed_up_to_a_limit(lorebot: Lorebot, indexed: Path) -> None:
    listed = in_json(lorebot, "documents", "list", "--limit", "1")
    assert [document["uri"] for document in listed["documents"]] == ["coffee.md"]
    assert listed["total"] == 2
    assert "1 more; --limit shows them" in lorebot("documents", "list", "--limit", "1").out


def test_documents_of_one_source_are_listed(lorebot: Lorebot, indexed: Path) -> None:
    add_source(indexed, "drive", "lunch.md")
    lorebot("sync")
    listed = in_json(lorebot, "documents", "list", "--source", "drive")
    assert [document["uri"] for document in listed["documents"]] == ["lunch.md"]


def test_a_document_is_shown_with_its_passages(lorebot: Lorebot, indexed: Path) -> None:
    shown = in_json(lorebot, "documents", "show", "parking.md")
    assert (shown["source"], shown["document"]["title"]) == ("office", "Parking")
    assert (shown["document"]["audience"], shown["failure"]) == (["everyone"], None)
    assert [passage["heading"] for passage in shown["passages"]] == ["Visitors"]


def test_a_document_that_cannot_be_read_is_shown_with_the_reason(lorebot: Lorebot, indexed: Path) -> None:
    shown = in_json(lorebot, "documents", "show", "empty.md")
    assert shown["document"] is None
    assert "is empty" in shown["failure"]["error"]


def test_the_passages_of_a_document_are_shown_in_full(lorebot: Lorebot, indexed: Path) -> None:
    (passage,) = in_json(lorebot, "passages", "show", "parking.md")["passages"]
    assert "Visitors park in bay 14. The barrier code is 4711." in passage["text"]


def test_a_passage_is_shown_by_its_id(lorebot: Lorebot, indexed: Path) -> None:
    found = in_json(lorebot, "search", "where do visitors park")["passages"][0]
    (passage,) = in_json(lorebot, "passages", "show", str(found["passage_id"]))["passages"]
    assert passage["uri"] == "parking.md"


@pytest.mark.parametrize("wanted", ["999999", "9" * 40])
def test_an_id_that_no_passage_has_is_refused(lorebot: Lorebot, indexed: Path, wanted: str) -> None:
    done = lorebot("passages", "show", wanted)
    assert done.code == 2
    assert f"there is no passage {wanted}" in done.err


def test_a_number_that_names_a_document_is_that_document(lorebot: Lorebot, indexed: Path) -> None:
    editions = Editions(EditionFolders(indexed / "home" / "index"), print, ChromaVectors)
    entry = DocumentFailure("1", "", "An entry of a feed.", datetime.now(UTC))
    editions.live().catalog.add_failures("office", [entry])
    assert in_json(lorebot, "passages", "show", "1")["passages"] == []


def test_what_a_document_says_does_not_steer_the_terminal(lorebot: Lorebot, indexed: Path) -> None:
    text = "# Colours\n\nIt is \x1b[31mred\x1b[0m and [bold]loud[/bold].\n"
    (indexed / "documents" / "colours.md").write_text(text, encoding="utf-8")
    lorebot("sync")
    shown = lorebot("passages", "show", "colours.md").out
    assert "\x1b" not in shown
    assert "[bold]loud[/bold]" in shown


@pytest.mark.parametrize(
    "command", [("documents", "show"), ("documents", "forget"), ("passages", "show")], ids=" ".join
)
def test_a_document_that_does_not_exist_is_answered_with_the_nearest(
    lorebot: Lorebot, indexed: Path, command: tuple[str, str]
) -> None:
    done = lorebot(*command, "parkin.md")
    assert (done.code, done.out) == (2, "")
    assert done.err == "lorebot: there is no document 'parkin.md'; did you mean 'parking.md'?\n"


def test_a_document_of_several_sources_needs_the_source_named(lorebot: Lorebot, indexed: Path) -> None:
    add_source(indexed, "drive", "parking.md")
    lorebot("sync")
    unclear = lorebot("documents", "forget", "parking.md")
    named = in_json(lorebot, "documents", "forget", "parking.md", "--source", "drive")
    assert unclear.code == 2
    assert "in several sources (office, drive); add --source NAME" in unclear.err
    assert named["source"] == "drive"
    assert in_json(lorebot, "documents", "show", "parking.md")["source"] == "office"


# Forgetting


def test_a_forgotten_document_is_not_found_and_does_not_come_back(lorebot: Lorebot, indexed: Path) -> None:
    change = in_json(lorebot, "documents", "forget", "parking.md")
    at_once = in_json(lorebot, "search", "where do visitors park")["passages"]
    lorebot("sync")
    later = in_json(lorebot, "search", "where do visitors park")["passages"]
    assert (change["done"], change["uri"], change["passages_removed"]) == ("forgotten", "parking.md", 1)
    assert [{passage["uri"] for passage in found} for found in (at_once, later)] == [{"coffee.md"}] * 2


def test_forgetting_says_that_it_lasts_and_how_to_lift_it(lorebot: Lorebot, indexed: Path) -> None:
    said = lorebot("documents", "forget", "parking.md").out
    assert "stays out of the index, also while its source still lists it" in said
    assert "`lorebot documents restore` lifts that" in said


def test_what_is_forgotten_is_listed(lorebot: Lorebot, indexed: Path) -> None:
    lorebot("documents", "forget", "parking.md")
    listed = in_json(lorebot, "documents", "list")
    shown = in_json(lorebot, "sources", "show", "office")
    assert [document["uri"] for document in listed["documents"]] == ["coffee.md"]
    assert [document["uri"] for document in listed["forgotten"]] == ["parking.md"]
    assert shown["forgotten"] == listed["forgotten"]


@pytest.mark.parametrize(
    "command", [("documents", "show"), ("documents", "forget"), ("passages", "show")], ids=" ".join
)
def test_of_a_forgotten_document_one_is_told_that_it_is_forgotten(
    lorebot: Lorebot, indexed: Path, command: tuple[str, str]
) -> None:
    lorebot("documents", "forget", "parking.md")
    done = lorebot(*command, "parking.md")
    assert done.code == 2
    assert "'parking.md' of source 'office' is forgotten since" in done.err


def test_a_restored_document_is_found_after_the_next_sync(lorebot: Lorebot, indexed: Path) -> None:
    lorebot("documents", "forget", "parking.md")
    change = in_json(lorebot, "documents", "restore", "parking.md")
    lorebot("sync")
    found = in_json(lorebot, "search", "where do visitors park")["passages"]
    assert (change["done"], found[0]["uri"]) == ("restored", "parking.md")


def test_only_what_is_forgotten_can_be_restored(lorebot: Lorebot, indexed: Path) -> None:
    nothing = lorebot("documents", "restore", "parking.md")
    lorebot("documents", "forget", "parking.md")
    other = lorebot("documents", "restore", "coffee.md")
    assert (nothing.code, other.code) == (2, 2)
    assert "no document is forgotten" in nothing.err
    assert "there is no forgotten document 'coffee.md'; did you mean 'parking.md'?" in other.err
