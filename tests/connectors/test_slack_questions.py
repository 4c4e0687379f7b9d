"""What the bot answers in Slack, and what it leaves alone: the real client against a local Slack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from slack_hall import Gate, Hall, answer_to, speak
from slack_platform import SlackPlatform
from sqlalchemy import update

from bot.database import JournalError, owners
from bot.inbox import Inbox
from connectors.conversation import AnswerEvent, Place, Question, QuestionRefusedError
from connectors.ports import Delivery
from connectors.slack.heard import Heard
from connectors.slack.progress_view import text_chunk
from connectors.slack.streaming import GrowingMessage, Thread
from connectors.slack.workspace import open_session, web_client

QUESTION = "Where do visitors park?"


async def answered(slack: SlackPlatform, channel: str, ts: str, count: int = 1) -> list[str]:
    """The words of the bot's messages under a message, once they are complete."""
    await slack.until(lambda: len([shown for shown in slack.answers(channel, ts) if shown.blocks]) >= count)
    return [shown.words for shown in slack.answers(channel, ts)]


async def silent(slack: SlackPlatform, hall: Hall, person: str, channel: str) -> bool:
    """Whether nothing came of what was said: seen when a later question has its answer."""
    asked = len(hall.engine.asked)
    later = await slack.mention(person, channel, "And this?")
    await answered(slack, channel, later.ts)
    return len(hall.engine.asked) == asked + 1


