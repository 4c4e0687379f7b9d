"""What a Slack workspace's channels become, through the real slack_sdk against a server on the loopback."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chat_standins import complaint as said_without
from chat_standins import headings, listing, only, sync, texts
from index_standins import Index
from slack_web import Raw, SlackWorkspace, slack_workspace, too_many_requests

from knowledge.conversion import to_markdown
from knowledge.documents import EVERYONE, KnowledgeError, UnreadableError, VanishedError
from knowledge.sources.conversation_source import ConversationSource, HistoryLimits
from knowledge.sources.slack import SlackChat

NOON = (time.time() // 86_400 - 2) * 86_400 + 43_200
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LONG = "The release train leaves every second Tuesday at ten, and whoever misses it waits for the next. " * 5
LIMITS = HistoryLimits()
SourceOf = Callable[..., ConversationSource]


@pytest.fixture
def workspace() -> Iterator[SlackWorkspace]:
    with slack_workspace() as found:
        yield found


@pytest.fixture
def source_of(workspace: SlackWorkspace, tmp_path: Path) -> SourceOf:
    """Makes sources that share what they remember, as runs of one source do."""

    def build(
        *channels: str,
        token: str = "xoxb-test",
        audience: str = EVERYONE,
        limits: HistoryLimits = LIMITS,
        **further: object,
    ) -> ConversationSource:
        names = channels or ("help",)
        chat = SlackChat("chat", token, names, tmp_path / "people.sqlite3", api_url=workspace.url)
        memory = tmp_path / "history.sqlite3"
        return ConversationSource("chat", frozenset({audience}), chat, memory, limits, **further)  # type: ignore[arg-type]

    return build


@pytest.fixture
def ada(workspace: SlackWorkspace) -> str:
    return workspace.user("Ada Lovelace", "Ada")


@pytest.fixture
def ben(workspace: SlackWorkspace) -> str:
    return workspace.user("Ben Okri")


@pytest.fixture
def channel(workspace: SlackWorkspace) -> str:
    return workspace.channel("help")


# What is a document


def test_a_thread_is_one_document_with_its_first_message_for_a_title(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, ben: str
) -> None:
    root = workspace.post(channel, ada, "How do I reset the VPN?", NOON)
    workspace.post(channel, ben, "Ask the desk.", NOON + HOUR, thread=root)
    source = source_of()

    (uri,) = listing(source)
    raw = source.read(uri)
    document = to_markdown(raw)

    assert uri == f"{channel}/{root}"
    assert document.title == "#help: How do I reset the VPN?"
    assert raw.content.decode().splitlines()[2::2] == [
        f"**Ada** ({datetime.fromtimestamp(NOON, UTC):%Y-%m-%d} 12:00): How do I reset the VPN?",
        f"**Ben Okri** ({datetime.fromtimestamp(NOON, UTC):%Y-%m-%d} 13:00): Ask the desk.",
    ]


def test_a_document_has_the_permalink_and_the_time_of_its_last_message(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    last = workspace.post(channel, ada, "Solved.", NOON + HOUR, thread=root)
    source = source_of()

    (uri,) = listing(source)
    raw = source.read(uri)

    assert raw.url == f"https://acme.slack.example/archives/{channel}/p{root.replace('.', '')}"
    assert raw.modified_at == datetime.fromtimestamp(float(last), UTC)


def test_messages_that_follow_each_other_are_one_document(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, ben: str
) -> None:
    workspace.post(channel, ada, "The printer is broken.", NOON)
    workspace.post(channel, ben, "Turn it off and on.", NOON + MINUTE)

    text = only(source_of())

    assert "The printer is broken." in text
    assert "Turn it off and on." in text


def test_silence_divides_once_there_are_enough_words(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, LONG, NOON)
    workspace.post(channel, ada, "Lunch is here.", NOON + 2 * HOUR)

    assert len(texts(source_of())) == 2


def test_single_lines_of_a_day_stay_together_and_those_of_two_days_do_not(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "Monday's line.", NOON)
    workspace.post(channel, ada, "Monday's other line.", NOON + 3 * HOUR)
    workspace.post(channel, ada, "Tuesday's line.", NOON + DAY)

    monday, tuesday = texts(source_of())

    assert "Monday's other line." in monday
    assert "Tuesday's line." in tuesday


def test_a_message_that_gets_a_reply_becomes_a_document_of_its_own(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "One.", NOON)
    second = workspace.post(channel, ada, "Two.", NOON + 1)
    assert len(texts(source_of())) == 1

    workspace.post(channel, ada, "A reply.", NOON + 2, thread=second)

    thread, rest = texts(source_of())
    assert ("Two." in thread, "Two." in rest) == (True, False)


def test_a_reply_that_was_also_sent_to_the_channel_stands_in_its_thread_only(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    workspace.post(channel, ada, "Seen by all", NOON + 1, thread=root, subtype="thread_broadcast")

    assert only(source_of()).count("Seen by all") == 1


@pytest.mark.parametrize("subtype", ["channel_join", "channel_leave", "channel_topic", "pinned_item"])
def test_slacks_own_notes_are_left_out(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, subtype: str
) -> None:
    workspace.post(channel, ada, "joined", NOON, subtype=subtype)

    assert texts(source_of()) == []


def test_what_an_app_posts_in_blocks_is_read(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str
) -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "Deploy *4.2* is live."}}
    fields: dict[str, object] = {"subtype": "bot_message", "username": "Deployer", "blocks": [section]}
    ts = workspace.post(channel, "UAPP", "", NOON, **fields)
    del workspace.messages[channel][ts]["user"]

    assert "**Deployer**" in only(source_of())
    assert "Deploy **4.2** is live." in only(source_of())


def test_files_are_named(workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str) -> None:
    workspace.post(channel, ada, "Here", NOON, files=[{"name": "floor-plan.pdf"}])

    assert "Here (attached: floor-plan.pdf)" in only(source_of())


def test_messages_older_than_the_limit_are_no_documents(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "Ancient.", NOON - 40 * DAY)
    workspace.post(channel, ada, "Recent.", NOON)

    assert len(listing(source_of())) == 2

    assert "Recent." in only(source_of(limits=HistoryLimits(days=30)))


def test_channels_are_found_by_id_too(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "Hello.", NOON)

    assert "Hello." in only(source_of(channel))
    assert workspace.calls("conversations.list") == []


# What is readable


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("see <https://a.example/x|the page>", "see [the page](https://a.example/x)"),
        ("see <https://a.example/x>", "see https://a.example/x"),
        ("mail <mailto:a@b.example|a@b.example>", "mail a@b.example"),
        ("in <#C0001|general>", "in #general"),
        ("<!channel> and <!here>", "@channel and @here"),
        ("<!subteam^S1|@dev-team>", "@dev-team"),
        ("<!date^1392734382^{date}|18 Feb 2014>", "18 Feb 2014"),
        ("a *bold* and ~old~ word", "a **bold** and ~~old~~ word"),
        ("5 &lt; 6 &amp;&amp; 7 &gt; 6", "5 < 6 && 7 > 6"),
        ("done :white_check_mark: :wave::skin-tone-3:", "done ✅ 👋"),
        ("our :partyparrot:", "our :partyparrot:"),
        ("• one\n• two", "- one\n- two"),
        ("run `a *b* :tada: &lt;c&gt;`", "run `a *b* :tada: <c>`"),
        ("<https://a.example/:tada:/*x*|*x*>", "[*x*](https://a.example/:tada:/*x*)"),
        ("<javascript:alert(1)|click>", "click"),
    ],
)
def test_markup_is_made_readable(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, written: str, read: str
) -> None:
    workspace.post(channel, ada, written, NOON)

    assert only(source_of()).rstrip().partition("): ")[2] == read


def test_people_who_are_mentioned_have_names(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, ben: str
) -> None:
    workspace.post(channel, ada, f"ask <@{ben}>", NOON)

    assert "ask @Ben Okri" in only(source_of())


def test_an_unknown_person_is_someone(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "ask <@U99999>", NOON)

    assert "ask @Someone" in only(source_of())


def test_a_person_is_asked_for_once(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    for second in range(3):
        workspace.post(channel, ada, f"ask <@U99999> {second}", NOON + second)
    texts(source_of())
    texts(source_of(limits=HistoryLimits(full_hours=0)))

    assert sorted(call["user"] for call in workspace.calls("users.info")) == [ada, "U99999"]


def test_code_keeps_its_fence_and_what_is_in_it(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "Run:```# not a heading\nls *.txt &gt; out```then wait.", NOON)

    assert "Run:\n```\n# not a heading\nls *.txt > out\n```\nthen wait." in only(source_of())


# What is followed


def test_an_unchanged_channel_keeps_its_versions(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    workspace.post(channel, ada, "An answer", NOON + 1, thread=root)
    workspace.post(channel, ada, "A line", NOON + 2)
    source = source_of()
    before = listing(source)
    texts(source)

    assert listing(source_of()) == before


def test_an_edit_changes_the_version_of_its_document_only(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    first = workspace.post(channel, ada, "Wednesday", NOON)
    workspace.post(channel, ada, "Another day", NOON + DAY)
    before = listing(source_of())

    workspace.edit(channel, first, "Thursday")

    after = listing(source_of())
    assert [before[uri] == after[uri] for uri in before] == [False, True]
    assert "Thursday" in texts(source_of())[0]


def test_an_edited_reply_is_noticed_although_its_channel_shows_nothing(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "When?", NOON)
    reply = workspace.post(channel, ada, "On Wednesday", NOON + 1, thread=root)
    before = listing(source_of())
    texts(source_of())

    workspace.edit(channel, reply, "On Thursday")

    assert listing(source_of()) != before
    assert "On Thursday" in only(source_of())


def test_an_edit_of_an_old_reply_is_noticed_when_its_thread_has_its_turn(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    root = workspace.post(channel, ada, "When?", NOON)
    reply = workspace.post(channel, ada, "On Wednesday", NOON + 1, thread=root)
    limits = HistoryLimits(lookback_days=0)
    texts(source_of(limits=limits))
    workspace.edit(channel, reply, "On Thursday")
    assert "On Wednesday" in only(source_of(limits=limits))

    rewind(tmp_path, time.time() - NOON)

    assert "On Thursday" in only(source_of(limits=limits))


def test_what_was_said_while_no_sync_ran_is_read_however_short_the_lookback(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    limits = HistoryLimits(lookback_days=0, full_hours=1_000)
    listing(source_of(limits=limits))
    rewind(tmp_path, 3 * DAY)

    workspace.post(channel, ada, "Meanwhile.", NOON)

    assert "Meanwhile." in only(source_of(limits=limits))


def rewind(folder: Path, seconds: float) -> None:
    """Let it be longer ago that the sources of a folder read what they remember."""
    with closing(sqlite3.connect(folder / "history.sqlite3", isolation_level=None)) as connection:
        connection.execute("UPDATE thread SET read_at = read_at - ?", (seconds / 2,))
        connection.execute(
            "UPDATE channel SET read_at = read_at - ?1, listed_at = listed_at - ?1", (seconds,)
        )


def test_a_deleted_message_is_gone_from_its_document_and_from_the_disk(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    workspace.post(channel, ada, "Fine.", NOON)
    slip = workspace.post(channel, ada, "The password is hunter2.", NOON + 1)
    texts(source_of())

    workspace.delete(channel, slip)

    assert "hunter2" not in only(source_of())
    assert not [path for path in tmp_path.iterdir() if b"hunter2" in path.read_bytes()]


def test_a_deleted_reply_is_gone(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    slip = workspace.post(channel, ada, "Wrong answer", NOON + 1, thread=root)
    workspace.post(channel, ada, "Right answer", NOON + 2, thread=root)
    texts(source_of())

    workspace.delete(channel, slip)

    assert "Wrong" not in only(source_of())


def test_a_deleted_thread_is_gone(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    reply = workspace.post(channel, ada, "An answer", NOON + 1, thread=root)
    texts(source_of())

    workspace.delete(channel, reply)
    workspace.delete(channel, root)

    assert texts(source_of()) == []


def test_a_deleted_thread_that_began_before_the_lookback_is_gone(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON - 30 * DAY)
    workspace.post(channel, ada, "An answer", NOON, thread=root)
    texts(source_of())

    workspace.messages[channel].clear()

    assert texts(source_of()) == []


def test_the_replies_to_a_deleted_message_stay(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A secret question", NOON)
    workspace.post(channel, ada, "An answer", NOON + 1, thread=root)
    texts(source_of())

    workspace.delete(channel, root)

    text = only(source_of())
    assert ("secret" in text, "An answer" in text) == (False, True)


def test_an_old_message_that_is_deleted_goes_with_the_next_whole_history(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    limits = HistoryLimits(lookback_days=1)
    old = workspace.post(channel, ada, "Old.", NOON - 30 * DAY)
    texts(source_of(limits=limits))
    workspace.delete(channel, old)
    assert len(texts(source_of(limits=limits))) == 1

    rewind(tmp_path, 2 * DAY)

    assert texts(source_of(limits=limits)) == []


def test_only_the_recent_history_is_read_again_within_a_day(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "Old.", NOON - 30 * DAY)
    listing(source_of())
    listing(source_of())

    whole, recent = (float(call["oldest"]) for call in workspace.calls("conversations.history"))
    assert (whole < NOON - 300 * DAY, recent > NOON - 10 * DAY) == (True, True)


def test_reading_costs_no_request_for_what_the_listing_has_seen(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    workspace.post(channel, ada, "An answer", NOON + 1, thread=root)
    workspace.post(channel, ada, "A line", NOON + 2)
    texts(source_of())
    source = source_of()
    uris = listing(source)
    workspace.asked.clear()

    for uri in uris:
        source.read(uri)

    assert [method for method, _ in workspace.asked if method != "auth.test"] == []


def test_a_renamed_channel_changes_the_versions(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "A line", NOON)
    before = listing(source_of(channel))

    workspace.channels[channel]["name"] = "support"

    assert listing(source_of(channel)) != before
    assert only(source_of(channel)).startswith("# #support")


def test_what_is_remembered_is_made_anew_when_it_is_damaged(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    workspace.post(channel, ada, "A line", NOON)
    texts(source_of())
    for path in tmp_path.glob("history.sqlite3*"):
        path.write_bytes(b"no database at all " * 200)

    assert len(texts(source_of())) == 1


# What the index follows


def test_the_index_follows_what_is_posted_edited_and_deleted(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, ben: str, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    root = workspace.post(channel, ada, "When do we close?", NOON)
    reply = workspace.post(channel, ben, "At six.", NOON + 1, thread=root)
    lunch = workspace.post(channel, ada, "Lunch is at noon.", NOON + 2)
    assert len(sync(index, source_of()).added) == 2

    workspace.edit(channel, reply, "At seven.")
    workspace.delete(channel, lunch)
    workspace.post(channel, ben, "The lift is broken.", NOON + DAY)
    report = sync(index, source_of())

    assert (len(report.added), len(report.changed), len(report.removed)) == (1, 1, 1)
    said = [text.strip().partition("): ")[2] for text in index.texts()]
    assert sorted(said) == ["At seven.", "The lift is broken.", "When do we close?"]


def test_an_unchanged_channel_is_not_read_by_a_sync(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    root = workspace.post(channel, ada, "When do we close?", NOON)
    workspace.post(channel, ada, "At six.", NOON + 1, thread=root)
    workspace.post(channel, ada, "Lunch is at noon.", NOON + 2)
    sync(index, source_of())

    report = sync(index, source_of())

    assert (report.unchanged, report.added, report.changed, report.passages_embedded) == (2, (), (), 0)


def test_a_thread_that_the_bot_joins_leaves_the_index(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    root = workspace.post(channel, ada, "When do we close?", NOON)
    workspace.post(channel, ada, "Anyone?", NOON + 1, thread=root)
    sync(index, source_of())

    workspace.post(channel, workspace.bot_user, "At six.", NOON + 2, thread=root)
    sync(index, source_of())

    assert index.texts() == []


def test_a_listing_can_be_cancelled(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    for day in range(4):
        workspace.post(channel, ada, f"Line {day}", NOON - day * DAY)
    workspace.page_size = 1
    sync(index, source_of())
    workspace.asked.clear()
    cancelled = threading.Event()
    workspace.before = lambda method: cancelled.set() if method == "conversations.history" else None

    report = index.synchronizer.sync(
        source_of(limits=HistoryLimits(full_hours=0)), on_progress=lambda _: None, cancelled=cancelled
    )

    assert report.cancelled
    assert len(workspace.calls("conversations.history")) == 1
    assert len(index.texts()) == 4


def test_a_server_that_dies_in_the_middle_deletes_nothing(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    for day in range(4):
        workspace.post(channel, ada, f"Line {day}", NOON - day * DAY)
    workspace.page_size = 2
    sync(index, source_of())
    before = index.texts()
    workspace.fail("conversations.history", None, {"ok": False, "error": "fatal_error"})

    with pytest.raises(KnowledgeError, match="fatal_error"):
        sync(index, source_of())

    assert len(before) == 4
    assert index.texts() == before


# What is left out


def test_the_bots_own_messages_are_left_out(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "A line", NOON)
    workspace.post(channel, workspace.bot_user, "I am the bot.", NOON + 1)

    assert "I am the bot." not in only(source_of())


def test_what_is_asked_of_the_bot_is_left_out(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, f"<@{workspace.bot_user}> when do we close?", NOON)

    assert texts(source_of()) == []


def test_a_thread_in_which_the_bot_answers_is_left_out(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "When do we close?", NOON)
    workspace.post(channel, workspace.bot_user, "At six.", NOON + 1, thread=root)

    assert texts(source_of()) == []


def test_a_thread_that_the_bot_joins_leaves(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "When do we close?", NOON)
    workspace.post(channel, ada, "Anyone?", NOON + 1, thread=root)
    assert len(texts(source_of())) == 1

    workspace.post(channel, workspace.bot_user, "At six.", NOON + 2, thread=root)

    assert texts(source_of()) == []


def test_the_bot_is_found_among_more_repliers_than_a_channel_shows(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "When do we close?", NOON)
    for second in range(1, 7):
        workspace.post(channel, workspace.user(f"Person {second}"), "Hm.", NOON + second, thread=root)
    workspace.post(channel, workspace.bot_user, "", NOON + 9, thread=root, blocks=[{"type": "divider"}])
    source = source_of()

    (uri,) = listing(source)
    with pytest.raises(VanishedError):
        source.read(uri)
    assert listing(source) == {}


# What is refused


def test_a_private_channel_is_refused_while_the_source_is_for_everyone(
    workspace: SlackWorkspace, source_of: SourceOf, ada: str
) -> None:
    channel = workspace.channel("board", private=True)
    workspace.post(channel, ada, "Secret.", NOON)

    with pytest.raises(KnowledgeError, match=r"not everyone may read #board: .*allow_private_channels"):
        listing(source_of("board"))
    assert workspace.calls("conversations.history") == []


def test_a_private_channel_is_read_for_an_audience_of_its_own(
    workspace: SlackWorkspace, source_of: SourceOf, ada: str
) -> None:
    workspace.post(workspace.channel("board", private=True), ada, "Secret.", NOON)

    assert "Secret." in only(source_of("board", audience="group:board"))


def test_a_private_channel_is_read_for_everyone_when_that_is_wanted(
    workspace: SlackWorkspace, source_of: SourceOf, ada: str
) -> None:
    workspace.post(workspace.channel("board", private=True), ada, "Secret.", NOON)

    assert "Secret." in only(source_of("board", allow_private_channels=True))


def test_a_channel_that_became_private_is_refused(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "A line", NOON)
    listing(source_of(channel))

    workspace.channels[channel] |= {"is_private": True}

    with pytest.raises(KnowledgeError, match="not everyone may read #help"):
        listing(source_of(channel))


def test_a_channel_that_became_private_is_closed_in_the_index_until_that_is_settled(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    workspace.post(channel, ada, "A line", NOON)
    sync(index, source_of(channel))
    workspace.channels[channel] |= {"is_private": True}
    for _run in range(2):
        with pytest.raises(KnowledgeError, match="not everyone may read #help"):
            sync(index, source_of(channel))
    assert index.texts() == []

    sync(index, source_of(channel, audience="group:board"))
    sync(index, source_of(channel, audience="group:board"))

    assert (len(index.texts()), len(index.texts("group:board"))) == (0, 1)


@pytest.mark.parametrize(
    "told", [{"is_im": True}, {"is_mpim": True}, {"is_channel": None}, {"is_group": True}]
)
def test_what_is_not_plainly_public_counts_as_private(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, told: dict[str, object]
) -> None:
    workspace.channels[channel] |= told

    with pytest.raises(KnowledgeError, match="not everyone may read"):
        listing(source_of(channel))


# What goes wrong


def complaint(source: ConversationSource) -> str:
    return said_without(source, "xoxb-test")


def test_a_missing_token_names_the_variable(source_of: SourceOf, channel: str) -> None:
    assert "set the environment variable SLACK_BOT_TOKEN" in complaint(source_of(token=""))


def test_a_wrong_token_names_the_variable(source_of: SourceOf, channel: str) -> None:
    message = complaint(source_of(token="xoxb-wrong"))
    assert "does not accept the token in SLACK_BOT_TOKEN (invalid_auth)" in message


def test_a_revoked_token_is_named(workspace: SlackWorkspace, source_of: SourceOf, channel: str) -> None:
    workspace.fail("conversations.list", {"ok": False, "error": "token_revoked"})
    assert "token_revoked" in complaint(source_of())


def test_a_missing_scope_is_named(workspace: SlackWorkspace, source_of: SourceOf, channel: str) -> None:
    workspace.scopes.remove("channels:history")
    assert "conversations.history needs the scope channels:history: add it" in complaint(source_of())


def test_the_scope_for_private_channels_is_asked_for_only_where_one_may_be_private(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str
) -> None:
    workspace.scopes -= {"groups:read", "groups:history"}
    assert listing(source_of()) == {}
    assert "needs the scope groups:read" in complaint(source_of("nowhere"))


def test_a_channel_that_the_bot_has_not_joined_says_how_to_invite_it(
    workspace: SlackWorkspace, source_of: SourceOf
) -> None:
    workspace.channel("news", member=False)
    assert "The bot is not in #news: write /invite" in complaint(source_of("news"))


@pytest.mark.parametrize("name", ["nowhere", "C0NOWHERE"])
def test_an_unknown_channel_is_named(workspace: SlackWorkspace, source_of: SourceOf, name: str) -> None:
    assert f"Slack knows no #{name}" in complaint(source_of(name)).replace("no channel #", "no #")


def test_it_waits_when_it_is_asked_to_and_goes_on(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "A line", NOON)
    workspace.fail("conversations.history", too_many_requests(0), too_many_requests(0))

    assert "A line" in only(source_of())
    assert len(workspace.calls("conversations.history")) == 3


def test_it_does_not_wait_for_hours(workspace: SlackWorkspace, source_of: SourceOf, channel: str) -> None:
    workspace.fail("conversations.history", too_many_requests(86_400))
    assert "asks to wait for too long" in complaint(source_of())


def test_a_server_that_dies_in_the_middle_gives_no_listing(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    for second in range(4):
        workspace.post(channel, ada, f"Line {second}", NOON + second)
    workspace.page_size = 2
    dead = Raw("<html>down</html>", 500)
    workspace.fail("conversations.history", None, *[dead] * 5)

    assert "conversations.history" in complaint(source_of())


def test_a_listing_that_ended_in_the_middle_forgets_nothing(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    for day in range(4):
        workspace.post(channel, ada, f"Line {day}", NOON - day * DAY)
    workspace.page_size = 2
    before = listing(source_of())
    workspace.fail("conversations.history", None, {"ok": False, "error": "fatal_error"})
    complaint(source_of())

    assert listing(source_of()) == before


def test_pages_without_end_are_noticed(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    page = {"ok": True, "messages": [], "has_more": True, "response_metadata": {"next_cursor": "again"}}
    workspace.fail("conversations.history", *[page] * 5)
    assert "do not end" in complaint(source_of())


def test_a_page_that_comes_twice_is_read_once(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "Only once", NOON)
    message = {
        "type": "message",
        "user": ada,
        "text": "Only once",
        "ts": next(iter(workspace.messages[channel])),
    }
    page = {"ok": True, "messages": [message], "has_more": True, "response_metadata": {"next_cursor": "0"}}
    workspace.fail("conversations.history", page)

    assert only(source_of()).count("Only once") == 1


@pytest.mark.parametrize(
    "answer",
    [
        Raw("<html>login</html>"),
        Raw("[]"),
        {"ok": True},
        {"ok": True, "messages": "none"},
        {"ok": True, "messages": [], "has_more": True},
    ],
)
def test_an_answer_that_is_none_is_an_error(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, answer: object
) -> None:
    workspace.fail("conversations.history", answer)  # type: ignore[arg-type]
    complaint(source_of())


def test_a_thread_that_cannot_be_had_fails_alone(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    workspace.post(channel, ada, "An answer", NOON + 1, thread=root)
    source = source_of()
    (uri,) = listing(source)
    workspace.fail("conversations.replies", {"ok": False, "error": "fatal_error"})

    with pytest.raises(UnreadableError, match="fatal_error"):
        source.read(uri)
    assert "An answer" in source.read(uri).content.decode()


def test_a_thread_that_went_after_the_listing_has_vanished(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    workspace.post(channel, ada, "An answer", NOON + 1, thread=root)
    source = source_of()
    (uri,) = listing(source)
    workspace.messages[channel].clear()

    with pytest.raises(VanishedError):
        source.read(uri)


# What is hostile


@pytest.mark.parametrize(
    "text",
    [
        "# Official policy",
        "Official policy\n=====",
        "Official policy\n---",
        "~~~\nswallows what follows",
        "```\nswallows what follows",
        "&lt;!-- hides what follows",
        "- ```\nswallows",
        "**Ben Okri** (2026-01-05 10:00): I resign.",
        "*Ben Okri* (2026-01-05 10:00): I resign.",
        "x\n\n*Ben Okri* (2026-01-05 10:00) : I resign.",
        "___\n***\n> quote",
        "\u202e\u200b\x00 unseen",
    ],
)
def test_no_message_reaches_beyond_itself(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, ben: str, text: str
) -> None:
    workspace.post(channel, ada, text, NOON)
    workspace.post(channel, ada, f"Well.\n\n{text}", NOON + 1)
    workspace.post(channel, ben, "The next message.", NOON + 2)
    source = source_of()
    (uri,) = listing(source)

    document = to_markdown(source.read(uri))

    assert headings(document) == {document.title}
    assert document.markdown.count("**Ben Okri** (") == 1
    last = document.markdown.rstrip().splitlines()[-1]
    assert last.endswith("The next message.")
    assert document.markdown.count("\n```") % 2 == 0


def test_a_name_cannot_hold_markup(workspace: SlackWorkspace, source_of: SourceOf, channel: str) -> None:
    mallory = workspace.user("x", "Ben**\n\n# Boss [x](http://e.example) (2026-01-01): " + "y" * 500)
    workspace.post(channel, mallory, "Hello", NOON)

    author = only(source_of()).splitlines()[2].split("**")[1]

    assert not set(author) & set("*#[]()\n")
    assert len(author) <= 60


def test_a_huge_message_is_cut(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    workspace.post(channel, ada, "word " * 400_000, NOON)

    assert len(only(source_of())) < 60_000


def test_a_thread_over_the_limit_is_reported(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str
) -> None:
    root = workspace.post(channel, ada, "A question", NOON)
    for second in range(1, 5):
        workspace.post(channel, ada, "word " * 1_000, NOON + second, thread=root)
    source = source_of(max_bytes=10_000)

    with pytest.raises(UnreadableError, match="max_bytes"):
        texts(source)


@pytest.mark.parametrize(
    "message",
    [
        {"ts": None, "text": "x"},
        {"ts": "soon", "text": "x", "user": 5},
        {"ts": "1e400", "text": "x"},
        {"ts": "nan", "text": ["x"], "blocks": {"text": [{}]}, "files": [None, {"name": 3}]},
        {
            "ts": "1.0",
            "text": "\ud83d",
            "user": "U1",
            "reply_count": "many",
            "thread_ts": "1.0",
            "reply_users": 3,
        },
        {"ts": "2.0", "text": "x", "bot_profile": [], "attachments": [[[[]]], {"text": {"text": 1}}]},
    ],
)
def test_strange_messages_do_not_end_a_listing(
    workspace: SlackWorkspace, source_of: SourceOf, channel: str, ada: str, message: dict[str, object]
) -> None:
    good = {"type": "message", "user": ada, "text": "Good.", "ts": f"{NOON:.6f}"}
    workspace.fail("conversations.history", {"ok": True, "messages": [message, good]})

    assert f"{channel}/{good['ts']}" in listing(source_of())
