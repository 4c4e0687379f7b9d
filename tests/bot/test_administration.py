"""Commands in a chat: who may give them, what they do, and what is said of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.administration import ADMINISTRATION, Administration
from bot.assembly import Assembly
from bot.settings import load_settings
from connectors.conversation import Asker, Place, Progress
from connectors.grammar import parse
from connectors.ports import AdminEvent, Administered, Administering
from knowledge.locking import FileLocks

MakeVoice = Callable[..., Path]

MEMBER = frozenset({"everyone", "public"})
ADMIN = Asker("U1", "Ada", MEMBER | {"user:U1"})
TEAM_ADMIN = Asker("U2", "Bo", MEMBER | {"group:S7"})
SOMEBODY = Asker("U3", "Cy", MEMBER)
GUEST = Asker("U4", "Di", frozenset({"public"}))
HELP = Place("slack", "C1", MEMBER, "T1")
DIRECT = Place("slack", "D1", None, "T1")
THREAD = "slack:T1/C1/1.1"

SETTINGS = """
home = "home"
[slack]
admins = ["user:U1", "group:S7"]
[[sources]]
name = "office"
kind = "folder"
path = "documents"
base_url = "https://wiki.example/"
[[sources]]
name = "board"
kind = "folder"
path = "board"
audience = ["group:board"]
[[sources]]
name = "help"
kind = "folder"
path = "help"
audience = ["public"]
"""


class Team:
    """A team with three sources, and what its chat hears of the bot."""

    def __init__(self, assembly: Assembly, documents: Path) -> None:
        self.assembly = assembly
        self.documents = documents
        self.logged: list[Any] = []
        log = structlog.wrap_logger(None, processors=[self._log], wrapper_class=structlog.BoundLogger)
        admins = assembly.settings.slack.admins
        self.administration: Administering = Administration(assembly, assembly.manners, admins, log)

    def _log(self, logger: object, method: str, event: Any) -> Any:
        self.logged.append(dict(event))
        raise structlog.DropEvent

    async def events(
        self, text: str, asker: Asker = ADMIN, place: Place = HELP, conversation: str = THREAD
    ) -> list[AdminEvent]:
        command = parse(text)
        events = self.administration.administer(command, asker, place, conversation)
        return [event async for event in events]

    async def said(self, text: str, asker: Asker = ADMIN, place: Place = HELP) -> str:
        """The last event's text, of a command that is done."""
        *before, last = await self.events(text, asker, place)
        assert isinstance(last, Administered)
        assert not last.refused, last.text
        assert all(isinstance(event, Progress) for event in before)
        return last.text

    async def refused(self, text: str, asker: Asker = ADMIN, place: Place = HELP) -> str:
        last = (await self.events(text, asker, place))[-1]
        assert isinstance(last, Administered)
        assert last.refused, last.text
        assert "\n" not in last.text
        return last.text


@pytest.fixture
async def team(own_documents: Path, models: Path) -> AsyncIterator[Team]:
    for source, title in (("board", "Takeover"), ("help", "Opening hours")):
        (own_documents / source).mkdir()
        text = f"# {title}\n\n## Dates\n\nIt begins on 3 May at nine.\n"
        (own_documents / source / f"{source}.md").write_text(text, encoding="utf-8")
    config = own_documents / "lorebot.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    assembly = Assembly(load_settings(config), print, models)
    yield Team(assembly, own_documents / "documents")
    await assembly.close()


@contextmanager
def held(team: Team, source: str) -> Iterator[None]:
    """Another process syncs this source."""
    with FileLocks(team.assembly.layout.locks).holding(source):
        yield


def acts(team: Team) -> list[tuple[str, str]]:
    """Who ordered what, oldest first."""
    entries = reversed(team.assembly.journal.recent([ADMINISTRATION], 100))
    return [(entry.who, entry.subject) for entry in entries if "ends" not in entry.details]


# Who may


@pytest.mark.parametrize(
    "command", ["reindex", "adapter use base", "adapter rollback", "forget x", "channel off", "audit"]
)
@pytest.mark.parametrize("asker", [SOMEBODY, GUEST], ids=["member", "guest"])
async def test_who_is_no_admin_is_refused_and_told_who_can_help(
    team: Team, command: str, asker: Asker
) -> None:
    line = await team.refused(command, asker)

    assert "`user:U1`, `group:S7`" in line
    assert acts(team) == []


@pytest.mark.parametrize("asker", [ADMIN, TEAM_ADMIN], ids=["by name", "by group"])
async def test_an_admin_is_named_in_the_settings_by_name_or_by_group(team: Team, asker: Asker) -> None:
    assert team.administration.is_admin(asker)
    assert await team.said("channel off", asker) == "I answer in this channel never."


@pytest.mark.parametrize("command", ["help", "status", "sources", "adapter list", "channel", "quiet", "wake"])
async def test_what_changes_nothing_for_others_is_for_anybody(team: Team, command: str) -> None:
    assert await team.said(command, GUEST)


# Reindexing


async def test_a_reindex_says_what_it_did_to_each_source(team: Team) -> None:
    text = await team.said("reindex")

    assert "- **office** is up to date: 2 added" in text
    assert "- **board** is up to date: 1 added" in text


