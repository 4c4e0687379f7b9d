import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from answer_examples import NOW, URL, answer, citation
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_limits import check_message, check_view, parts_of, texts_of
from slack_sdk.models.messages.chunk import Chunk, TaskUpdateChunk
from slack_sdk.models.views import View

from connectors.commands import Confirmation
from connectors.conversation import NearDocument, Progress, ReadPassage
from connectors.ports import Administered, Judgement, KnownSource, Welcome
from connectors.slack import names, notices
from connectors.slack.blocks import Message
from connectors.slack.home import home_view
from connectors.slack.modals import confirmation_modal, judgement_modal, read_context, read_judgement
from connectors.slack.passages_view import passages_view
from connectors.slack.progress_view import (
    admin_progress,
    admin_result,
    read_chunks,
    status_text,
    text_chunk,
    working_chunks,
)

HOSTILE = "<!channel> @here <@U1> [x](https://evil.example) https://evil.example ```"
DOCUMENTS = (NearDocument("Returns", "returns.md", URL), NearDocument("Notes", "notes.md", None))
WELCOME = Welcome(
    (KnownSource("wiki", 12, NOW - timedelta(hours=2), "healthy"), KnownSource("drive", 1, None, "waiting")),
    1240,
    ("How long are returns open?", "Who approves travel?"),
    "warm@2",
)


def is_harmless(shown: str) -> bool:
    return not re.search(r"<[!@#]|@here|://evil", shown)


def test_a_status_is_one_short_harmless_line() -> None:
    status = status_text(Progress(f"Reading\n{HOSTILE}" + "x" * 500))

    assert len(status) <= 100
    assert "\n" not in status
    assert is_harmless(status)


def test_the_task_card_links_the_documents_that_are_being_read() -> None:
    (chunk,) = working_chunks(Progress("Reading 2 documents", DOCUMENTS))

    assert chunk == {
        "type": "task_update",
        "id": "reading",
        "title": "Reading 2 documents",
        "status": "in_progress",
        "sources": [{"type": "url", "url": URL, "text": "Returns"}],
    }


def test_the_task_card_ends_with_what_was_read() -> None:
    (chunk,) = read_chunks(answer())

    assert (chunk["title"], chunk["status"]) == ("Read 1 passage of 1 document", "complete")


def test_without_reading_there_is_no_task_card() -> None:
    assert read_chunks(answer(read=())) == []


@pytest.mark.parametrize("chunks", [working_chunks(Progress("Reading", DOCUMENTS)), read_chunks(answer())])
def test_slack_sdk_reads_the_task_card_as_its_own(chunks: list[dict[str, str]]) -> None:
    assert all(isinstance(Chunk.parse(chunk), TaskUpdateChunk) for chunk in chunks)


def test_text_is_streamed_as_markdown() -> None:
    assert text_chunk("**a**") == {"type": "markdown_text", "text": "**a**"}


def test_an_admins_progress_can_be_cancelled() -> None:
    message = admin_progress(Progress("Reading wiki: 12 of 40"), "k1")

    check_message(list(message.blocks))
    assert "Reading wiki: 12 of 40" in texts_of(message.blocks)
    (cancel,) = [part for part in parts_of(message.blocks) if part.get("type") == "button"]
    assert (cancel["action_id"], cancel["value"]) == (names.CANCEL, "k1")


def test_what_a_command_found_is_shown_as_markdown() -> None:
    (message,) = admin_result(Administered("**wiki**: 12 documents"))

    assert message.blocks == ({"type": "markdown", "text": "**wiki**: 12 documents"},)


def test_a_long_report_is_several_messages() -> None:
    messages = admin_result(Administered("- a line of a report\n" * 2000))

    assert len(messages) > 1
    for message in messages:
        check_message(list(message.blocks))


def test_the_passages_show_title_score_text_and_marker() -> None:
    view = passages_view(answer())

    check_view(view)
    shown = texts_of(view)
    assert f"<{URL}|Returns policy › Opened items>" in shown
    assert "score 0.83  ·  cited as [1]" in shown
    assert "Opened items come back." in shown


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=300), st.integers(0, 60), st.sampled_from(["<", "&", "x", "日", "*", "a.b"]))
def test_any_number_of_passages_of_any_length_fits_into_a_modal(title: str, number: int, unit: str) -> None:
    read = tuple(ReadPassage(title, title, URL, unit * 5000, 0.1) for _ in range(number))

    check_view(passages_view(answer(read=read, question=HOSTILE)))


def test_passages_and_their_titles_are_harmless() -> None:
    read = (ReadPassage(HOSTILE, HOSTILE, None, HOSTILE, 0.5),)

    assert is_harmless(texts_of(passages_view(answer(read=read, question=HOSTILE))))


