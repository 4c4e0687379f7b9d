import re
from dataclasses import replace

import pytest
from answer_examples import NOW, URL, abstention, answer, citation
from discord_limits import calls_in, check_view, labels_of, links_in, parts_of, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.conversation import NearDocument
from connectors.discord.answer_view import answer_views
from connectors.discord.buttons import ShareButton, answer_buttons


def test_a_short_answer_is_one_message_of_text_sources_voice_and_buttons() -> None:
    (message,) = answer_views(answer(), NOW)

    check_view(message)
    assert texts_of(message).split("\n") == [
        "You have 30 days [1].",
        f"-# **[1]** [Returns policy › Opened items](<{URL}>)  ·  changed 3 March 2026, read 5 minutes ago",
        "-# Voice warm@2  ·  index 3  ·  1.2 s",
    ]
    assert labels_of(message) == ["Helpful", "Not helpful"]


def test_a_source_without_a_link_shows_where_it_lies() -> None:
    (message,) = answer_views(answer(citations=(citation(url="file:///srv/returns.md"),)), NOW)

    assert "Returns policy › Opened items (returns\u2060.md)" in texts_of(message)


def test_an_answer_without_sources_has_no_frame() -> None:
    (message,) = answer_views(answer(route="smalltalk", citations=(), text="Good morning!"), NOW)

    check_view(message)
    assert [part["type"] for part in message.to_components()] == [10, 10, 1]


def test_the_buttons_carry_the_answers_id() -> None:
    (message,) = answer_views(
        answer(), NOW, (*answer_buttons(answer(), "user:123"), ShareButton(answer().id))
    )

    check_view(message)
    pressed = {
        part["label"]: part["custom_id"] for part in parts_of(message.to_components()) if "custom_id" in part
    }
    assert list(pressed) == ["Helpful", "Not helpful", "Show passages", "Ask a person", "Share to channel"]
    assert all(name.endswith(":a1") for name in pressed.values())


@pytest.mark.parametrize("expert", [None, "user:U123", "group:S123"])
def test_without_an_expert_in_discord_there_is_nobody_to_ask(expert: str | None) -> None:
    (message,) = answer_views(answer(), NOW, answer_buttons(answer(), expert))

    assert labels_of(message) == ["Helpful", "Not helpful", "Show passages"]


def test_where_nothing_was_read_no_passages_can_be_shown() -> None:
    assert answer_buttons(answer(read=()), None) == ()


def test_an_abstention_names_the_nearest_documents_with_their_links() -> None:
    (message,) = answer_views(abstention(), NOW)

    check_view(message)
    assert f"- [Returns policy](<{URL}>)\n- Notes (notes\u2060.md)" in texts_of(message)


def test_a_link_in_the_cited_text_stays_and_a_foreign_one_goes() -> None:
    text = "Fill in https://forms.example.com/return [1], not https://evil.example [1]."
    (message,) = answer_views(answer(text=text), NOW)

    assert links_in(texts_of(message)) == {URL, "https://forms.example.com/return"}


@pytest.mark.parametrize(
    "unit", ["A sentence with a source [1]. ", "Paragraph [1].\n\n", "日本語の文。", "🦉 Owls, ", "- item\n"]
)
@pytest.mark.parametrize("sources", [1, 12, 60])
def test_a_long_answer_loses_neither_text_nor_sources(unit: str, sources: int) -> None:
    found = answer(text=unit * (12_000 // len(unit)), citations=tuple(map(citation, range(1, sources + 1))))
    messages = answer_views(found, NOW, answer_buttons(found, "user:1"))

    for message in messages:
        check_view(message)
    shown = texts_of(*messages)
    assert all(f"**[{marker}]**" in shown for marker in range(1, sources + 1))
    said = shown[: shown.index("-# **[1]**")]
    assert len(re.sub(r"[\s\u2060]", "", said)) == len(re.sub(r"\s", "", found.text))
    assert labels_of(messages[-1]) == ["Helpful", "Not helpful", "Show passages", "Ask a person"]
    assert not any(labels_of(message) for message in messages[:-1])
    assert texts_of(messages[-1]).endswith("-# Voice warm@2  ·  index 3  ·  1.2 s")


def test_a_long_piece_of_code_is_opened_again_in_the_next_message() -> None:
    messages = answer_views(answer(text="```python\n" + "print(1)\n" * 900 + "```"), NOW)

    assert len(messages) > 1
    for message in messages:
        check_view(message)
        assert message.to_components()[0]["content"].startswith("```python\n")
        assert message.to_components()[0]["content"].endswith("\n```")


def test_neither_a_link_nor_a_marker_is_cut() -> None:
    unit = f"See [the returns policy]({URL}) [1] "
    messages = answer_views(answer(text=unit * 400), NOW)

    said = [message.to_components()[0]["content"] for message in messages]
    assert all(text.count("[") == text.count("]") for text in said)
    assert sum(text.count(f"[the returns policy](<{URL}>) [1]") for text in said) == 400


HOSTILE = st.sampled_from(
    [
        "<@1>",
        "@here",
        "<:x:1>",
        "<t:1:R>",
        "https://evil.example",
        "[",
        "](",
        ")",
        "\n",
        "*",
        "`",
        "```",
        "||",
    ]
)
TEXTS = st.lists(HOSTILE, max_size=6).map("".join)


@settings(deadline=None, max_examples=50)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_titles_headings_names_and_text_call_nobody_and_link_nowhere(
    title: str, heading: str, uri: str, text: str
) -> None:
    found = answer(text=text, citations=(citation(title=title, heading=heading, uri=uri),))
    lost = abstention(text=text, nearest=(NearDocument(title, uri, None), NearDocument(title, uri, URL)))
    for message in (*answer_views(found, NOW), *answer_views(lost, NOW)):
        check_view(message)
        assert calls_in(texts_of(message)) == []
        assert links_in(texts_of(message)) <= {URL}


def test_an_answer_without_text_is_still_a_message() -> None:
    (message,) = answer_views(replace(answer(), text=" "), NOW)

    check_view(message)
