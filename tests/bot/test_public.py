"""Members of the team read what is for `everyone` and what is `public`; guests read what is public alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.assembly import Assembly
from bot.readable import readable_sources, reader_in
from bot.settings import SettingsError, load_settings
from bot.trial import index_everything
from connectors.conversation import Asker, Place
from knowledge.documents import Reader

MEMBER = frozenset({"everyone", "public"})
GUEST = frozenset({"public"})
SOURCES = {"team": '["everyone"]', "help": '["public"]', "board": '["group:board"]'}
QUESTION = "When does it begin?"

Opening = Callable[..., Assembly]


@pytest.fixture
async def opening(tmp_path: Path, models: Path) -> AsyncIterator[Opening]:
    """Open a home with these sources, whose audiences may have been changed."""
    opened: list[Assembly] = []
    for source in SOURCES:
        (tmp_path / source).mkdir()
        text = f"# Dates of {source}\n\nIt begins on 3 May at nine in the {source} room.\n"
        (tmp_path / source / f"{source}.md").write_text(text, encoding="utf-8")

    def open_with(**audiences: str) -> Assembly:
        lines = ['home = "home"']
        for source, audience in (SOURCES | audiences).items():
            lines += ["[[sources]]", f'name = "{source}"', 'kind = "folder"', f'path = "{source}"']
            lines += [f"audience = {audience}"]
        config = tmp_path / "lorebot.toml"
        config.write_text("\n".join(lines), encoding="utf-8")
        opened.append(Assembly(load_settings(config), print, models))
        return opened[-1]

    yield open_with
    for assembly in opened:
        await assembly.close()


def read(assembly: Assembly, *principals: frozenset[str]) -> set[str]:
    """Sources of which readers with these principals find something."""
    return {passage.source for passage in assembly.search.find(QUESTION, Reader(principals))}


def test_guests_find_what_is_public_and_members_what_is_the_teams_too(opening: Opening) -> None:
    assembly = opening()
    index_everything(assembly)

    assert read(assembly, GUEST) == {"help"}
    assert read(assembly, MEMBER) == {"help", "team"}
    assert read(assembly, MEMBER | {"group:board"}) == {"help", "team", "board"}


def test_where_a_guest_reads_too_a_member_finds_what_is_public(opening: Opening) -> None:
    assembly = opening()
    index_everything(assembly)

    assert read(assembly, MEMBER | {"group:board"}, GUEST) == {"help"}


@pytest.mark.parametrize("audience", ['["everyone"]', '["everyone", "group:board"]', '["group:board"]'])
def test_a_source_that_is_public_no_more_is_closed_to_guests_before_the_first_question(
    opening: Opening, audience: str
) -> None:
    index_everything(opening())

    closed = opening(help=audience)

    assert read(closed, GUEST) == set()
    assert ("help" in read(closed, MEMBER)) == ("everyone" in audience)
    assert "help" in read(closed, MEMBER | {"group:board"})


def test_a_source_becomes_public_with_the_next_sync(opening: Opening) -> None:
    index_everything(opening())
    opened = opening(team='["public"]')

    assert read(opened, MEMBER) == {"help", "team"}
    index_everything(opened)
    assert read(opened, GUEST) == {"help", "team"}


def test_the_sources_that_somebody_may_know_of_are_those_that_all_readers_may_read(opening: Opening) -> None:
    assembly = opening()
    board = Asker("U1", principals=MEMBER | {"group:board"})

    def known(asker: Asker, place: frozenset[str] | None) -> frozenset[str]:
        return readable_sources(assembly, reader_in(asker, Place("slack", "C1", place, "T1")))

    assert known(board, None) == {"team", "help", "board"}
    assert known(board, MEMBER) == {"team", "help"}
    assert known(board, GUEST) == {"help"}
    assert known(board, frozenset()) == set()


def test_nobody_makes_the_whole_world_admins(tmp_path: Path) -> None:
    config = tmp_path / "lorebot.toml"
    config.write_text('home = "home"\n[slack]\nadmins = ["public"]\n', encoding="utf-8")

    with pytest.raises(SettingsError, match=r"'slack\.admins': 'public' is anybody at all, guests included"):
        load_settings(config)
