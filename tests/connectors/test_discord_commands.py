"""What admins do in Discord."""

from __future__ import annotations

from pathlib import Path

import pytest
from discord_hall import DiscordHall, said_in
from discord_platform import DiscordPlatform, Interaction

from connectors.commands import ChannelMode, Forget, ListSources, Reindex, UseAdapter


def _words(discord: DiscordPlatform, channel: str, user: str) -> str:
    return "\n".join(one.words for one in said_in(discord, channel, user) if one.ephemeral)


async def _completed(typing: Interaction) -> list[str]:
    return [choice["value"] for choice in (await typing.answered()).choices or ()]


async def test_commands_are_told_to_discord_once(discord: DiscordPlatform, behind: DiscordHall) -> None:
    for _ in range(2):
        async with behind.on(discord):
            pass
    assert len(discord.syncs) == 1


async def test_an_admin_reindexes_and_sees_progress_and_the_end(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "lorebot reindex", source="office")
        await discord.until(lambda: "of 800 documents" in _words(discord, channel, ada))
        behind.administering.done.set()
        await discord.until(lambda: "Done: Reindex" in _words(discord, channel, ada))
    command, asker, _, conversation = behind.administering.given[0]
    assert command == Reindex("office")
    assert "guild-admins" in asker.principals
    assert conversation == f"discord:{discord.guild}/{channel}"


async def test_a_running_command_is_cancelled(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "lorebot reindex")
        await discord.until(lambda: "of 800 documents" in _words(discord, channel, ada))
        progress = next(one for one in said_in(discord, channel, ada) if "Cancel" in one.labels)
        await discord.press(ada, channel, progress.id, "Cancel")
        await discord.until(lambda: "Cancelled. What was done" in _words(discord, channel, ada))
    assert behind.administering.broken_off == 1


@pytest.mark.parametrize(
    "document", ["https://docs.example.com/handbook", "guides/Ada’s —first— day, 'as it was'.md"]
)
async def test_what_destroys_is_done_after_it_was_confirmed(
    discord: DiscordPlatform, behind: DiscordHall, document: str
) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "lorebot forget", document=document)
        await discord.until(lambda: "Forget this document?" in _words(discord, channel, ada))
    assert behind.administering.given == []
    async with behind.on(discord):
        asked = next(one for one in said_in(discord, channel, ada) if "Forget" in one.labels)
        await discord.press(ada, channel, asked.id, "Forget")
        await discord.until(lambda: "Done: Forget" in _words(discord, channel, ada))
    assert behind.administering.given[0][0] == Forget(document)


async def test_what_is_confirmed_twice_is_done_once(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "lorebot forget", document="handbook.md")
        await discord.until(lambda: "Forget this document?" in _words(discord, channel, ada))
        asked = next(one for one in said_in(discord, channel, ada) if "Forget" in one.labels)
        for _ in range(2):
            await discord.press(ada, channel, asked.id, "Forget")
        await discord.until(lambda: "confirmed already" in _words(discord, channel, ada))
        await discord.until(lambda: "Done: Forget" in _words(discord, channel, ada))
    assert len(behind.administering.given) == 1


async def test_a_command_does_not_depend_on_its_progress_being_shown(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    async with behind.on(discord):
        discord.fail("PATCH /webhooks/*", 50035)
        await discord.slash(ada, channel, "lorebot reindex")
        await discord.until(lambda: "of 800 documents" in _words(discord, channel, ada))
        behind.administering.done.set()
        await discord.until(lambda: "Done: Reindex" in _words(discord, channel, ada))
    assert behind.administering.broken_off == 0


async def test_a_command_that_another_process_runs_is_cancelled_there(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: Path
) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    other = DiscordHall(tmp_path)
    try:
        async with behind.on(discord), other.on(discord):
            await discord.connected(2)
            await discord.slash(ada, channel, "lorebot reindex")
            await discord.until(lambda: "of 800 documents" in _words(discord, channel, ada))
            progress = next(one for one in said_in(discord, channel, ada) if "Cancel" in one.labels)
            await discord.press(ada, channel, progress.id, "Cancel")
            await discord.until(lambda: "It is being cancelled" in _words(discord, channel, ada))
            await discord.until(lambda: "Cancelled. What was done" in _words(discord, channel, ada))
    finally:
        other.close()
    assert "That has ended" not in _words(discord, channel, ada)
    assert behind.administering.broken_off + other.administering.broken_off == 1


async def test_discord_offers_the_commands_to_admins_alone(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        with pytest.raises(AssertionError):
            await discord.slash(ada, channel, "lorebot reindex")


async def test_who_is_offered_a_command_by_mistake_is_refused(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.permit("lorebot", ada, True, kind=2)
        await discord.slash(ada, channel, "lorebot reindex")
        await discord.until(lambda: "Only admins may do that" in _words(discord, channel, ada))


async def test_names_are_completed_with_those_that_there_are(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, channel = discord.user("Ada", admin=True), discord.user("Bob"), discord.channel("help")
    async with behind.on(discord):
        discord.permit("lorebot", bob, True, kind=2)
        voices = await discord.autocomplete(ada, channel, "lorebot adapter use", "name", "warm")
        assert await _completed(voices) == ["warm@2"]
        sources = await discord.autocomplete(ada, channel, "lorebot reindex", "source", "")
        assert await _completed(sources) == ["office", "wiki"]
        nothing = await discord.autocomplete(bob, channel, "lorebot reindex", "source", "")
        assert await _completed(nothing) == []


async def test_commands_say_what_the_grammar_says(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "lorebot sources")
        await discord.slash(ada, channel, "lorebot channel", mode="auto")
        await discord.slash(ada, channel, "lorebot adapter use", name="warm@2", here=True)
        await discord.until(lambda: len(behind.administering.given) == 3)
    commands = {command for command, *_ in behind.administering.given}
    assert commands == {ListSources(), ChannelMode("auto"), UseAdapter("warm@2", True)}
