"""What a Discord server's channels become, read over HTTP from a server on the loopback."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chat_standins import complaint as said_without
from chat_standins import headings, listing, only, sync, texts
from discord_rest import (
    FORUM,
    PRIVATE_THREAD,
    READ_HISTORY,
    DiscordGuild,
    Raw,
    discord_guild,
    error,
    too_many_requests,
)
from index_standins import Index

from knowledge.conversion import to_markdown
from knowledge.documents import EVERYONE, KnowledgeError, UnreadableError, VanishedError
from knowledge.sources.conversation_source import ConversationSource, HistoryLimits
from knowledge.sources.discord import DiscordChat

NOON = (time.time() // 86_400 - 2) * 86_400 + 43_200
HOUR, DAY = 3_600.0, 86_400.0
LIMITS = HistoryLimits()
SourceOf = Callable[..., ConversationSource]
User = dict[str, Any]


@pytest.fixture
def guild() -> Iterator[DiscordGuild]:
    with discord_guild() as found:
        yield found


@pytest.fixture
def source_of(guild: DiscordGuild, tmp_path: Path) -> SourceOf:
    """Makes sources that share what they remember, as runs of one source do."""

    def build(
        *channels: str,
        token: str = "test.token",
        guild_id: str = "1000",
        exclude: tuple[str, ...] = (),
        audience: str = EVERYONE,
        limits: HistoryLimits = LIMITS,
        **further: object,
    ) -> ConversationSource:
        chat = DiscordChat("chat", token, guild_id, channels, exclude, api_url=guild.url, retry_seconds=0.0)
        memory = tmp_path / "history.sqlite3"
        return ConversationSource("chat", frozenset({audience}), chat, memory, limits, **further)  # type: ignore[arg-type]

    return build


@pytest.fixture
def ada(guild: DiscordGuild) -> User:
    return guild.user("ada", "Ada")


@pytest.fixture
def ben(guild: DiscordGuild) -> User:
    return guild.user("ben.okri")


@pytest.fixture
def channel(guild: DiscordGuild) -> str:
    return guild.channel("help")


# What is a document


def test_messages_that_follow_each_other_are_one_document_with_a_link(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, ben: User
) -> None:
    first = guild.post(channel, ada, "The printer is broken.", NOON)
    guild.post(channel, ben, "Turn it off and on.", NOON + 60)
    source = source_of()

    (uri,) = listing(source)
    raw = source.read(uri)

    day = f"{datetime.fromtimestamp(NOON, UTC):%Y-%m-%d}"
    assert raw.content.decode().splitlines()[2::2] == [
        f"**Ada** ({day} 12:00): The printer is broken.",
        f"**ben.okri** ({day} 12:01): Turn it off and on.",
    ]
    assert raw.url == f"https://discord.com/channels/1000/{channel}/{first}"
    assert raw.modified_at == datetime.fromtimestamp(NOON + 60, UTC)


def test_a_thread_is_one_document_with_the_message_it_began_with(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, ben: User
) -> None:
    root = guild.post(channel, ada, "How do I reset the VPN?", NOON)
    thread = guild.thread_from(channel, root, ben, "VPN reset")
    guild.post(thread, ben, "Ask the desk.", NOON + 60)
    source = source_of()

    (uri,) = listing(source)
    document = to_markdown(source.read(uri))

    assert document.title == "#help: VPN reset"
    assert "How do I reset the VPN?" in document.markdown
    assert "Ask the desk." in document.markdown
    assert source.read(uri).url == f"https://discord.com/channels/1000/{thread}"


def test_a_forum_post_is_a_document_with_its_tags(
    guild: DiscordGuild, source_of: SourceOf, ada: User
) -> None:
    forum = guild.channel("questions", kind=FORUM, available_tags=[{"id": "9", "name": "billing"}])
    guild.forum_post(forum, ada, "Refunds?", "How long do they take?", NOON, applied_tags=["9"])
    source = source_of()

    (uri,) = listing(source)
    document = to_markdown(source.read(uri))

    assert document.title == "#questions: Refunds? [billing]"
    assert "How long do they take?" in document.markdown


def test_archived_threads_are_read_page_by_page(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    for number in range(150):
        thread = guild.thread(channel, ada, f"Thread {number}", NOON + number)
        guild.post(thread, ada, "Words.", NOON + number + 1)
        guild.archive(thread, NOON + 1_000 + number)

    assert len(listing(source_of())) == 150


def test_long_channels_and_threads_are_read_page_by_page(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    thread = guild.thread(channel, ada, "Long", NOON)
    for number in range(250):
        guild.post(channel, ada, f"channel-{number:03}", NOON + number)
        guild.post(thread, ada, f"thread-{number:03}", NOON + number)

    text = "".join(texts(source_of()))

    assert all(f"channel-{number:03}" in text for number in range(250))
    places = [text.index(f"thread-{number:03}") for number in range(250)]
    assert places == sorted(places)


def test_service_messages_are_left_out(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(channel, ada, "", NOON, type=7)
    guild.post(channel, ada, "pinned", NOON, type=6)

    assert texts(source_of()) == []


def test_messages_older_than_the_limit_are_no_documents(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(channel, ada, "Ancient.", NOON - 40 * DAY)
    guild.post(channel, ada, "Recent.", NOON)

    assert "Ancient." not in only(source_of(limits=HistoryLimits(days=30)))


def test_without_names_all_channels_are_read_but_those_left_out(
    guild: DiscordGuild, source_of: SourceOf, ada: User
) -> None:
    for name in ("help", "random", "staff"):
        guild.post(guild.channel(name, private=name == "staff"), ada, f"In {name}.", NOON)

    assert "In help." in only(source_of(exclude=("random",)))


def test_channels_are_found_by_name_and_id(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(channel, ada, "Hello.", NOON)
    guild.post(guild.channel("random"), ada, "Elsewhere.", NOON)

    assert "Hello." in only(source_of("#help"))
    assert "Hello." in only(source_of(channel))


# What is readable


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ask <@{ada}> or <@!{ada}>", "ask @Ada or @Ada"),
        ("ask <@12345>", "ask @someone"),
        ("for <@&31>", "for @support"),
        ("in <#{channel}>", "in #help"),
        ("at <t:1700000000:f>", "at 2023-11-14 22:13 UTC"),
        ("<:party:123> <a:blob:456> :tada:", ":party: :blob: 🎉"),
        ("use </ask:789>", "use /ask"),
        ("see <https://a.example/x>", "see https://a.example/x"),
        (
            "see [it](https://a.example) or [it](javascript:x)",
            "see [it](https://a.example) or [it] (javascript:x)",
        ),
        ("||the butler||", "the butler"),
        ("run `<@{ada}> :tada:`", "run `<@{ada}> :tada:`"),
    ],
)
def test_markup_is_made_readable(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, written: str, read: str
) -> None:
    guild.roles.append({"id": "31", "name": "support", "permissions": "0"})
    names = {"ada": ada["id"], "channel": channel}
    guild.post(channel, ada, written.format(**names), NOON, mentions=[ada])

    assert only(source_of()).rstrip().partition("): ")[2] == read.format(**names)


def test_a_reply_says_to_whom(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, ben: User
) -> None:
    asked = guild.post(channel, ada, "When?", NOON)
    told = guild.messages[channel][asked]
    guild.post(channel, ben, "At six.", NOON + 1, type=19, referenced_message=told)

    assert "@Ada At six." in only(source_of())


def test_embeds_attachments_and_polls_are_read(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    embed = {
        "title": "Outage",
        "description": "Since nine.",
        "fields": [{"name": "Region", "value": "north"}],
    }
    poll = {"question": {"text": "Lunch?"}, "answers": [{"poll_media": {"text": "Soup"}}]}
    guild.post(channel, ada, "", NOON, embeds=[embed])
    guild.post(channel, ada, "Plan", NOON + 1, attachments=[{"filename": "plan (1).pdf"}])
    guild.post(channel, ada, "", NOON + 2, poll=poll)
    guild.post(channel, ada, "", NOON + 3, message_snapshots=[{"message": {"content": "Forwarded words"}}])

    text = only(source_of())

    wanted = (
        "Outage",
        "Since nine.",
        "Region: north",
        "(attached: plan 1 .pdf)",
        "Lunch?",
        "Soup",
        "Forwarded",
    )
    assert [words for words in wanted if words not in text] == []


# What is followed


def test_an_unchanged_server_keeps_its_versions(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(guild.thread(channel, ada, "Thread", NOON), ada, "Words.", NOON + 1)
    guild.post(channel, ada, "A line", NOON + 2)
    source = source_of()
    before = listing(source)
    texts(source)

    assert listing(source_of()) == before


def test_edits_and_deletions_of_messages_are_followed(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    first = guild.post(channel, ada, "Wednesday", NOON)
    slip = guild.post(channel, ada, "A slip", NOON + 1)
    texts(source_of())

    guild.edit(channel, first, "Thursday")
    guild.delete(channel, slip)

    text = only(source_of())
    assert ("Thursday" in text, "Wednesday" in text, "slip" in text) == (True, False, False)


def test_edits_in_a_thread_are_followed(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    thread = guild.thread(channel, ada, "When", NOON)
    said = guild.post(thread, ada, "Wednesday", NOON + 1)
    before = listing(source_of())
    texts(source_of())

    guild.edit(thread, said, "Thursday")

    assert listing(source_of()) != before
    assert "Thursday" in only(source_of())


def test_a_deleted_thread_is_gone(guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User) -> None:
    thread = guild.thread(channel, ada, "When", NOON)
    guild.post(thread, ada, "Wednesday", NOON + 1)
    texts(source_of())

    guild.delete_thread(thread)

    assert texts(source_of()) == []


def test_an_old_thread_that_is_deleted_goes_with_the_next_whole_history(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, tmp_path: Path
) -> None:
    thread = guild.thread(channel, ada, "When", NOON - 30 * DAY)
    guild.post(thread, ada, "Wednesday", NOON - 30 * DAY)
    guild.archive(thread, NOON - 20 * DAY)
    texts(source_of())
    guild.delete_thread(thread)
    assert len(listing(source_of())) == 1

    with closing(sqlite3.connect(tmp_path / "history.sqlite3", isolation_level=None)) as connection:
        connection.execute("UPDATE channel SET read_at = read_at - ?", (2 * DAY,))

    assert texts(source_of()) == []


def test_a_thread_that_is_archived_stays_the_same_document(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    thread = guild.thread(channel, ada, "When", NOON)
    guild.post(thread, ada, "Wednesday", NOON + 1)
    before = listing(source_of())

    guild.archive(thread, NOON + HOUR)

    assert listing(source_of()) == before


# What the index follows


def test_the_index_follows_what_is_posted_edited_and_deleted(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, tmp_path: Path
) -> None:
    index = Index(tmp_path)
    thread = guild.thread(channel, ada, "Opening hours", NOON)
    reply = guild.post(thread, ada, "Until six.", NOON + 1)
    lunch = guild.post(channel, ada, "Lunch is at noon.", NOON + 2)
    assert len(sync(index, source_of()).added) == 2

    guild.edit(thread, reply, "Until seven.")
    guild.delete(channel, lunch)
    guild.post(channel, ada, "The lift is broken.", NOON + DAY)
    report = sync(index, source_of())

    assert (len(report.added), len(report.changed), len(report.removed)) == (1, 1, 1)
    assert [text.strip().partition("): ")[2] for text in index.texts()] == [
        "Until seven.",
        "The lift is broken.",
    ]
    assert sync(index, source_of()).unchanged == 2


# What is left out


def test_the_bots_own_messages_and_those_to_it_are_left_out(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    said = guild.post(channel, guild.bot, "I am the bot.", NOON)
    answered = guild.messages[channel][said]
    guild.post(channel, ada, "Thanks, bot.", NOON + 1, type=19, referenced_message=answered)
    guild.post(channel, ada, "<@77> when?", NOON + 2, mentions=[guild.bot])

    assert texts(source_of()) == []


def test_a_thread_that_the_bot_began_is_left_out_with_the_question(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    root = guild.post(channel, ada, "When do we close?", NOON)
    guild.thread_from(channel, root, guild.bot, "When do we close?")

    assert texts(source_of()) == []


def test_a_thread_that_the_bot_joins_leaves(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    thread = guild.thread(channel, ada, "When", NOON)
    guild.post(thread, ada, "Anyone?", NOON + 1)
    assert len(texts(source_of())) == 1
    guild.post(thread, guild.bot, "At six.", NOON + 2)
    source = source_of()

    (uri,) = listing(source)
    with pytest.raises(VanishedError):
        source.read(uri)
    assert listing(source) == {}


def test_private_threads_are_never_read(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    thread = guild.thread(channel, ada, "Secret", NOON, kind=PRIVATE_THREAD)
    guild.post(thread, ada, "Secret words.", NOON + 1)

    assert listing(source_of(audience="group:board", allow_private_channels=True)) == {}


# What is refused


def test_a_private_channel_is_refused_while_the_source_is_for_everyone(
    guild: DiscordGuild, source_of: SourceOf, ada: User
) -> None:
    channel = guild.channel("staff", private=True)
    guild.post(channel, ada, "Secret.", NOON)

    with pytest.raises(KnowledgeError, match="not everyone may read #staff"):
        listing(source_of("staff"))
    assert guild.queries(f"/channels/{channel}/messages") == []


def test_a_channel_whose_history_is_hidden_counts_as_private(
    guild: DiscordGuild, source_of: SourceOf, channel: str
) -> None:
    overwrite = {"id": guild.id, "type": 0, "allow": "0", "deny": str(READ_HISTORY)}
    guild.channels[channel]["permission_overwrites"] = [overwrite]

    with pytest.raises(KnowledgeError, match="not everyone may read #help"):
        listing(source_of("help"))


def test_a_channel_that_is_opened_in_a_closed_server_is_public(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    allowed = guild.roles[0]["permissions"]
    guild.roles[0]["permissions"] = "0"
    overwrite = {"id": guild.id, "type": 0, "allow": allowed, "deny": "0"}
    guild.channels[channel]["permission_overwrites"] = [overwrite]
    guild.post(channel, ada, "Hello.", NOON)
    guild.channel("closed")

    assert "Hello." in only(source_of())


def test_a_private_channel_is_read_for_an_audience_of_its_own(
    guild: DiscordGuild, source_of: SourceOf, ada: User
) -> None:
    guild.post(guild.channel("staff", private=True), ada, "Secret.", NOON)

    assert "Secret." in only(source_of("staff", audience="group:staff"))


# What goes wrong


def complaint(source: ConversationSource) -> str:
    return said_without(source, "test.token")


def test_a_missing_token_names_the_variable(source_of: SourceOf) -> None:
    assert "set the environment variable DISCORD_TOKEN" in complaint(source_of(token=""))


def test_a_wrong_token_names_the_variable(source_of: SourceOf) -> None:
    assert "does not accept the token in DISCORD_TOKEN" in complaint(source_of(token="wrong"))


def test_a_server_that_the_bot_is_not_in_is_named(source_of: SourceOf) -> None:
    assert "check the guild's id, or invite the bot" in complaint(source_of(guild_id="5"))


def test_missing_access_names_the_channel_and_the_permissions(
    guild: DiscordGuild, source_of: SourceOf, channel: str
) -> None:
    guild.unreadable.add(channel)
    message = complaint(source_of())
    assert "may not read #help (50001): give its role the permissions View Channel" in message


def test_an_unknown_channel_is_named(source_of: SourceOf) -> None:
    assert "no text channel or forum #nowhere" in complaint(source_of("nowhere"))


@pytest.mark.parametrize("told", [0, None])
def test_a_missing_message_content_intent_is_named(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, told: int | None
) -> None:
    guild.flags = told  # type: ignore[assignment]
    guild.has_intent = False
    guild.post(channel, ada, "Hello.", NOON)

    assert "turn on the Message Content Intent" in complaint(source_of())


def test_it_waits_when_it_is_asked_to_and_goes_on(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(channel, ada, "A line", NOON)
    path = f"/channels/{channel}/messages"
    guild.fail(path, too_many_requests(0.01), too_many_requests(0.02))

    assert "A line" in only(source_of())
    assert len(guild.queries(path)) == 3


def test_it_waits_where_a_bucket_is_empty(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    for number in range(150):
        guild.post(channel, ada, f"Line {number}", NOON + number)
    guild.limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.3"}
    began = time.monotonic()

    listing(source_of())

    assert time.monotonic() - began >= 0.3


def test_it_does_not_wait_for_hours(guild: DiscordGuild, source_of: SourceOf, channel: str) -> None:
    guild.fail(f"/channels/{channel}/messages", too_many_requests(86_400))
    assert "asks to wait for 86400 seconds" in complaint(source_of())


def test_a_server_that_stumbles_is_asked_again(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(channel, ada, "A line", NOON)
    guild.fail(f"/channels/{channel}/messages", Raw("bad gateway", 502), Raw("bad gateway", 502))

    assert "A line" in only(source_of())


def test_a_server_that_dies_in_the_middle_gives_no_listing_and_nothing_is_forgotten(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    for number in range(150):
        guild.post(channel, ada, f"Line {number}", NOON + 60 * number)
    before = listing(source_of())
    guild.fail(f"/channels/{channel}/messages", None, *[Raw("down", 503)] * 3)

    assert "503" in complaint(source_of())
    assert listing(source_of()) == before


@pytest.mark.parametrize("answer", ["<html>", {}, [[]] * 100, [{"id": "x"}] * 100, [{"id": "9" * 400}], [{}]])
def test_an_answer_that_is_none_is_an_error(
    guild: DiscordGuild, source_of: SourceOf, channel: str, answer: object
) -> None:
    guild.fail(f"/channels/{channel}/messages", *[Raw(answer)] * 3)
    complaint(source_of())


def test_pages_without_end_are_noticed(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    guild.post(channel, ada, "Again", NOON)
    page = [guild.messages[channel][message_id] for message_id in guild.messages[channel]] * 100
    guild.fail(f"/channels/{channel}/messages", *[Raw(page)] * 3)

    assert "do not end" in complaint(source_of())


def test_a_redirect_is_not_followed_with_the_token(
    guild: DiscordGuild, source_of: SourceOf, channel: str
) -> None:
    away = Raw("", 302, {"Location": guild.url.replace("/api/v10", "/elsewhere")})
    guild.fail(f"/channels/{channel}/messages", away)

    assert "302" in complaint(source_of())


def test_a_thread_that_cannot_be_had_fails_alone(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User
) -> None:
    thread = guild.thread(channel, ada, "When", NOON)
    guild.post(thread, ada, "Wednesday", NOON + 1)
    source = source_of()
    (uri,) = listing(source)
    guild.fail(f"/channels/{thread}/messages", error(400, 1, "Bad Request"))

    with pytest.raises(UnreadableError, match="400"):
        source.read(uri)
    assert "Wednesday" in source.read(uri).content.decode()


# What is hostile


@pytest.mark.parametrize(
    "text",
    [
        "# Official",
        "x\n===",
        "```\nopen",
        "~~~\nopen",
        "<!-- open",
        "**Ben** (2026-01-01 10:00): No.",
        "a\0b\x1b[31m",
    ],
)
def test_no_message_reaches_beyond_itself(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, text: str
) -> None:
    guild.post(channel, ada, text, NOON)
    guild.post(channel, ada, f"Well.\n\n{text}", NOON + 1)
    guild.post(channel, guild.user("ben", "Ben"), "The next message.", NOON + 2)
    source = source_of()
    (uri,) = listing(source)

    document = to_markdown(source.read(uri))

    assert headings(document) == {document.title}
    assert document.markdown.count("**Ben** (") == 1
    assert document.markdown.rstrip().endswith("The next message.")


@pytest.mark.parametrize(
    "strange",
    [
        {"id": "5", "type": 0, "content": "x", "author": None},
        {"id": "5", "type": "0", "content": {"a": 1}, "author": {"id": 5, "username": ["x"]}},
        {"id": "5", "type": 0, "content": "\ud83d\0", "author": {"username": "\ud83d"}, "mentions": "all"},
        {
            "id": "5",
            "type": 0,
            "content": "x",
            "embeds": [[], {"fields": {"a": 1}}],
            "poll": [],
            "attachments": 3,
        },
        {"id": "5", "type": 0, "content": "<t:9999999999999:f> <t:-9999999999999>", "author": {}},
    ],
)
def test_strange_messages_do_not_end_a_listing(
    guild: DiscordGuild, source_of: SourceOf, channel: str, ada: User, strange: dict[str, object]
) -> None:
    good = guild.messages[channel][guild.post(channel, ada, "Good.", NOON)]
    guild.fail(f"/channels/{channel}/messages", Raw([strange, good]))

    assert any("Good." in text for text in texts(source_of(limits=HistoryLimits(days=10_000))))
