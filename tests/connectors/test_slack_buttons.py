"""What can be pressed in Slack: thumbs, forms, passages, a person to ask, sharing, the shortcut, App Home."""

from __future__ import annotations

import asyncio

import pytest
from slack_hall import TEXT, Gate, Hall
from slack_platform import Shown, SlackPlatform

from connectors.ports import Judgement

QUESTION = "Where do visitors park?"


async def asked(slack: SlackPlatform, hall: Hall) -> tuple[str, str, Shown]:
    """Ada asks in a channel: she, the channel, and the answer."""
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    said = await slack.mention(ada, help_, QUESTION)
    answer = await complete(slack, help_, said.ts)
    while not await hall.memory.takes_part(f"slack:{slack.team.id}/{help_}/{said.ts}"):
        await asyncio.sleep(0.01)
    return ada, help_, answer


async def complete(slack: SlackPlatform, channel: str, ts: str) -> Shown:
    """The answer under a message, when it has its buttons."""

    def found() -> list[Shown]:
        return [one for one in slack.answers(channel, ts) if one.elements("feedback_buttons")]

    await slack.until(found)
    return found()[0]


async def kept(slack: SlackPlatform, hall: Hall) -> list[tuple[str, str, Judgement]]:
    """The judgements, when there are any."""
    found: list[tuple[str, str, Judgement]] = []
    judge = hall.memory.judge

    async def judged(answer_id: str, who: str, judgement: Judgement) -> None:
        await judge(answer_id, who, judgement)
        found.append((answer_id, who, judgement))

    hall.memory.judge = judged  # type: ignore[method-assign]
    return found


async def test_a_thumb_up_is_kept(slack: SlackPlatform, hall: Hall) -> None:
    judgements = await kept(slack, hall)
    async with hall.connected(slack):
        ada, help_, answer = await asked(slack, hall)
        await slack.press(ada, help_, answer.ts, "lorebot_feedback", "positive")
        await slack.until(lambda: judgements)
    ((_, who, judgement),) = judgements
    assert (who, judgement) == (f"slack:{ada}", Judgement(True))
    assert slack.modal(ada) is None


async def test_a_thumb_down_opens_a_form_and_what_it_says_is_kept(slack: SlackPlatform, hall: Hall) -> None:
    judgements = await kept(slack, hall)
    async with hall.connected(slack):
        ada, help_, answer = await asked(slack, hall)
        await slack.press(ada, help_, answer.ts, "lorebot_feedback", "negative")
        await slack.until(lambda: slack.modal(ada))
        modal = slack.modal(ada)
        assert modal is not None
        await slack.submit_view(ada, modal["id"], {"fault": "outdated", "better": "Row D since May."})
        await slack.until(lambda: len(judgements) == 2)
    assert judgements[-1][2] == Judgement(False, "outdated", "Row D since May.")