def submitted(view: dict[str, object], fault: str | None, better: str | None) -> dict[str, object]:
    option = {"value": fault} if fault else None
    values = {"fault": {"fault": {"selected_option": option}}, "better": {"better": {"value": better}}}
    return {**view, "state": {"values": values}}


@pytest.mark.parametrize("fault", ["wrong", "outdated", "missing", "tone"])
def test_a_judgement_comes_back_as_it_was_given(fault: str) -> None:
    view = judgement_modal("a1", {"channel": "C1"})

    check_view(view)
    offered = {part["value"] for part in parts_of(view) if "value" in part}
    assert fault in offered
    answer_id, judgement = read_judgement(submitted(view, fault, " 14 days "))
    assert answer_id == "a1"
    assert (judgement.helpful, judgement.fault, judgement.better) == (False, fault, "14 days")
    assert read_context(view)["channel"] == "C1"


@pytest.mark.parametrize("state", [None, "unheard of"])
def test_a_judgement_may_be_empty(state: str | None) -> None:
    assert read_judgement(submitted(judgement_modal("a1"), state, None)) == ("a1", Judgement(False))


def test_a_view_without_state_is_an_empty_judgement() -> None:
    assert read_judgement({"private_metadata": "{"}) == ("", Judgement(False))


def test_slack_sdk_reads_the_modal_as_its_own() -> None:
    assert View(**judgement_modal("a1")).to_dict()["callback_id"] == names.JUDGE


def test_a_command_is_confirmed_with_its_address_as_it_was_typed() -> None:
    text = "Removes https://wiki.example.com/a_b from the index."
    view = confirmation_modal(Confirmation("Forget this document?", text, "Forget"), {"command": "forget x"})

    check_view(view)
    assert text in texts_of(view)
    assert (view["submit"]["text"], read_context(view)) == ("Forget", {"command": "forget x"})


def test_home_shows_sources_their_freshness_and_the_voice() -> None:
    view = home_view(WELCOME, NOW)

    check_view(view)
    shown = texts_of(view)
    assert "1,240 passages of 13 documents from 2 sources" in shown
    assert "*wiki*  ·  12 documents  ·  read 2 hours ago  ·  healthy" in shown
    assert "*drive*  ·  1 document  ·  not read yet" in shown
    assert "Voice in use: warm@2" in shown


def test_home_offers_questions_that_can_be_pressed() -> None:
    buttons = [part for part in parts_of(home_view(WELCOME, NOW)) if part.get("type") == "button"]

    assert [button["value"] for button in buttons] == list(WELCOME.suggestions)
    assert all(button["action_id"].startswith(names.SUGGESTION) for button in buttons)


def test_home_hides_failures_from_all_but_admins() -> None:
    failing = Welcome((), 0, (), "base", ("wiki: 3 documents could not be read",))

    assert "For admins" not in texts_of(home_view(WELCOME, NOW))
    assert "wiki: 3 documents could not be read" in texts_of(home_view(failing, NOW))


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=80), st.integers(0, 120))
def test_home_fits_whatever_there_is_to_show(text: str, number: int) -> None:
    sources = tuple(KnownSource(text + HOSTILE, 3, NOW, text * 20) for _ in range(number))
    view = home_view(Welcome(sources, 9, (text,) * number, text, (text * 20,) * number), NOW)

    check_view(view)
    assert is_harmless(texts_of(view))


@pytest.mark.parametrize("notice", [notices.said, notices.refused])
def test_what_the_bot_says_of_itself_is_one_harmless_line(notice: Callable[[str], Message]) -> None:
    message = notice(f"I could not read\n{HOSTILE}")

    assert is_harmless(texts_of(message.blocks) + message.text)
    assert "\n" not in message.text


@pytest.mark.parametrize(("expert", "mention"), [("user:U123", "<@U123>"), ("group:S123", "<!subteam^S123>")])
def test_the_expert_is_called_on_purpose_and_nobody_else(expert: str, mention: str) -> None:
    message = notices.called(expert, "user:U9", answer(question=HOSTILE))

    assert message is not None
    assert re.findall(r"<[!@#][^>]*>", message.text) == [mention, "<@U9>"]


@pytest.mark.parametrize("expert", ["user:<!channel>", "group:support", "here", "user:U1> <!here"])
def test_a_name_that_is_not_slacks_calls_nobody(expert: str) -> None:
    assert notices.called(expert, "user:U9", answer()) is None


def test_a_shared_answer_names_who_shared_it() -> None:
    assert notices.shared("user:U9") == "<@U9> asked me this and shares the answer."
    assert notices.shared("<!channel>") == "Somebody asked me this and shares the answer."


def test_every_view_is_json() -> None:
    views = [home_view(WELCOME, NOW), judgement_modal("a1"), passages_view(answer(citations=(citation(),)))]

    assert json.loads(json.dumps(views)) == views
