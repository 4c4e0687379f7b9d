import json
import re
from dataclasses import replace
from typing import Any

import pytest
from answer_examples import NOW, URL, abstention, answer, citation
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_limits import check_message, parts_of, texts_of
from slack_sdk.models.blocks import Block

from connectors.conversation import NearDocument
from connectors.slack import names
from connectors.slack.answer_view import answer_messages, stream_ending
from connectors.slack.blocks import Message
from connectors.slack.buttons import answer_buttons, feedback, read_feedback, share_button


def drawn(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    return [block for message in messages for block in message.blocks]


def kinds(message: Message) -> list[str]:
    return [block["type"] for block in message.blocks]


def test_a_short_answer_is_one_message_of_text_sources_voice_and_thumbs() -> None:
    (message,) = answer_messages(answer(), NOW)

    assert kinds(message) == ["markdown", "context", "context", "context_actions"]
    assert message.blocks[0]["text"] == "You have 30 days [1]."


def test_a_source_shows_marker_title_heading_link_and_freshness() -> None:
    (message,) = answer_messages(answer(), NOW)

    assert texts_of(message.blocks[1]) == (
        f"*[1]* <{URL}|Returns policy › Opened items>  ·  changed 3 March 2026, read 5 minutes ago"
    )


def test_a_source_without_a_link_shows_where_it_lies() -> None:
    (message,) = answer_messages(answer(citations=(citation(url="file:///srv/returns.md"),)), NOW)

    assert "Returns policy › Opened items (returns\u2060.md)" in texts_of(message.blocks[1])


def test_the_voice_stands_below() -> None:
    (message,) = answer_messages(answer(), NOW)

    assert texts_of(message.blocks[2]) == "Voice warm@2  ·  index 3  ·  1.2 s"


def test_a_notification_reads_the_answer_as_plain_text() -> None:
    (message,) = answer_messages(answer(text="**30 days** [1] <!here>"), NOW)

    assert "<" not in message.text
    assert "30 days" in message.text


def test_the_buttons_carry_the_answers_id() -> None:
    made = answer_buttons(answer(), "user:U1")
    (message,) = answer_messages(answer(), NOW, (*made, share_button("a1")))

    pressed = {
        item["action_id"]: item["value"] for item in parts_of(message.blocks) if item.get("type") == "button"
    }
    assert pressed == {names.SHOW_PASSAGES: "a1", names.ASK_PERSON: "a1", names.SHARE: "a1"}


def test_without_an_expert_there_is_nobody_to_ask() -> None:
    assert [button["action_id"] for button in answer_buttons(answer(), None)] == [names.SHOW_PASSAGES]


@pytest.mark.parametrize(("side", "helpful"), [("positive_button", True), ("negative_button", False)])
def test_a_thumb_tells_the_answer_and_whether_it_helped(side: str, helpful: bool) -> None:
    value = feedback("a1")["elements"][0][side]["value"]

    assert read_feedback(value) == ("a1", helpful)


def test_an_abstention_names_the_nearest_documents_with_their_links() -> None:
    (message,) = answer_messages(abstention(), NOW)

    shown = texts_of(message.blocks)
    assert f"• <{URL}|Returns policy>" in shown
    assert "• Notes (notes\u2060.md)" in shown


def test_a_link_in_the_cited_text_stays_and_a_foreign_one_goes() -> None:
    text = "Fill in https://forms.example.com/return [1], not https://evil.example [1]."
    (message,) = answer_messages(answer(text=text), NOW)

    assert "<https://forms.example.com/return>" in message.blocks[0]["text"]
    assert "https://evil.example" not in message.blocks[0]["text"]


HOSTILE = st.sampled_from(
    [
        "<!channel>",
        "<@U1>",
        "@here",
        "https://evil.example",
        "|",
        ">",
        "\n",
        "*",
        "`",
        "&lt;!here&gt;",
        "Title",
        "```",
        "x.md",
    ]
)
TEXTS = st.lists(HOSTILE, max_size=6).map("".join)


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_titles_headings_names_and_text_call_nobody_and_link_nowhere(
    title: str, heading: str, uri: str, text: str
) -> None:
    found = answer(text=text, citations=(citation(title=title, heading=heading, uri=uri),))
    lost = abstention(text=text, nearest=(NearDocument(title, uri, None), NearDocument(title, uri, URL)))
    for message in (*answer_messages(found, NOW), *answer_messages(lost, NOW)):
        check_message(list(message.blocks))
        shown = texts_of(message.blocks) + message.text
        assert not re.search(r"<[!@#]|@here(?!\w)", shown)
        assert set(re.findall(r"<(https?://[^|>]*)", shown)) <= {URL}


@pytest.mark.parametrize(
    "unit", ["A sentence with a source [1]. ", "Paragraph [1].\n\n", "日本語の文。", "# Head\n\ntext\n\n"]
)
@pytest.mark.parametrize("sources", [1, 12, 120])
def test_a_long_answer_loses_neither_text_nor_citations(unit: str, sources: int) -> None:
    found = answer(text=unit * (40_000 // len(unit)), citations=tuple(map(citation, range(1, sources + 1))))
    messages = answer_messages(found, NOW, answer_buttons(found, "user:U1"))

    for message in messages:
        check_message(list(message.blocks))
        assert len(json.dumps(message.blocks, ensure_ascii=False)) <= 13_000
    shown = texts_of(drawn(messages))
    assert all(f"*[{marker}]*" in shown for marker in range(1, sources + 1))
    said = "".join(block["text"] for block in drawn(messages) if block["type"] == "markdown")
    assert len(re.sub(r"[\s\u2060]", "", said)) == len(re.sub(r"\s", "", found.text))
    assert kinds(messages[-1])[-3:] == ["context", "context_actions", "actions"]


def test_an_answer_of_many_small_parts_is_drawn_in_few_enough_blocks() -> None:
    messages = answer_messages(answer(text="## A\n\n- b\n\n---\n\n" * 150), NOW)

    assert all(message.blocks[0]["text"].count("---") <= 10 for message in messages)


def test_a_stream_ends_with_what_stands_below_the_text() -> None:
    (message,) = answer_messages(answer(), NOW)

    assert stream_ending(answer(), NOW) == message.blocks[1:]


def test_slack_sdk_reads_the_blocks_as_its_own() -> None:
    buttons = answer_buttons(answer(), "user:U1")
    (message,) = answer_messages(answer(), NOW, buttons)

    assert [block.to_dict()["type"] for block in Block.parse_all(list(message.blocks))] == kinds(message)


def test_an_answer_without_text_is_still_a_message() -> None:
    (message,) = answer_messages(replace(answer(), text=" "), NOW)

    check_message(list(message.blocks))


def test_a_message_is_posted_without_previews_of_its_links() -> None:
    (message,) = answer_messages(answer(), NOW)

    assert message.arguments()["unfurl_links"] is False
    assert message.arguments()["parse"] == "none"


def test_a_title_cannot_end_its_own_link() -> None:
    (message,) = answer_messages(answer(citations=(citation(title="a|b>c", heading=""),)), NOW)

    assert f"<{URL}|a¦b&gt;c>" in texts_of(message.blocks[1])