async def test_a_reindex_tells_how_far_it_is(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.reindexing._SECONDS_BETWEEN", 0.0)
    for number in range(120):
        (team.documents / f"{number}.md").write_text(f"# Note {number}\n\nText {number}.\n", encoding="utf-8")

    steps = [event.text for event in await team.events("reindex office") if isinstance(event, Progress)]

    reading = [step for step in steps if step.startswith("Reading ")]
    assert reading
    assert all(step.endswith(" of 122 documents of office") for step in reading)


async def test_a_reindex_of_one_source_leaves_the_others(team: Team) -> None:
    await team.said("reindex board")

    assert set(team.assembly.catalog.counts().by_source) == {"board"}


async def test_a_rebuild_reads_every_document_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    await team.said("reindex office")
    source, was_read = type(team.assembly.sources["office"]), []
    read = source.read

    def noted(self: Any, uri: str) -> Any:
        was_read.append(uri)
        return read(self, uri)

    monkeypatch.setattr(source, "read", noted)

    assert "nothing new in 2 documents" in await team.said("reindex office")
    assert was_read == []
    await team.said("reindex office --rebuild")
    assert sorted(was_read) == ["coffee.md", "parking.md"]


async def test_an_unknown_source_is_answered_with_the_nearest(team: Team) -> None:
    assert "did you mean 'office'?" in await team.refused("reindex ofice")


async def test_a_source_that_another_process_syncs_is_named_with_since_when(team: Team) -> None:
    with held(team, "office"):
        line = (await team.refused("reindex office")).replace("`", "")

    assert "**office** was not synced: Another sync of 'office' is running (pid" in line


async def test_a_paused_source_is_left_out_unless_it_is_named(team: Team) -> None:
    team.assembly.jobs.pause("office")

    assert "**office** is paused and was left out" in await team.said("reindex")
    assert "2 added" in await team.said("reindex office")


async def test_many_deletions_are_held_back_until_they_are_confirmed(team: Team) -> None:
    for number in range(12):
        (team.documents / f"{number}.md").write_text(f"# Note {number}\n\nText {number}.\n", encoding="utf-8")
    await team.said("reindex office")
    for path in team.documents.iterdir():
        path.unlink()

    assert "`/lorebot reindex office --confirm-deletions`" in await team.said("reindex office")
    assert "14 removed" in await team.said("reindex office --confirm-deletions")


async def test_closing_a_reindex_stops_it(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        (team.documents / f"{number}.md").write_text(f"# Note {number}\n\nText {number}.\n", encoding="utf-8")
    reading, go_on = threading.Event(), threading.Event()
    source = team.assembly.sources["office"]
    read = type(source).read

    def wait(self: Any, uri: str) -> Any:
        reading.set()
        go_on.wait(30)
        return read(self, uri)

    monkeypatch.setattr(type(source), "read", wait)

    run = team.administration.administer(parse("reindex office"), ADMIN, HELP, THREAD)
    async with aclosing(run):
        await anext(run)
        await asyncio.to_thread(reading.wait, 30)
        asyncio.get_running_loop().call_later(0.1, go_on.set)

    assert team.assembly.catalog.counts().documents < 42
    assert "cancelled" in await team.said("audit")
    assert not team.assembly.is_syncing("office")


# Forgetting


@pytest.mark.parametrize(
    "document",
    ["https://wiki.example/parking.md", "<https://wiki.example/parking.md#L3|parking>", "parking.md"],
)
async def test_a_document_is_forgotten_by_its_link_or_its_uri(team: Team, document: str) -> None:
    await team.said("reindex office")

    assert "`parking.md` of **office** is forgotten" in await team.said(f"forget {document}")

    assert set(team.assembly.catalog.known("office")) == {"coffee.md"}
    await team.said("reindex office")
    assert set(team.assembly.catalog.known("office")) == {"coffee.md"}


async def test_a_document_that_is_not_there_is_answered_with_the_nearest(team: Team) -> None:
    await team.said("reindex office")

    assert "did you mean 'parking.md'?" in await team.refused("forget parkin.md")


async def test_what_is_being_synced_is_forgotten_later(team: Team) -> None:
    await team.said("reindex office")

    with held(team, "office"):
        assert "Another sync of 'office' is running" in await team.refused("forget parking.md")


# Voices


async def test_a_voice_is_chosen_for_the_workspace_or_for_a_channel(
    team: Team, make_voice: MakeVoice
) -> None:
    adapters = team.assembly.layout.home / "adapters"
    make_voice(adapters, "warm@1")
    make_voice(adapters, "formal@1")

    assert "`warm@1` speaks in **slack:T1** from the next" in await team.said("adapter use warm")
    assert "`formal@1` speaks in **slack:T1/C1** from" in await team.said("adapter use formal here")

    assert team.assembly.voices.adapter_at(HELP) == "formal@1"
    assert team.assembly.voices.adapter_at(DIRECT) == "warm@1"
    assert "`warm@1` speaks, as before" in await team.said("adapter rollback here")
    assert team.assembly.voices.adapter_at(HELP) == "warm@1"


async def test_a_voice_that_failed_its_evaluation_is_refused_with_the_reason(
    team: Team, make_voice: MakeVoice
) -> None:
    make_voice(team.assembly.layout.home / "adapters", "rude@1", False, ("it swears",))

    assert "Rude@1 failed its evaluation: it swears" in await team.refused("adapter use rude")


async def test_the_voices_are_listed_and_shown(team: Team, make_voice: MakeVoice) -> None:
    make_voice(team.assembly.layout.home / "adapters", "warm@1", notes="friendly <!channel>")

    assert "- `warm@1`: passed" in await team.said("adapter list", SOMEBODY)
    assert "**Notes**: `friendly <!channel>`" in await team.said("adapter show warm", SOMEBODY)


# What is told to whom


async def test_an_admin_sees_every_source_and_others_those_that_all_readers_of_the_place_may_read(
    team: Team,
) -> None:
    await team.said("reindex")
    board = Asker("U5", "Eve", MEMBER | {"group:board"})

    async def seen(asker: Asker, place: Place) -> set[str]:
        text = await team.said("sources", asker, place)
        return {name for name in ("office", "board", "help") if f"**{name}**" in text}

    assert await seen(ADMIN, HELP) == {"office", "board", "help"}
    assert await seen(board, DIRECT) == {"office", "board", "help"}
    assert await seen(board, HELP) == {"office", "help"}
    assert await seen(SOMEBODY, DIRECT) == {"office", "help"}
    assert await seen(GUEST, DIRECT) == {"help"}


async def test_what_fails_in_a_source_is_told_to_admins_as_code_and_to_nobody_else(team: Team) -> None:
    (team.documents / "@here [x](http:evil).pdf").write_bytes(b"no PDF")
    await team.said("reindex office")

    assert "cannot be read: `@here [x](http:evil).pdf:" in await team.said("sources")
    assert "evil" not in await team.said("sources", SOMEBODY)
    assert "evil" not in await team.said("status", SOMEBODY)


async def test_the_status_tells_an_admin_of_the_index_and_others_what_they_may_read(team: Team) -> None:
    await team.said("reindex")

    assert "**Index**: 4 documents, 4 passages" in await team.said("status")
    assert "1 passages that you may read" in await team.said("status", GUEST, DIRECT)


async def test_the_mode_of_a_channel_is_set_and_shown(team: Team) -> None:
    assert await team.said("channel auto")

    assert "of myself when I am sure" in await team.said("channel", SOMEBODY)
    assert await team.assembly.manners.mode(HELP) == "auto"


async def test_it_is_quiet_in_the_conversation_where_it_is_told_so(team: Team) -> None:
    await team.said("quiet", SOMEBODY)

    assert await team.assembly.manners.is_quiet(THREAD)
    await team.said("wake", SOMEBODY)
    assert not await team.assembly.manners.is_quiet(THREAD)


# The journal


async def test_every_act_is_audited_once_with_who_did_it(team: Team, make_voice: MakeVoice) -> None:
    make_voice(team.assembly.layout.home / "adapters", "warm@1")
    for command in ("reindex office", "forget parking.md", "adapter use warm", "channel auto", "quiet"):
        await team.said(command, TEAM_ADMIN)

    lines = (await team.said("audit")).splitlines()

    assert len(lines) == 5
    assert all("`slack:U2`" in line for line in lines)
    deeds = [
        "quiet in `slack:T1/C1/1.1`",
        "mode of `slack:T1/C1`: auto",
        "voice of `slack:T1`: `none` → `warm@1`",
    ]
    assert [line.partition("`slack:U2` · ")[2] for line in lines] == [
        *deeds,
        "`forget parking.md`",
        "`reindex office`: `office 2 added`",
    ]


async def test_what_failed_is_audited_as_failed(team: Team) -> None:
    await team.refused("forget nothing.md")

    assert "`forget nothing.md`: `failed:" in await team.said("audit")


async def test_looking_around_is_no_act(team: Team) -> None:
    for command in ("help", "sources", "status", "adapter list", "channel", "audit"):
        await team.said(command)

    assert await team.said("audit") == "Nothing was administered yet."


# Failures


async def test_a_fault_of_the_program_ends_in_a_line_whose_reference_the_log_has(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("bot.administration.list_adapters", fail)

    line = await team.refused("adapter list")

    (logged,) = team.logged
    assert logged["reference"] in line
    assert len(logged["reference"]) == 8
    assert "secret detail" in logged["error"]
    assert "secret" not in line


async def test_what_names_the_machine_is_told_to_admins_alone(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    from knowledge.documents import KnowledgeError

    def fail(*arguments: object) -> None:
        raise KnowledgeError("The catalog /srv/lorebot is damaged: move it away.")

    monkeypatch.setattr("bot.administration.list_adapters", fail)

    assert "/srv/lorebot" in await team.refused("adapter list", ADMIN)
    assert "/srv/lorebot" not in await team.refused("adapter list", SOMEBODY)


async def test_help_lists_the_commands(team: Team) -> None:
    assert "`/lorebot reindex [SOURCE]" in await team.said("help", SOMEBODY)
