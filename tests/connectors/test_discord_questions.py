"""Questions in Discord, asked in every way there is; the real client talks to a local platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from discord_hall import SAID, DiscordHall, complete, said_in
from discord_platform import DiscordPlatform
from slack_hall import Gate, answer_to, speak

from connectors.conversation import AnswerEvent, Place, Question

QUESTION = "Where do visitors park?"


async def test_a_mention_is_answered_in_a_thread_named_after_the_question(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
    assert discord.threads_of(channel) == [asked]
    assert len(said_in(discord, asked)) == 1
    assert discord.answers(channel) == []
    assert behind.engine.asked[0].text == QUESTION
    assert behind.log.of("error") == []


async def test_it_types_and_then_says_what_it_does_where_the_answer_will_be(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    gate = Gate()
    behind.engine.script = gate.script
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: any("Reading 1 passage" in one.words for one in said_in(discord, asked)))
        progress = said_in(discord, asked)[0].id
        gate.opened.set()
        await discord.until(lambda: complete(discord, asked))
    assert asked in [place for place, _ in discord.typing]
    assert [one.id for one in said_in(discord, asked)] == [progress]


async def test_where_threads_are_not_wanted_a_mention_is_answered_below_it(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.options["opens_threads"] = False
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, channel))
    assert discord.answers(channel)[0].reply_to == asked


async def test_where_no_thread_may_be_opened_a_mention_is_answered_below_it(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    discord.fail("POST /channels/*/messages/*/threads", 50013)
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, channel))
    assert discord.answers(channel)[0].reply_to == asked


async def test_in_its_thread_a_follow_up_needs_no_mention(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        thread = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, thread))
        await behind.remembers(discord, thread)
        await discord.say(ada, thread, "And on Sundays?")
        await discord.until(lambda: len(complete(discord, thread)) == 2)
    assert [turn.question for turn in behind.engine.asked[1].history] == [QUESTION]


async def test_it_keeps_quiet_between_people(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, bob, channel = discord.user("Ada"), discord.user("Bob"), discord.channel("help")
    async with behind.on(discord):
        thread = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, thread))
        await discord.say(bob, thread, f"<@{ada}> have you tried row D?")
        await discord.say(ada, thread, "I will do that.")
        dm = await discord.dm(bob, QUESTION)
        await discord.until(lambda: complete(discord, discord.dm_channel(bob)))
    assert dm
    assert len(complete(discord, thread)) == 1


async def test_a_reply_to_somebody_else_is_not_for_the_bot(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, channel = discord.user("Ada"), discord.user("Bob"), discord.channel("help")
    async with behind.on(discord):
        thread = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, thread))
        await behind.remembers(discord, thread)
        bobs = await discord.say(bob, thread, f"<@{ada}> try row D")
        await discord.mention(ada, thread, "Is there a row D?")
        await discord.until(lambda: len(complete(discord, thread)) == 2)
        silently = {"parse": [], "replied_user": False}
        await discord.say(ada, thread, "Thank you!", reply_to=bobs, allowed_mentions=silently)
        await discord.dm(ada, QUESTION)
        await discord.until(lambda: complete(discord, discord.dm_channel(ada)))
    assert len(complete(discord, thread)) == 2


async def test_a_direct_message_is_answered_with_what_its_writer_may_read(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada = discord.user("Ada")
    staff = discord.role("staff", [ada])
    async with behind.on(discord):
        await discord.dm(ada, QUESTION)
        await discord.until(lambda: complete(discord, discord.dm_channel(ada)))
    question = behind.engine.asked[0]
    assert question.place.principals is None
    assert {"everyone", "public", f"user:{ada}", f"role:{staff}", "group:staff"} <= question.asker.principals


async def test_ask_is_deferred_at_once_and_answered_where_it_was_asked(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        given = await discord.slash(ada, channel, "ask", question=QUESTION)
        await discord.until(lambda: complete(discord, channel))
    assert given.response == 5
    assert discord.answers(channel)[0].ephemeral is False
    assert len(discord.answers(channel)) == 1


async def test_a_private_ask_is_for_the_askers_eyes_alone(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, channel = discord.user("Ada"), discord.user("Bob"), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "ask", question=QUESTION, private=True)
        await discord.until(lambda: complete(discord, channel, ada))
    assert discord.answers(channel, user=bob) == []
    assert behind.engine.asked[0].place.principals is None


@pytest.mark.parametrize("private", [False, True])
async def test_in_direct_messages_ask_is_answered_in_the_place_of_thinking(
    discord: DiscordPlatform, behind: DiscordHall, private: bool
) -> None:
    ada = discord.user("Ada")
    direct = discord.dm_channel(ada)
    async with behind.on(discord):
        await discord.slash(ada, direct, "ask", question=QUESTION, private=private)
        await discord.until(lambda: complete(discord, direct, ada))
    assert len(said_in(discord, direct, ada)) == 1
    assert not any(one.loading for one in said_in(discord, direct, ada))
    assert behind.engine.asked[0].place.principals is None


async def test_what_was_asked_in_private_stays_out_of_the_channels_conversation(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, channel = discord.user("Ada"), discord.user("Bob"), discord.channel("help")
    thread = discord.thread(channel, bob, "parking", members=[discord.bot])
    async with behind.on(discord):
        await discord.slash(ada, thread, "ask", question="What does the director earn?", private=True)
        await discord.until(lambda: complete(discord, thread, ada))
        await behind.remembers(discord, f"{thread}/{ada}")
        await discord.say(bob, thread, "I wonder about that too.")
        await discord.slash(bob, thread, "ask", question="And the deputy?")
        await discord.until(lambda: complete(discord, thread))
    assert [one.text for one in behind.engine.asked] == ["What does the director earn?", "And the deputy?"]
    assert behind.engine.asked[1].history == ()


async def test_where_people_talk_among_themselves_the_commands_are_not_offered(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    async with behind.on(discord):
        pass
    in_guilds, to_guilds, with_the_bot = 0, 0, 1
    places = {one["name"]: (one["contexts"], one["integration_types"]) for one in discord.syncs[0][1]}
    assert places["ask"] == places["Answer this"] == ([in_guilds, with_the_bot], [to_guilds])
    assert places["lorebot"] == ([in_guilds], [to_guilds])


async def test_where_people_talk_among_themselves_only_who_asks_sees_the_answer(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada = discord.user("Ada")
    direct = discord.dm_channel(ada)
    async with behind.on(discord):
        discord.context_of[direct] = 2
        await discord.slash(ada, direct, "ask", question=QUESTION)
        await discord.until(lambda: complete(discord, direct, ada))
    assert [one.ephemeral for one in said_in(discord, direct, ada)] == [True]


async def test_after_fifteen_minutes_the_answer_is_posted_to_the_channel(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):

        async def late(question):  # type: ignore[no-untyped-def]
            discord.advance(901)
            async for event in speak(question, answer_to(question)):
                yield event

        behind.engine.script = late
        await discord.slash(ada, channel, "ask", question=QUESTION)
        await discord.until(lambda: complete(discord, channel))
    assert len(complete(discord, channel)) == 1


async def test_what_was_shown_before_the_token_was_stale_is_cleared_away(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    gate = Gate()
    behind.engine.script = gate.script
    async with behind.on(discord):
        await discord.slash(ada, channel, "ask", question=QUESTION)
        await discord.until(lambda: any(SAID in one.words for one in discord.answers(channel)))
        discord.advance(901)
        gate.opened.set()
        await discord.until(lambda: complete(discord, channel))
    assert len(discord.answers(channel)) == 1


async def test_answer_this_answers_the_message_that_was_pointed_at(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, bob, channel = discord.user("Ada"), discord.user("Bob"), discord.channel("help")
    async with behind.on(discord):
        message = await discord.say(bob, channel, QUESTION)
        await discord.context_menu(ada, channel, "Answer this", message)
        await discord.until(lambda: complete(discord, channel))
    assert complete(discord, channel)[0].reply_to == message
    assert behind.engine.asked[0].text == QUESTION


async def test_a_post_in_a_chosen_forum_is_answered_of_itself(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.options["forums"] = ("questions",)
    ada = discord.user("Ada")
    chosen, other = discord.channel("questions", kind="forum"), discord.channel("offtopic", kind="forum")
    async with behind.on(discord):
        ignored = await discord.forum_post(ada, other, "Lunch", "Who comes?")
        post = await discord.forum_post(ada, chosen, "Parking", QUESTION)
        await discord.until(lambda: complete(discord, post))
    assert behind.engine.asked[0].text == f"Parking\n{QUESTION}"
    assert said_in(discord, ignored) == []


async def test_a_forum_can_be_chosen_by_command(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, forum = discord.user("Ada"), discord.channel("questions", kind="forum")
    behind.manners.set_mode(Place("discord", forum, None, discord.guild), "auto", "test")
    async with behind.on(discord):
        post = await discord.forum_post(ada, forum, "Parking", QUESTION)
        await discord.until(lambda: complete(discord, post))
    assert discord.threads_of(forum) == [post]
    assert behind.engine.asked[0].text == f"Parking\n{QUESTION}"


async def test_a_file_is_read_for_the_answer(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    file = discord.file("plan.txt", b"Row C is for visitors.")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION, files=[file])
        await discord.until(lambda: complete(discord, asked))
    assert [one.content for one in behind.engine.asked[0].attachments] == [b"Row C is for visitors."]


def _at_length(question: Question) -> AsyncGenerator[AnswerEvent, None]:
    text = "\n\n".join(f"Paragraph {number} of the handbook. " * 8 for number in range(40)) + " [1]"
    return speak(question, answer_to(question, text))


async def test_a_long_answer_is_split_and_keeps_its_sources(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.engine.script = _at_length
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: any("Helpful" in one.labels for one in said_in(discord, asked)))
        said = said_in(discord, asked)
    assert len(said) > 2
    assert "Handbook" in said[-1].words
    assert "Helpful" in said[-1].labels


@pytest.mark.parametrize("private", [False, True])
async def test_a_long_answer_to_ask_goes_on_for_the_same_eyes(
    discord: DiscordPlatform, behind: DiscordHall, private: bool
) -> None:
    behind.engine.script = _at_length
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "ask", question=QUESTION, private=private)
        await discord.until(lambda: any("Helpful" in one.labels for one in said_in(discord, channel, ada)))
    said = said_in(discord, channel, ada)
    assert len(said) > 2
    assert {one.ephemeral for one in said} == {private}
    assert "Handbook" in said[-1].words


async def test_bots_and_webhooks_are_not_answered(discord: DiscordPlatform, behind: DiscordHall) -> None:
    robot, ada, channel = discord.user("Robot", bot=True), discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.mention(robot, channel, QUESTION)
        await discord.webhook(channel, f"<@{discord.bot}> {QUESTION}")
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
    assert len(behind.engine.asked) == 1


async def test_nothing_in_an_answer_pings_or_unfurls(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada = discord.user("Ada")
    channel, staff = discord.channel("help"), discord.role("staff", [ada])

    def script(question):  # type: ignore[no-untyped-def]
        text = f"{SAID}. @everyone <@{ada}> <@&{staff}> see https://evil.example/x [1]."
        return speak(question, answer_to(question, text))

    behind.engine.script = script
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
    shown = complete(discord, asked)[0]
    assert shown.pings == ()
    assert not any("evil.example" in link for link in shown.links)


async def test_where_it_is_switched_off_it_says_so_to_the_asker_alone(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    behind.manners.set_mode(Place("discord", channel, None, discord.guild), "off", "test")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: said_in(discord, discord.dm_channel(ada)))
    assert "switched off" in said_in(discord, discord.dm_channel(ada))[0].words
    assert discord.answers(channel) == []
    assert said_in(discord, asked) == []


async def test_without_message_content_mentions_direct_messages_and_commands_work(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.options["reads_content"] = False
    discord.privileged.discard("message_content")
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
        await discord.dm(ada, QUESTION)
        await discord.until(lambda: complete(discord, discord.dm_channel(ada)))
        await discord.slash(ada, channel, "ask", question=QUESTION)
        await discord.until(lambda: complete(discord, channel))
    assert behind.log.of("error") == []


@pytest.fixture
def held(behind: DiscordHall, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Until it is set, no question gets beyond the manners of its place."""
    event = asyncio.Event()

    async def mode(place: Place) -> str:
        await event.wait()
        return "mention"

    monkeypatch.setattr(behind.manners, "mode", mode)
    return event