async def test_the_passages_that_were_read_are_shown(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, help_, answer = await asked(slack, hall)
        await slack.press(ada, help_, answer.ts, "lorebot_passages")
        await slack.until(lambda: slack.modal(ada))
    assert "Visitors park in row C." in str(slack.modal(ada))


async def test_a_button_does_not_tell_what_was_read_elsewhere(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, _, answer = await asked(slack, hall)
        bo = slack.user("Bo")
        other = slack.channel("other", [ada, bo])
        said = await slack.mention(bo, other, QUESTION)
        elsewhere = await complete(slack, other, said.ts)
        remembered = str(answer.elements("button")[0]["value"])
        for block in slack.messages[other][elsewhere.ts]["blocks"]:
            for element in block.get("elements", ()):
                if element.get("action_id") == "lorebot_passages":
                    element["value"] = remembered
        await slack.press(bo, other, elsewhere.ts, "lorebot_passages")
        await slack.until(lambda: slack.whispers)
    assert slack.modal(bo) is None


async def test_the_expert_is_called_into_the_thread_once(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, help_, answer = await asked(slack, hall)
        for _ in range(2):
            await slack.press(ada, help_, answer.ts, "lorebot_person")
        await slack.until(lambda: len(slack.answers(help_, str(answer.thread_ts))) == 2)
        await slack.until(lambda: slack.whispers)
        called = slack.answers(help_, str(answer.thread_ts))[-1]
    assert "<@U0EXPERT>" in called.words
    assert QUESTION in called.words
    assert "called to this answer already" in slack.whispers[0]["text"]
    assert len(slack.answers(help_, str(answer.thread_ts))) == 2


async def test_a_button_whose_work_failed_can_be_pressed_again(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, help_, answer = await asked(slack, hall)
        slack.fail("chat.postMessage", "internal_error", times=1)
        await slack.press(ada, help_, answer.ts, "lorebot_person")
        await slack.until(lambda: slack.whispers)
        await slack.press(ada, help_, answer.ts, "lorebot_person")
        await slack.until(lambda: len(slack.answers(help_, str(answer.thread_ts))) == 2)
    (line,) = [line for line in hall.log.of("error") if "reference" in line]
    assert line["reference"] in slack.whispers[0]["text"]


async def test_a_shared_answer_is_asked_again_for_those_who_read_the_channel(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada, guest = slack.user("Ada"), slack.user("Gus", kind="guest")
        help_ = slack.channel("help", [ada, guest])
        await slack.slash(ada, help_, f"ask {QUESTION}")
        private = await _whisper(slack, help_, ada)
        await slack.press(ada, help_, private.ts, "lorebot_share")
        await slack.until(lambda: len(hall.engine.asked) == 2)
        await slack.until(lambda: _is_shown(slack, help_))
    alone, shared = hall.engine.asked
    assert alone.place.principals is None
    assert shared.place.principals == {"public"}
    assert shared.text == QUESTION


async def _whisper(slack: SlackPlatform, channel: str, user: str) -> Shown:
    def found() -> list[Shown]:
        return [one for one in slack.visible(channel, user=user) if one.elements("feedback_buttons")]

    await slack.until(found)
    return found()[0]


def _is_shown(slack: SlackPlatform, channel: str) -> bool:
    return any(TEXT in slack.message(channel, ts).words for ts in slack.messages[channel])


async def test_the_shortcut_answers_a_message_in_its_thread(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        said = await slack.say(bo, help_, QUESTION)
        await slack.shortcut(ada, help_, said.ts, "lorebot_answer_this")
        await complete(slack, help_, said.ts)
    (question,) = hall.engine.asked
    assert (question.text, question.asker.id) == (QUESTION, ada)


async def test_where_it_is_no_member_the_shortcut_is_answered_for_the_askers_eyes(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        closed = slack.channel("closed", [ada, bo], bot=False)
        root = slack.put(closed, bo, QUESTION)["ts"]
        await slack.shortcut(ada, closed, root, "lorebot_answer_this")
        private = await _whisper(slack, closed, ada)
        before = slack.visible(closed, user=ada)
        await slack.press(ada, closed, private.ts, "lorebot_share")
        await slack.until(lambda: "then share" in slack.visible(closed, user=ada)[-1].words)
        slack.members[closed].add(slack.team.bot_user)
        await slack.press(ada, closed, private.ts, "lorebot_share")
        await slack.until(lambda: _is_shown(slack, closed))
    assert "I am not in this channel" in before[1].words
    assert TEXT in private.words
    assert hall.engine.asked[0].place.principals is None
    assert not any("reference" in line for line in hall.log.of("error"))


async def test_where_it_may_no_longer_write_the_asker_gets_the_answer_alone(
    slack: SlackPlatform, hall: Hall
) -> None:
    gate = Gate()
    hall.engine.script = gate.script
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: hall.engine.at_work)
        slack.members[help_].discard(slack.team.bot_user)
        gate.opened.set()
        await slack.until(lambda: _is_shown(slack, slack.im(ada)))


async def test_the_reaction_asks_for_an_answer_once(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        said = await slack.say(bo, help_, QUESTION)
        await slack.react(ada, help_, said.ts, "thumbsup")
        await slack.react(ada, help_, said.ts, "question")
        await complete(slack, help_, said.ts)
        await slack.react(bo, help_, said.ts, "question")
        await slack.settled()
    assert [question.text for question in hall.engine.asked] == [QUESTION]


async def test_a_file_comes_with_the_question(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        plan = slack.file("plan.txt", b"Row C is closed in June.")
        said = await slack.mention(ada, help_, "Is row C open?", files=[plan])
        await complete(slack, help_, said.ts)
    (attachment,) = hall.engine.asked[0].attachments
    assert (attachment.name, attachment.content) == ("plan.txt", b"Row C is closed in June.")


async def test_a_file_of_another_company_is_looked_up_first(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        partners = slack.channel("partners", [ada], is_ext_shared=True)
        plan = slack.file("plan.txt", b"Row C is closed in June.", file_access="check_file_info")
        said = await slack.mention(ada, partners, "Is row C open?", files=[plan])
        await complete(slack, partners, said.ts)
    assert [one.name for one in hall.engine.asked[0].attachments] == ["plan.txt"]


@pytest.mark.parametrize(
    "url",
    [
        "https://files.slack.com@evil.example/x",
        "https://files.slack.com:8443/x",
        "https://files.slack.com.evil.example/x",
        "http://files.slack.com/x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ],
)
async def test_a_file_that_does_not_lie_in_slack_is_not_fetched(
    slack: SlackPlatform, hall: Hall, url: str
) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        plan = slack.file("plan.txt", b"", url_private=url, url_private_download=url)
        said = await slack.mention(ada, help_, "Is row C open?", files=[plan])
        await slack.until(
            lambda: any("it does not lie in Slack" in one.words for one in slack.answers(help_, said.ts))
        )
    assert hall.engine.asked[0].attachments == ()


async def test_a_file_that_cannot_be_read_is_named(slack: SlackPlatform, hall: Hall) -> None:
    slack.fail("files.download", "internal_error", status=500, times=None)
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        plan = slack.file("plan.txt", b"Row C is closed in June.")
        said = await slack.mention(ada, help_, "Is row C open?", files=[plan])
        await slack.until(
            lambda: any("I could not read" in one.words for one in slack.answers(help_, said.ts))
        )
    assert hall.engine.asked[0].attachments == ()


async def test_the_home_tab_shows_what_it_knows(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, admin = slack.user("Ada"), slack.user("Root", kind="admin")
        for person in (ada, admin):
            await slack.app_home_opened(person)
            await slack.until(lambda person=person: slack.home(person))
    assert "office" in str(slack.home(ada))
    assert "2 documents failed" not in str(slack.home(ada))
    assert "2 documents failed" in str(slack.home(admin))


async def test_the_agent_view_suggests_questions(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        await slack.app_home_opened(ada, "messages")
        await slack.until(lambda: slack.prompts)
    (prompts,) = slack.prompts.values()
    assert QUESTION in str(prompts)


async def test_a_suggested_question_is_answered_in_the_direct_messages(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        await slack.app_home_opened(ada)
        await slack.until(lambda: slack.home(ada))
        await slack.press_in_view(ada, slack.home(ada)["id"], "lorebot_suggestion_0")
        await slack.until(lambda: hall.engine.asked)
    assert hall.engine.asked[0].place.principals is None
