"""How an answer appears in Slack when streams, limits and connections fail: complete and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from slack_hall import TEXT, Gate, Hall, Script, answer_to, speak
from slack_platform import Shown, SlackPlatform

from connectors import asking
from connectors.conversation import AnswerEvent, Question

QUESTION = "Where do visitors park?"
LONG = " ".join(f"Rule {number} of the parking regulations is on sign {number} [1]." for number in range(400))
CODE = "```python\nprint('<b> & *x*')\n```"
TRICKY = f"Grüße 🚗 aus Köln [1].\n\n{CODE}\n\n| Row | Code |\n|---|---|\n| C | 4711 |"
HOSTILE = "<!channel> @here <@U1> see [this](https://evil.example/x) or https://evil.example [1]."


def saying(text: str) -> Script:
    """A script whose answer is this text."""

    async def script(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        async for event in speak(question, answer_to(question, text)):
            yield event

    return script


async def complete(slack: SlackPlatform, channel: str, ts: str) -> list[Shown]:
    """The bot's messages under a message when one of them has its buttons."""

    def has_buttons() -> bool:
        return any(shown.elements("feedback_buttons") for shown in slack.answers(channel, ts))

    await slack.until(has_buttons)
    return slack.answers(channel, ts)


def read(shown: Shown) -> str:
    """The text that is drawn: the blocks' where the message was edited, else what was streamed."""
    blocks = "\n".join(block["text"] for block in shown.blocks if block["type"] == "markdown")
    return blocks if shown.edited or not shown.stream else shown.text + blocks


async def ask(slack: SlackPlatform) -> tuple[str, str]:
    """A mention by somebody in a channel; the channel and the message."""
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    said = await slack.mention(ada, help_, QUESTION)
    return help_, said.ts


async def streaming(slack: SlackPlatform, channel: str, ts: str) -> Shown:
    """The message that is growing, when it has text."""
    await slack.until(lambda: any("row C" in shown.words for shown in slack.answers(channel, ts)))
    return slack.answers(channel, ts)[0]