async def test_an_edit_before_its_turn_is_what_is_answered(
    discord: DiscordPlatform, behind: DiscordHall, held: asyncio.Event
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, "Where do vistors prak?")
        await discord.edit(channel, asked, f"<@{discord.bot}> {QUESTION}")
        await (await discord.slash(ada, channel, "ask", question="And then?")).answered()
        held.set()
        await discord.until(lambda: complete(discord, asked) and complete(discord, channel))
    assert {one.text for one in behind.engine.asked} == {QUESTION, "And then?"}


async def test_a_message_that_is_deleted_before_its_turn_is_not_answered(
    discord: DiscordPlatform, behind: DiscordHall, held: asyncio.Event
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        deleted = await discord.mention(ada, channel, QUESTION)
        await discord.delete(channel, deleted)
        await (await discord.slash(ada, channel, "ask", question="And then?")).answered()
        held.set()
        await discord.until(lambda: complete(discord, channel))
    assert [one.text for one in behind.engine.asked] == ["And then?"]
    assert discord.threads_of(channel) == []


async def test_told_to_be_quiet_in_a_thread_it_waits_for_a_mention(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        thread = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, thread))
        behind.manners.be_quiet(f"discord:{discord.guild}/{thread}", "test")
        await discord.say(ada, thread, "And on Sundays?")
        await discord.mention(ada, thread, "And on Mondays?")
        await discord.until(lambda: len(complete(discord, thread)) == 2)
    assert [one.text for one in behind.engine.asked] == [QUESTION, "And on Mondays?"]
