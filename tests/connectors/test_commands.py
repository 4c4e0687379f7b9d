"""One grammar for admin commands: forgiving in how a command is typed, exact in what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.commands import (
    Ask,
    Audit,
    BeQuiet,
    ChannelMode,
    Command,
    Forget,
    Help,
    ListAdapters,
    ListSources,
    Reindex,
    RollBackAdapter,
    ShowAdapter,
    ShowStatus,
    UseAdapter,
    Wake,
    changes_something,
    confirmation,
    help_text,
    written,
)
from connectors.grammar import CommandError, parse, read_written

COMMANDS: dict[str, Command] = {
    "reindex": Reindex(),
    "reindex handbook": Reindex("handbook"),
    "reindex handbook --rebuild": Reindex("handbook", rebuild=True),
    "reindex --rebuild --confirm-deletions": Reindex(rebuild=True, confirm_deletions=True),
    "sources": ListSources(),
    "status": ShowStatus(),
    "adapter list": ListAdapters(),
    "adapter show warm@2": ShowAdapter("warm@2"),
    "adapter use warm": UseAdapter("warm"),
    "adapter use warm here": UseAdapter("warm", here=True),
    "adapter rollback": RollBackAdapter(),
    "adapter rollback here": RollBackAdapter(here=True),
    "forget https://wiki.example/old": Forget("https://wiki.example/old"),
    "quiet": BeQuiet(),
    "wake": Wake(),
    "channel": ChannelMode(),
    "channel auto": ChannelMode("auto"),
    "audit": Audit(),
    "help": Help(),
    "ask Where do visitors park?": Ask("Where do visitors park?"),
}
CHANGES = {
    text
    for text in COMMANDS
    if text.startswith(("reindex", "adapter use", "adapter rollback", "forget", "channel auto"))
}


def refusal(text: str) -> str:
    with pytest.raises(CommandError) as raised:
        parse(text)
    return str(raised.value)


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_read(text: str) -> None:
    assert parse(text) == COMMANDS[text]


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_written_as_it_is_read(text: str) -> None:
    assert written(COMMANDS[text]) == text


@pytest.mark.parametrize("text", COMMANDS)
def test_what_is_written_is_read_again(text: str) -> None:
    assert read_written(text) == COMMANDS[text]


def test_an_address_is_read_again_as_it_was_written() -> None:
    document = "guides/Ada\u2019s \u2014first\u2014 day, 'as it was'.md"
    assert read_written(written(Forget(document))) == Forget(document)


@pytest.mark.parametrize("text", COMMANDS)
def test_what_others_notice_needs_an_admin(text: str) -> None:
    assert changes_something(COMMANDS[text]) == (text in CHANGES)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", Help()),
        ("   ", Help()),
        ("  Status  ", ShowStatus()),
        ("REINDEX Handbook --Rebuild", Reindex("Handbook", rebuild=True)),
        ("reindex --rebuild handbook", Reindex("handbook", rebuild=True)),
        ("reindex handbook —rebuild", Reindex("handbook", rebuild=True)),
        ("reindex handbook –rebuild", Reindex("handbook", rebuild=True)),
        ("reindex handbook -rebuild", Reindex("handbook", rebuild=True)),
        ("reindex “handbook”", Reindex("handbook")),
        ("adapter  use   'warm'  Here", UseAdapter("warm", here=True)),
        ("forget <https://wiki.example/a?b=1&amp;c=2>", Forget("https://wiki.example/a?b=1&c=2")),
        ("forget <https://wiki.example/old|wiki.example/old>", Forget("https://wiki.example/old")),
        ("forget “notes of May.md”", Forget("notes of May.md")),
        ("channel OFF", ChannelMode("off")),
    ],
)
def test_how_a_chat_changes_what_is_typed_does_not_matter(typed: str, meant: Command) -> None:
    assert parse(typed) == meant


def test_a_question_is_kept_as_it_is_typed() -> None:
    assert parse("ask  What’s “—rebuild” in <https://a.example|a>?\nAnd why?") == Ask(
        "What’s “—rebuild” in <https://a.example|a>?\nAnd why?"
    )


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("reindx", "`reindex`"),
        ("stats", "`status`"),
        ("source", "`sources`"),
        ("reindx handbook", "`reindex`"),
        ("adapter usee warm", "`use`"),
        ("channel of", "`off`"),
        ("reindex --rebuidl", "`--rebuild`"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(typed: str, nearest: str) -> None:
    assert f"did you mean {nearest}?" in refusal(typed)


@pytest.mark.parametrize(
    ("typed", "usage"),
    [
        ("ask", "ask QUESTION"),
        ("forget", "forget URL"),
        ("forget one two", "forget URL"),
        ("reindex one two", "reindex [SOURCE] [--rebuild] [--confirm-deletions]"),
        ("adapter", "adapter list | show NAME | use NAME [here] | rollback [here]"),
        ("adapter use", "adapter list"),
        ("adapter use warm there", "adapter list"),
        ("channel auto off", "channel [mention|auto|off]"),
    ],
)
def test_a_command_that_is_not_whole_is_answered_with_its_usage(typed: str, usage: str) -> None:
    assert usage in refusal(typed)


@pytest.mark.parametrize("typed", ["where do visitors park?", "status of my order", "help me print this"])
def test_words_that_are_no_command_are_probably_a_question(typed: str) -> None:
    assert refusal(typed).endswith(f"write `ask {typed}`.")


def test_a_word_that_is_like_no_other_is_answered_with_all_commands() -> None:
    assert "`ask`, `sources`, `status`, `reindex`" in refusal("xyzzy")


@given(st.text(max_size=1_200))
def test_anything_at_all_is_a_command_or_one_line_that_cannot_run_on(text: str) -> None:
    try:
        parse(text)
    except CommandError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 400


def test_help_names_every_command_with_the_platforms_prefix() -> None:
    shown = help_text("/lorebot")

    first_words = {text.split()[0] for text in COMMANDS}
    assert all(f"- `/lorebot {word}" in shown for word in first_words)


@pytest.mark.parametrize(
    "text", ["reindex --rebuild", "reindex handbook --confirm-deletions", "forget https://wiki.example/old"]
)
def test_what_destroys_something_is_confirmed_by_its_name(text: str) -> None:
    asked = confirmation(COMMANDS.get(text) or parse(text))

    assert asked is not None
    # The limits of a Slack modal (https://docs.slack.dev/reference/views/modal-views).
    assert 0 < len(asked.title) <= 24
    assert 0 < len(asked.button) <= 24


def test_a_rebuild_that_also_deletes_says_both() -> None:
    asked = confirmation(Reindex(rebuild=True, confirm_deletions=True))

    assert asked is not None
    assert "again" in asked.text
    assert "deleted" in asked.text


@pytest.mark.parametrize("text", ["reindex", "sources", "adapter use warm", "quiet", "channel off"])
def test_what_can_be_undone_is_not_asked_about(text: str) -> None:
    assert confirmation(parse(text)) is None
