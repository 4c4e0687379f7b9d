"""What may be said where in Discord: what all readers of the place may read, and no more."""

from __future__ import annotations

import pytest
from discord_hall import DiscordHall, complete, said_in
from discord_platform import DiscordPlatform, overwrite

QUESTION = "Where do visitors park?"
OUTSIDER = frozenset({"public"})
TEAM = frozenset({"everyone", "public"})
VIEW_CHANNEL, MANAGE_THREADS = 1 << 10, 1 << 34
IS_GUEST = 1 << 4


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


async def test_a_role_that_a_subscription_gives_is_held_by_people(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, fan = discord.user("Ada"), discord.user("Fan")
    staff = discord.role("staff", [ada])
    fans = discord.role("subscribers", [fan], managed=True, tags={"integration_id": "7"})
    channel = discord.channel("lounge", private=True, roles=[staff, fans])
    assert await _readers(discord, behind, ada, channel) == TEAM


async def test_a_thread_is_read_as_its_channel(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, bob = discord.user("Ada"), discord.user("Bob")
    board = discord.role("board", [ada])
    channel = discord.channel("board-only", private=True, roles=[board], users=[bob])
    thread = discord.thread(channel, ada, "numbers")
    assert await _readers(discord, behind, ada, thread) == TEAM


async def test_a_post_in_a_private_forum_is_read_as_the_forum(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.options["forums"] = ("board-questions",)
    ada = discord.user("Ada")
    board = discord.role("board", [ada])
    forum = discord.channel("board-questions", kind="forum", private=True, roles=[board])
    async with behind.on(discord):
        post = await discord.forum_post(ada, forum, "Parking", QUESTION)
        await discord.until(lambda: complete(discord, post))
    held = {f"role:{board}", "role:board", "group:board"}
    assert behind.engine.asked[0].place.principals == TEAM | held


async def test_a_private_thread_is_read_by_its_members(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, bob = discord.user("Ada"), discord.user("Bob")
    board = discord.role("board", [ada, bob])
    thread = discord.thread(discord.channel("help"), ada, "numbers", private=True, members=[bob])
    held = {f"role:{board}", "role:board", "group:board"}
    assert await _readers(discord, behind, ada, thread) == TEAM | held


async def test_a_private_thread_is_also_read_by_who_may_manage_threads(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, mod = discord.user("Ada"), discord.user("Bob"), discord.user("Mod")
    discord.role("board", [ada, bob])
    discord.role("moderators", [mod], permissions=MANAGE_THREADS)
    thread = discord.thread(discord.channel("help"), ada, "numbers", private=True, members=[bob])
    assert discord.may(mod, thread)
    assert await _readers(discord, behind, ada, thread) == TEAM


async def test_a_private_thread_is_also_read_by_who_may_manage_the_threads_of_its_channel_by_name(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, mod = discord.user("Ada"), discord.user("Bob"), discord.user("Mod")
    discord.role("board", [ada, bob])
    overwrites = [overwrite(mod, 1, allow=MANAGE_THREADS)]
    channel = discord.channel("help", permission_overwrites=overwrites)
    thread = discord.thread(channel, ada, "numbers", private=True, members=[bob])
    assert discord.may(mod, thread)
    assert await _readers(discord, behind, ada, thread) == TEAM


async def test_a_role_to_which_a_channel_is_closed_does_not_read_it(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada = discord.user("Ada")
    staff = discord.role("staff", [ada], permissions=VIEW_CHANNEL)
    interns = discord.role("interns", permissions=VIEW_CHANNEL)
    channel = discord.channel("staff-only", private=True, roles=[staff])
    discord.channels[channel]["permission_overwrites"].append(overwrite(interns, 0, deny=VIEW_CHANNEL))
    held = {f"role:{staff}", "role:staff", "group:staff"}
    assert await _readers(discord, behind, ada, channel) == TEAM | held


@pytest.mark.parametrize("feature", ["DISCOVERABLE", "PREVIEW_ENABLED"])
async def test_where_visitors_may_look_in_only_what_is_public_is_read(
    discord: DiscordPlatform, behind: DiscordHall, feature: str
) -> None:
    discord.guilds[discord.guild]["features"] = [feature]
    assert await _readers(discord, behind, discord.user("Ada"), discord.channel("help")) == OUTSIDER


async def test_where_guests_may_be_invited_to_speak_only_what_is_public_is_read(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    discord.guilds[discord.guild]["features"] = ["GUESTS_ENABLED"]
    ada, room = discord.user("Ada"), discord.channel("meeting", kind="voice")
    assert await _readers(discord, behind, ada, room) == OUTSIDER
    assert await _readers(discord, behind, ada, discord.channel("help")) == TEAM


async def test_a_guest_is_no_member_of_the_team(discord: DiscordPlatform, behind: DiscordHall) -> None:
    guest, channel = discord.user("Guest"), discord.channel("help")
    discord.members[discord.guild][guest]["flags"] = IS_GUEST
    await _readers(discord, behind, guest, channel)
    assert behind.engine.asked[-1].asker.principals == OUTSIDER


async def test_of_several_servers_into_which_anybody_may_invite_the_bot_none_is_taken_for_the_teams(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    strange = discord.add_guild("Strangers")
    eve = discord.user("Eve", guild=strange)
    channel = discord.channel("help", guild=strange)
    assert await _readers(discord, behind, eve, channel) == OUTSIDER
    assert behind.engine.asked[-1].asker.principals == OUTSIDER


async def test_that_the_teams_servers_are_not_known_is_said_with_the_fix(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    discord.add_guild("Strangers")
    async with behind.on(discord):
        await discord.until(lambda: behind.log.of("error"))
    assert "Public Bot" in behind.log.of("error")[0]["reason"]


@pytest.mark.parametrize("how", ["named", "private"])
async def test_of_several_servers_those_of_the_team_are_known_when_they_are_named_or_the_bot_is_private(
    discord: DiscordPlatform, behind: DiscordHall, how: str
) -> None:
    discord.add_guild("Others")
    if how == "named":
        behind.options["guilds"] = (discord.guild,)
    else:
        discord.public = False
    assert await _readers(discord, behind, discord.user("Ada"), discord.channel("help")) == TEAM


async def test_while_a_new_session_has_not_told_of_the_server_its_readers_are_waited_for(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.until(lambda: behind.log.of("info"))
        discord.gateway.invalidate(resumable=False)
        await discord.until(lambda: not discord.gateway.open)
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
    assert behind.engine.asked[-1].place.principals == TEAM