async def test_a_streamed_answer_ends_with_its_sources_and_buttons(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await streaming(slack, channel, ts)
        gate.opened.set()
        (shown,) = await complete(slack, channel, ts)
    assert shown.stream == "stopped"
    assert shown.text == TEXT
    assert shown.tasks[0]["status"] == "complete"
    assert "Handbook › Parking" in shown.words
    assert not slack.called("chat.update")


async def test_a_stream_that_dies_ends_as_a_complete_message(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        growing = await streaming(slack, channel, ts)
        slack.end_stream(channel, growing.ts)
        gate.opened.set()
        (shown,) = await complete(slack, channel, ts)
    assert shown.ts == growing.ts
    assert TEXT in shown.words
    assert "Handbook › Parking" in shown.words


@pytest.mark.parametrize("error", ["unknown_method", "channel_type_not_supported", "internal_error"])
async def test_where_slack_does_not_stream_the_answer_is_posted(
    slack: SlackPlatform, hall: Hall, error: str
) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    slack.fail("chat.startStream", error, times=None)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await streaming(slack, channel, ts)
        gate.opened.set()
        (shown,) = await complete(slack, channel, ts)
    assert shown.stream == ""
    assert TEXT in shown.words


@pytest.mark.parametrize(
    "method",
    [
        "assistant.threads.setStatus",
        "chat.startStream",
        "chat.appendStream",
        "chat.stopStream",
        "users.info",
        "usergroups.list",
        "conversations.info",
        "conversations.members",
        "users.list",
    ],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_the_answer_is_complete_whatever_call_fails(
    slack: SlackPlatform, hall: Hall, method: str, status: int
) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    slack.fail(method, "internal_error", status=status, times=None)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await streaming(slack, channel, ts)
        gate.opened.set()
        *_, shown = await complete(slack, channel, ts)
    assert TEXT in shown.words


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_that_breaks_does_not_cut_the_answer_nor_double_its_text(
    slack: SlackPlatform, hall: Hall, method: str, when: str
) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    slack.lose(method, when, times=1)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await streaming(slack, channel, ts)
        gate.opened.set()
        (shown,) = await complete(slack, channel, ts)
    assert read(shown).count("The barrier opens with code 4711") == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_broken_connection_takes_nothing_from_what_was_said_before(
    slack: SlackPlatform, hall: Hall, when: str
) -> None:
    hall.engine.script = saying(LONG)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await slack.until(
            lambda: "Handbook › Parking" in "".join(m.words for m in slack.answers(channel, ts))
        )
        earlier = [shown.words for shown in slack.answers(channel, ts)]
        slack.lose("chat.startStream", when, times=1)
        hall.engine.script = saying(TEXT)
        again = await slack.mention(slack.user("Bo"), channel, QUESTION, thread_ts=ts)
        await slack.until(lambda: TEXT in slack.answers(channel, ts)[-1].words)
    shown = [shown.words for shown in slack.answers(channel, ts)]
    assert again.ts > ts
    assert shown[: len(earlier)] == earlier
    assert len(shown) == len(earlier) + 1


async def test_when_nothing_can_be_posted_it_tries_again_until_it_can(
    slack: SlackPlatform, hall: Hall
) -> None:
    slack.fail("chat.postMessage", "internal_error", times=2)
    slack.fail("chat.startStream", "internal_error", times=None)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await slack.until(lambda: [shown for shown in slack.answers(channel, ts) if shown.blocks])
    (line, *_) = hall.log.of("error")
    assert line["reference"] in slack.answers(channel, ts)[0].words


async def test_an_answer_whose_posting_broke_off_is_not_posted_twice(
    slack: SlackPlatform, hall: Hall
) -> None:
    slack.lose("chat.postMessage", "after", times=1)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await complete(slack, channel, ts)
        while not await hall.memory.takes_part(f"slack:{slack.team.id}/{channel}/{ts}"):
            await asyncio.sleep(0.01)
    assert len(slack.answers(channel, ts)) == 1


async def test_an_answer_that_was_ready_while_slack_was_away_is_shown_when_it_is_back(
    slack: SlackPlatform, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_SHOW_AGAIN_AFTER_SECONDS", (0.1,) * 100)
    gate = Gate()
    hall.engine.script = gate.script
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        await streaming(slack, channel, ts)
        slack.lose("*", "before", times=None)
        gate.opened.set()
        await slack.until(lambda: not_shown(hall))
        slack.heal()
        (shown,) = await complete(slack, channel, ts)
    assert read(shown).count("The barrier opens with code 4711") == 1
    assert "Something went wrong" not in shown.words


async def test_an_answer_of_which_slack_could_not_say_whether_it_is_there_is_shown_once(
    slack: SlackPlatform, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_SHOW_AGAIN_AFTER_SECONDS", (0.1,) * 100)
    slack.fail("chat.startStream", "internal_error", times=None)
    slack.lose("chat.postMessage", "after", times=1)
    async with hall.connected(slack):
        slack.lose("conversations.replies", "before", times=None)
        channel, ts = await ask(slack)
        await slack.until(lambda: not_shown(hall))
        slack.heal()
        await slack.until(lambda: not slack.deliveries.unacked)
        while not await hall.memory.takes_part(f"slack:{slack.team.id}/{channel}/{ts}"):
            await asyncio.sleep(0.01)
    assert len(slack.answers(channel, ts)) == 1


def not_shown(hall: Hall) -> list[str]:
    return [line["event"] for line in hall.log.of("error") if line["event"] == "answer not shown"]


async def test_rate_limits_are_waited_out(slack: SlackPlatform, hall: Hall) -> None:
    slack.limit("chat.*", seconds=1, times=2)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        (shown,) = await complete(slack, channel, ts)
    assert TEXT in shown.words


async def test_a_missing_scope_is_named_in_the_log_with_the_way_to_add_it(
    slack: SlackPlatform, hall: Hall
) -> None:
    slack.team.scopes.discard("chat:write")
    async with hall.connected(slack):
        await ask(slack)
        await slack.until(lambda: any("chat:write" in str(line) for line in hall.log.of("error")))
    said = next(line["error"] for line in hall.log.of("error") if "chat:write" in line["error"])
    assert "add it under 'OAuth & Permissions' > 'Scopes' and install the app again" in said


async def test_a_disconnect_loses_nothing(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        first = await slack.mention(ada, help_, QUESTION)
        await slack.disconnect("refresh_requested")
        second = await slack.mention(ada, help_, QUESTION)
        slack.cut()
        third = await slack.mention(ada, help_, QUESTION)
        for said in (first, second, third):
            await complete(slack, help_, said.ts)
    assert len(hall.engine.asked) == 3


async def test_a_long_answer_keeps_its_text_and_its_sources(slack: SlackPlatform, hall: Hall) -> None:
    hall.engine.script = saying(LONG)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        messages = await complete(slack, channel, ts)
        await slack.until(lambda: "sign 399" in "".join(m.words for m in slack.answers(channel, ts)))
        messages = slack.answers(channel, ts)
    words = "\n".join(shown.words for shown in messages)
    assert all(f"Rule {number} of" in words for number in (0, 200, 399))
    assert words.count("Handbook › Parking") == 1


async def test_unicode_code_and_tables_survive(slack: SlackPlatform, hall: Hall) -> None:
    hall.engine.script = saying(TRICKY)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        (shown,) = await complete(slack, channel, ts)
    assert "Grüße 🚗 aus Köln [1]." in shown.words
    assert "```python" in shown.words
    assert "| C | 4711 |" in shown.words


async def test_nobody_is_called_and_no_foreign_link_leaves(slack: SlackPlatform, hall: Hall) -> None:
    hall.engine.script = saying(HOSTILE)
    async with hall.connected(slack):
        channel, ts = await ask(slack)
        (shown,) = await complete(slack, channel, ts)
    for hostile in ("<!channel>", "@here", "<@U1>", "https://evil.example"):
        assert hostile not in shown.words


async def test_told_to_end_it_sees_what_has_begun_through(slack: SlackPlatform, hall: Hall) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    async with hall.connected(slack) as running:
        channel, ts = await ask(slack)
        await streaming(slack, channel, ts)
        running.cancel()
        gate.opened.set()
        (shown,) = await complete(slack, channel, ts)
    assert TEXT in shown.words
    assert await hall.inbox.abandoned("slack") == ()