async def test_a_mention_is_answered_in_its_thread_with_its_sources(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        (words,) = await answered(slack, help_, said.ts)
    assert "Visitors park in row C [1]. The barrier opens with code 4711 [1]." in words
    assert "<https://docs.example.com/handbook|Handbook › Parking>" in words
    assert [question.text for question in hall.engine.asked] == [QUESTION]


async def test_a_mention_raises_two_events_and_gets_one_answer(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        assert len(said.deliveries) == 2
        await answered(slack, help_, said.ts)
        for delivery in said.deliveries:
            await slack.redeliver(delivery)
        assert await silent(slack, hall, ada, help_)


async def test_something_is_seen_before_the_answer_is_there(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    gate.found.clear()
    hall.engine.script = gate.script
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: slack.status(help_, said.ts) == "Searching 1,240 passages")
        gate.found.set()
        await slack.until(lambda: any(shown.tasks for shown in slack.answers(help_, said.ts)))
        (growing,) = slack.answers(help_, said.ts)
        gate.opened.set()
        await answered(slack, help_, said.ts)
    assert growing.stream == "streaming"
    assert growing.tasks[0]["status"] == "in_progress"
    assert growing.tasks[0]["sources"][0]["url"] == "https://docs.example.com/handbook"


async def test_a_direct_message_is_answered_for_the_asker_alone(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        said = await slack.dm(ada, QUESTION)
        await answered(slack, said.channel, said.ts)
    (question,) = hall.engine.asked
    assert question.place.principals is None
    assert f"user:{ada}" in question.asker.principals


async def test_a_question_in_the_agent_view_is_answered(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        said = await slack.agent_message(ada, QUESTION)
        (words,) = await answered(slack, said.channel, said.ts)
    assert "row C" in words


async def test_a_follow_up_in_its_thread_needs_no_mention_and_knows_what_was_said(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, said.ts)
        await slack.say(ada, help_, "And on Sundays?", thread_ts=said.ts)
        await answered(slack, help_, said.ts, 2)
    _, follow_up = hall.engine.asked
    assert follow_up.text == "And on Sundays?"
    assert [turn.question for turn in follow_up.history] == [QUESTION]


async def test_it_is_silent_when_two_people_talk_in_its_thread(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        said = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, said.ts)
        await slack.say(ada, help_, f"<@{bo}> is that so?", thread_ts=said.ts)
        await slack.say(bo, help_, "Yes, since May.", thread_ts=said.ts)
        await slack.say(ada, help_, "Thank you! And the key?", thread_ts=said.ts)
        assert await silent(slack, hall, ada, help_)


async def test_another_person_may_go_on_with_the_bots_answer(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        said = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, said.ts)
        await slack.say(bo, help_, "And for vans?", thread_ts=said.ts)
        await answered(slack, help_, said.ts, 2)
    assert [question.text for question in hall.engine.asked] == [QUESTION, "And for vans?"]


async def test_what_is_not_addressed_to_it_is_left_alone(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        await slack.say(ada, help_, "Where do visitors park?")
        assert await silent(slack, hall, ada, help_)


async def test_messages_of_bots_are_ignored(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, robot = slack.user("Ada"), slack.user("Robot", kind="bot")
        help_ = slack.channel("help", [ada, robot])
        await slack.mention(robot, help_, QUESTION)
        assert await silent(slack, hall, ada, help_)


async def test_an_event_that_nobody_listens_to_is_acknowledged(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        told = await slack.raise_event({"type": "channel_rename", "channel": {"id": "C1", "name": "x"}})
        await slack.until(lambda: told.state == "acked")


async def test_told_to_be_quiet_it_waits_for_a_mention(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, said.ts)
        hall.manners.be_quiet(f"slack:{slack.team.id}/{help_}/{said.ts}", f"slack:{ada}")
        await slack.say(ada, help_, "And on Sundays?", thread_ts=said.ts)
        assert await silent(slack, hall, ada, help_)
        await slack.mention(ada, help_, "And on Mondays?", thread_ts=said.ts)
        await answered(slack, help_, said.ts, 2)


async def test_quiet_is_for_the_thread_in_which_it_is_said(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, said.ts)
        await slack.mention(ada, help_, "quiet", thread_ts=said.ts)
        await slack.until(lambda: hall.administering.given)
    ((command, _, _, conversation),) = hall.administering.given
    assert type(command).__name__ == "BeQuiet"
    assert conversation == f"slack:{slack.team.id}/{help_}/{said.ts}"


async def test_in_a_channel_that_is_off_it_says_so_to_the_asker_alone(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        hall.manners.set_mode(_place(slack, help_), "off", "slack:U1")
        await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: slack.whispers)
    assert "switched off in this channel" in slack.whispers[0]["text"]
    assert hall.engine.asked == []


async def test_in_auto_mode_it_answers_a_question_when_it_is_sure(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        hall.manners.set_mode(_place(slack, help_), "auto", "slack:U1")
        await slack.say(ada, help_, "Lunch was good today.")
        said = await slack.say(ada, help_, QUESTION)
        await answered(slack, help_, said.ts)
    assert [question.text for question in hall.engine.asked] == [QUESTION]
    assert slack.statuses == []


@pytest.mark.parametrize(("route", "confidence"), [("knowledge", 0.3), ("abstain", 0.9), ("smalltalk", 0.9)])
async def test_in_auto_mode_it_shows_nothing_when_it_is_not_sure(
    slack: SlackPlatform, hall: Hall, route: str, confidence: float
) -> None:
    hall.engine.script = lambda question: speak(
        question, answer_to(question, route=route, confidence=confidence)
    )
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        hall.manners.set_mode(_place(slack, help_), "auto", "slack:U1")
        said = await slack.say(ada, help_, QUESTION)
        await slack.until(lambda: hall.engine.asked and not hall.engine.at_work)
        await answered(slack, help_, (await slack.mention(ada, help_, "Other?")).ts)
    assert slack.answers(help_, said.ts) == []
    assert not await hall.memory.takes_part(f"slack:{slack.team.id}/{help_}/{said.ts}")


async def test_an_edit_counts_while_the_question_waits(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    hall.options["at_once"] = 1
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        await slack.mention(ada, help_, "First?")
        await slack.until(lambda: hall.engine.asked)
        said = await slack.mention(bo, help_, "Where do vistors parc?")
        await slack.until(lambda: slack.status(help_, said.ts))
        waiting = slack.status(help_, said.ts)
        edited = await slack.edit(help_, said.ts, f"<@{slack.team.bot_user}> {QUESTION}")
        await slack.until(lambda: edited.state == "acked")
        gate.opened.set()
        await answered(slack, help_, said.ts)
    assert waiting == "You are number 1"
    assert hall.engine.asked[-1].text == QUESTION


async def test_a_deleted_question_stops_its_answer(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: any("row C" in shown.words for shown in slack.answers(help_, said.ts)))
        await slack.delete(help_, said.ts)
        await slack.until(lambda: not hall.engine.at_work)
        await slack.until(lambda: not slack.answers(help_, said.ts))


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_a_change_counts_also_while_slack_is_asked_about_the_thread(
    slack: SlackPlatform, hall: Hall, change: str
) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        root = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, root.ts)
        slack.delay("conversations.replies", 0.5, times=1)
        said = await slack.say(ada, help_, "And on Sunday?", thread_ts=root.ts)
        await said.acked()
        if change == "edit":
            told = await slack.edit(help_, said.ts, "And on Monday?")
        else:
            told = await slack.delete(help_, said.ts)
        await slack.until(lambda: told.state == "acked")
        if change == "edit":
            await answered(slack, help_, root.ts, 2)
        else:
            assert await silent(slack, hall, ada, help_)
    texts = [question.text for question in hall.engine.asked]
    assert "And on Sunday?" not in texts
    assert ("And on Monday?" in texts) == (change == "edit")


async def test_what_was_left_alone_is_answered_when_somebody_points_at_it(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        root = await slack.mention(ada, help_, QUESTION)
        await answered(slack, help_, root.ts)
        await slack.say(bo, help_, f"<@{ada}> since May.", thread_ts=root.ts)
        said = await slack.say(ada, help_, "And the key?", thread_ts=root.ts)
        assert await silent(slack, hall, ada, help_)
        await slack.react(bo, help_, said.ts, "question")
        await answered(slack, help_, root.ts, 2)
    assert hall.engine.asked[-1].text == "And the key?"


async def test_what_it_was_not_sure_of_is_answered_when_somebody_points_at_it(
    slack: SlackPlatform, hall: Hall
) -> None:
    hall.engine.script = lambda question: speak(question, answer_to(question, confidence=0.3))
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        hall.manners.set_mode(_place(slack, help_), "auto", "slack:U1")
        said = await slack.say(ada, help_, QUESTION)
        await slack.until(lambda: hall.engine.asked)
        assert await silent(slack, hall, ada, help_)
        await slack.react(ada, help_, said.ts, "question")
        await answered(slack, help_, said.ts)


async def test_who_waits_is_told_the_place_in_the_queue(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    hall.options["at_once"] = 2
    async with hall.connected(slack):
        people = [slack.user(f"P{number}") for number in range(5)]
        help_ = slack.channel("help", people)
        said = [await slack.mention(person, help_, QUESTION) for person in people]
        await slack.until(lambda: len([one for one in said if "number" in slack.status(help_, one.ts)]) == 3)
        await slack.until(lambda: hall.engine.at_work == 2)
        waiting = sorted(
            filter(lambda status: "number" in status, (slack.status(help_, one.ts) for one in said))
        )
        gate.opened.set()
        for one in said:
            await answered(slack, help_, one.ts)
    assert waiting == ["You are number 1", "You are number 2", "You are number 3"]
    assert hall.engine.most_at_work == 2


async def test_a_refused_question_is_answered_with_the_reason(slack: SlackPlatform, hall: Hall) -> None:
    async def refuses(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        raise QuestionRefusedError("Ask a question.")
        yield

    hall.engine.script = refuses
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, "")
        (words,) = await answered(slack, help_, said.ts)
    assert words.strip() == "Ask a question."


async def test_an_exception_ends_as_one_line_with_a_reference_that_the_log_carries(
    slack: SlackPlatform, hall: Hall
) -> None:
    async def breaks(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        raise ZeroDivisionError("secret detail")
        yield

    hall.engine.script = breaks
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        (words,) = await answered(slack, help_, said.ts)
    (line,) = [line for line in hall.log.of("error") if "reference" in line]
    assert line["reference"] in words
    assert "secret" not in words
    assert "ZeroDivisionError" in line["error"]


async def test_a_question_that_cannot_be_taken_is_said_at_last(
    slack: SlackPlatform, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(delivery: Delivery) -> bool:
        raise JournalError("the disk is full")

    monkeypatch.setattr(hall.inbox, "take", fails)
    slack.deliveries.ack_timeout = 0.1
    async with hall.connected(slack):
        ada = slack.user("Ada")
        said = await slack.dm(ada, QUESTION)
        await slack.until(lambda: slack.whispers)
        await said.acked()
    (whisper,) = slack.whispers
    (line,) = [line for line in hall.log.of("error") if "reference" in line]
    assert line["reference"] in whisper["text"]
    assert "the disk is full" in line["error"]


async def test_what_another_version_left_in_another_form_keeps_nothing_else_back(
    slack: SlackPlatform, hall: Hall
) -> None:
    killed = Inbox(hall.journal.database, print, lease_seconds=0.0)
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    root = slack.put(help_, ada, QUESTION)["ts"]
    heard = _heard(slack, help_, root, ada)
    await killed.take(Delivery("slack:1", "slack", {"how": "mention", "other": "form"}))
    await killed.take(Delivery(heard.key, "slack", heard.as_payload()))
    async with hall.connected(slack):
        await answered(slack, help_, root)
    killed.close()
    assert await hall.inbox.abandoned("slack") == ()


async def test_what_a_dead_process_left_is_taken_up(slack: SlackPlatform, hall: Hall, tmp_path: Path) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    async with hall.connected(slack) as running:
        said = await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: hall.engine.asked)
        await asyncio.to_thread(hall.inbox._leave)
        other = Hall(tmp_path)
        try:
            async with other.connected(slack):
                await slack.until(lambda: other.engine.asked)
                await answered(slack, help_, said.ts)
        finally:
            running.cancel()
            gate.opened.set()
            other.close()
    assert [question.text for question in other.engine.asked] == [QUESTION]


async def test_half_an_answer_of_a_dead_process_makes_room_for_the_whole_one(
    slack: SlackPlatform, hall: Hall
) -> None:
    killed = Inbox(hall.journal.database, print, lease_seconds=0.0)
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    root = slack.put(help_, ada, QUESTION)["ts"]
    async with open_session() as session:
        client = web_client(slack.team.token, slack.api_url, session, hall.log)
        half = GrowingMessage(client, Thread(help_, root, ada, slack.team.id, slack.team.bot_user))
        await half.grow([text_chunk("Visitors park")], "Visitors park")
    heard = _heard(slack, help_, root, ada)
    await killed.take(Delivery(heard.key, "slack", heard.as_payload()))
    async with hall.connected(slack):
        await answered(slack, help_, root)
    (shown,) = slack.answers(help_, root)
    killed.close()
    assert "row C" in shown.words


@pytest.mark.parametrize("change", ["edited", "deleted"])
async def test_what_became_of_a_question_while_nobody_listened_counts(
    slack: SlackPlatform, hall: Hall, change: str
) -> None:
    killed = Inbox(hall.journal.database, print, lease_seconds=0.0)
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    root = slack.put(help_, ada, "Where do vistors parc?")["ts"]
    heard = _heard(slack, help_, root, ada)
    await killed.take(Delivery(heard.key, "slack", heard.as_payload()))
    if change == "edited":
        slack.messages[help_][root] |= {
            "text": f"<@{slack.team.bot_user}> {QUESTION}",
            "edited": {"user": ada},
        }
    else:
        del slack.messages[help_][root]
    async with hall.connected(slack):
        await answered(slack, help_, (await slack.mention(ada, help_, "Other?")).ts)
        await slack.until(lambda: change == "deleted" or len(hall.engine.asked) == 2)
    killed.close()
    expected = ["Other?", QUESTION] if change == "edited" else ["Other?"]
    assert sorted(question.text for question in hall.engine.asked) == expected
    assert await hall.inbox.abandoned("slack") == ()


async def test_whoever_lost_a_question_to_another_process_leaves_the_answer_to_it(
    slack: SlackPlatform, hall: Hall
) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    other = Inbox(hall.journal.database, print)
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: any("row C" in shown.words for shown in slack.answers(help_, said.ts)))
        with hall.journal.database.writing() as connection:
            connection.execute(update(owners).values(alive_until=0.0))
        (taken,) = await other.abandoned("slack")
        gate.opened.set()
        await slack.until(lambda: not hall.engine.at_work)
        await slack.until(lambda: not slack.answers(help_, said.ts))
    other.close()
    assert taken.key == f"slack:{slack.team.id}/{help_}/{said.ts}"


def _heard(slack: SlackPlatform, channel: str, ts: str, user: str) -> Heard:
    where = (slack.team.id, None, channel, ts, ts, False)
    return Heard("mention", *where, user, None, slack.messages[channel][ts]["text"], False, False)


def _place(slack: SlackPlatform, channel: str) -> Place:
    return Place("slack", channel, None, slack.team.id)
