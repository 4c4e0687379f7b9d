"""What may be said where in Discord: what all readers of the place may read, and no more."""

from __future__ import annotations

from discord_hall import DiscordHall, complete, said_in
from discord_platform import DiscordPlatform

QUESTION = "Where do visitors park?"
OUTSIDER = frozenset({"public"})
TEAM = frozenset({"everyone", "public"})


async def _readers(discord: DiscordPlatform, behind: DiscordHall, user: str, channel: str) -> frozenset[str]:
    """What an answer to a mention may be made of there."""
    async with behind.on(discord):
        asked = await discord.mention(user, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked) or complete(discord, channel))
    assert said_in(discord, channel) is not None
    return behind.engine.asked[-1].place.principals or frozenset()


async def test_in_an_open_channel_the_whole_team_reads(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    assert await _readers(discord, behind, ada, channel) == TEAM


async def test_in_a_channel_of_one_role_its_holders_read(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada = discord.user("Ada")
    staff = discord.role("staff", [ada])
    channel = discord.channel("staff-only", private=True, roles=[staff])
    held = {f"role:{staff}", "role:staff", "group:staff"}
    assert await _readers(discord, behind, ada, channel) == TEAM | held


async def test_in_a_channel_of_two_roles_only_what_both_hold_is_read(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob = discord.user("Ada"), discord.user("Bob")
    roles = [discord.role("staff", [ada]), discord.role("board", [bob])]
    channel = discord.channel("both", private=True, roles=roles)
    assert await _readers(discord, behind, ada, channel) == TEAM


async def test_a_named_reader_counts_as_much_as_a_role(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, guest = discord.user("Ada"), discord.user("Guest", pending=True)
    staff = discord.role("staff", [ada])
    channel = discord.channel("mixed", private=True, roles=[staff], users=[guest])
    assert await _readers(discord, behind, ada, channel) == OUTSIDER


async def test_a_server_that_is_not_the_teams_reads_what_is_public(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.options["guilds"] = ("42",)
    ada, channel = discord.user("Ada", admin=True), discord.channel("help")
    assert await _readers(discord, behind, ada, channel) == OUTSIDER
    assert behind.engine.asked[-1].asker.principals == OUTSIDER


async def test_when_discord_does_not_say_who_reads_only_what_is_public_is_read(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob = discord.user("Ada"), discord.user("Bob")
    channel = discord.channel("named", private=True, users=[ada, bob])
    discord.fail("GET /guilds/*/members/*", 50001, times=None)
    assert await _readers(discord, behind, ada, channel) == OUTSIDER
