"""`/lorebot` in Slack: asking for one's own eyes, and what admins do."""

from __future__ import annotations

from pathlib import Path

from slack_hall import HANDBOOK, Hall
from slack_platform import Shown, SlackPlatform

from bot.inbox import Inbox
from connectors.commands import ChannelMode, Forget, Help, Reindex
from connectors.ports import Delivery

QUESTION = "Where do visitors park?"


def seen(slack: SlackPlatform, channel: str, user: str) -> list[Shown]:
    """What one person sees in a channel."""
    return slack.visible(channel, user=user)


async def whispered(slack: SlackPlatform, channel: str, user: str, words: str) -> Shown:
    """The message with these words that one person sees."""
    await slack.until(lambda: any(words in shown.words for shown in seen(slack, channel, user)))
    return next(shown for shown in seen(slack, channel, user) if words in shown.words)


async def test_a_question_by_command_is_answered_for_the_askers_eyes(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        given = await slack.slash(ada, help_, f"ask {QUESTION}")
        await whispered(slack, help_, ada, "row C")
        others = [shown.words for shown in seen(slack, help_, bo)]
    (question,) = hall.engine.asked
    assert "Having a look" in str(given.payload)
    assert question.place.principals is None
    assert others == []


async def test_an_unknown_command_gets_the_nearest_one(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        given = await slack.slash(ada, help_, "reindx")
        await slack.until(lambda: given.state == "acked")
    assert "reindex" in str(given.payload)
    assert hall.administering.given == []


async def test_a_command_is_given_with_who_gave_it_and_where(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada", kind="admin")
        help_ = slack.channel("help", [ada])
        await slack.slash(ada, help_, "channel auto")
        await whispered(slack, help_, ada, "Done: ChannelMode")
    ((command, asker, place, conversation),) = hall.administering.given
    assert command == ChannelMode("auto")
    assert (asker.id, "workspace-admins" in asker.principals) == (ada, True)
    assert (place.platform, place.id, place.workspace) == ("slack", help_, slack.team.id)
    assert conversation == f"slack:{slack.team.id}/{help_}"


async def test_nothing_at_all_is_help(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        await slack.slash(ada, help_, "")
        await whispered(slack, help_, ada, "Done: Help")
    assert isinstance(hall.administering.given[0][0], Help)


async def test_a_refusal_says_who_can_help(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        await slack.slash(ada, help_, "reindex --rebuild")
        await whispered(slack, help_, ada, "Only admins may do that")
    assert slack.modal(ada) is None


async def reindexing(slack: SlackPlatform, admin: str, channel: str) -> tuple[str, str]:
    """A reindex that runs: the channel and the timestamp of the message that shows how far it is."""
    await slack.slash(admin, channel, "reindex office")
    await slack.until(lambda: any(call.method == "chat.postMessage" for call in slack.calls))
    posted = next(call for call in slack.calls if call.method == "chat.postMessage")
    return str(posted.reply["channel"]), str(posted.reply["ts"])


async def test_a_long_command_shows_how_far_it_is_edited_in_place(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada", kind="admin")
        help_ = slack.channel("help", [ada])
        direct, ts = await reindexing(slack, ada, help_)
        first = slack.message(direct, ts).words
        await slack.until(lambda: slack.message(direct, ts).words != first)
        second = slack.message(direct, ts).words
        edits = len(slack.called("chat.update"))
        hall.administering.done.set()
        await slack.until(lambda: "Done: Reindex" in slack.message(direct, ts).words)
    assert "of 800 documents" in first
    assert "of 800 documents" in second
    assert edits <= 2


async def test_a_long_command_can_be_cancelled_with_a_button(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada", kind="admin")
        help_ = slack.channel("help", [ada])
        direct, ts = await reindexing(slack, ada, help_)
        await slack.press(ada, direct, ts, "lorebot_cancel")
        await slack.until(lambda: "Cancelled" in slack.message(direct, ts).words)
    assert hall.administering.broken_off == 1


async def test_a_command_goes_on_when_its_progress_cannot_be_shown(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada", kind="admin")
        help_ = slack.channel("help", [ada])
        direct, ts = await reindexing(slack, ada, help_)
        del slack.messages[direct][ts]
        await slack.until(lambda: any(call.error for call in slack.called("chat.update")))
        hall.administering.done.set()
        await whispered(slack, help_, ada, "Done: Reindex")
    assert hall.administering.broken_off == 0
    assert not any("reference" in line for line in hall.log.of("error"))


async def test_who_gave_no_command_is_told_who_may_cancel_it(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada, bo = slack.user("Ada", kind="admin"), slack.user("Bo")
        help_ = slack.channel("help", [ada, bo])
        direct, ts = await reindexing(slack, ada, help_)
        slack.members[direct].add(bo)
        await slack.press(bo, direct, ts, "lorebot_cancel")
        await whispered(slack, direct, bo, f"Only <@{ada}> and admins may cancel that.")
        hall.administering.done.set()


async def test_a_command_that_the_end_of_the_process_cuts_off_is_not_lost_in_silence(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    hall.administering.silent = True
    ada = slack.user("Ada", kind="admin")
    help_ = slack.channel("help", [ada])
    async with hall.connected(slack):
        await slack.slash(ada, help_, "reindex office")
        await slack.until(lambda: hall.administering.given)
    other = Hall(tmp_path)
    try:
        async with other.connected(slack):
            await whispered(slack, help_, ada, "I was restarted while I did")
    finally:
        other.close()


async def test_a_destructive_command_asks_first(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada", kind="admin")
        help_ = slack.channel("help", [ada])
        await slack.slash(ada, help_, f"forget {HANDBOOK}")
        await slack.until(lambda: slack.modal(ada))
        asked, given = slack.modal(ada), list(hall.administering.given)
        assert asked is not None
        await slack.submit_view(ada, asked["id"], {})
        await whispered(slack, help_, ada, "Done: Forget")
    assert HANDBOOK in str(asked["blocks"])
    assert given == []
    assert [command for command, *_ in hall.administering.given] == [Forget(HANDBOOK)]


async def test_a_command_that_is_delivered_again_is_done_once(slack: SlackPlatform, hall: Hall) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada", kind="admin")
        help_ = slack.channel("help", [ada])
        given = await slack.slash(ada, help_, "channel auto")
        await whispered(slack, help_, ada, "Done: ChannelMode")
        await slack.redeliver(given)
        await slack.slash(ada, help_, "sources")
        await whispered(slack, help_, ada, "Done: ListSources")
    assert len(hall.administering.given) == 2


async def test_what_the_killed_process_was_told_to_do_is_not_lost_in_silence(
    slack: SlackPlatform, hall: Hall
) -> None:
    killed = Inbox(hall.journal.database, lambda line: None, lease_seconds=0.0)
    ada = slack.user("Ada", kind="admin")
    help_ = slack.channel("help", [ada])
    payload = {
        "command": "reindex",
        "ticket": {"team": slack.team.id, "enterprise": None, "channel": help_, "user": ada, "thread": None},
    }
    await killed.take(Delivery("slack:command/1", "slack", payload))
    async with hall.connected(slack):
        await whispered(slack, help_, ada, "I was restarted")
    killed.close()
    assert not any(isinstance(command, Reindex) for command, *_ in hall.administering.given)
