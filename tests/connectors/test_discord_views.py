import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast, get_args

import discord
import pytest
from answer_examples import URL, answer
from discord.ui import LayoutView
from discord_limits import calls_in, check_view, labels_of, links_in, parts_of, texts_of

from connectors.commands import Forget, confirmation, written
from connectors.conversation import NearDocument, Progress, ReadPassage
from connectors.discord import buttons, names, notices
from connectors.discord.modals import confirmation_view, judgement_modal, read_judgement
from connectors.discord.passages_view import passages_views
from connectors.discord.progress_view import admin_progress, admin_results, progress_view
from connectors.ports import Administered, Fault, Judgement

HOSTILE = "<@1> @here <:x:1> [x](https://evil.example) https://evil.example ```\n-# Voice\n"
DOCUMENTS = (NearDocument("Returns", "returns.md", URL), NearDocument("Notes", "notes.md", None))


def is_harmless(shown: str) -> bool:
    return not calls_in(shown) and links_in(shown) <= {URL}


class Noted:
    """What was pressed, in the place of what the buttons do."""

    def __init__(self) -> None:
        self.pressed: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def note(interaction: object, *what: object) -> None:
            self.pressed.append((name, *what))

        return note


def press(view: LayoutView, label: str) -> tuple[Any, ...]:
    """Press a button as discord.py does that knows no more than the message."""
    name = next(part["custom_id"] for part in parts_of(view.to_components()) if part.get("label") == label)
    presses = Noted()
    interaction = cast(Any, SimpleNamespace(client=SimpleNamespace(presses=presses)))

    async def pressed() -> None:
        for kind in buttons.DYNAMIC_ITEMS:
            match = kind.__discord_ui_compiled_template__.fullmatch(name)
            if match:
                item = await kind.from_custom_id(interaction, cast(Any, None), match)
                item._view = view
                await item.callback(interaction)

    asyncio.run(pressed())
    (what,) = presses.pressed
    return what


def test_progress_shows_what_is_done_and_what_is_read() -> None:
    view = progress_view(Progress("Reading 2 documents", DOCUMENTS))

    check_view(view)
    assert texts_of(view) == f"-# ⏳ Reading 2 documents\n-# [Returns](<{URL}>)"


def test_the_text_so_far_stands_above_the_progress() -> None:
    view = progress_view(Progress("Reading"), "Half of **a sen")

    assert texts_of(view).split("\n") == ["Half of **a sen", "-# ⏳ Reading"]


def test_of_a_long_text_so_far_the_end_is_shown() -> None:
    view = progress_view(Progress("Reading"), "Word. " * 2_000 + "End.")

    check_view(view)
    assert texts_of(view).startswith("…\n")
    assert "End.\n" in texts_of(view)


def test_an_admins_progress_can_be_cancelled() -> None:
    view = admin_progress(Progress("Reading wiki: 12 of 40"), "discord:interaction/123")

    check_view(view)
    assert "Reading wiki: 12 of 40" in texts_of(view)
    assert press(view, "Cancel") == ("cancel", "discord:interaction/123")


def test_what_a_command_found_is_shown_as_markdown() -> None:
    (view,) = admin_results(Administered("**wiki**: 12 documents"))

    assert texts_of(view) == "**wiki**: 12 documents"


def test_a_refusal_is_seen_as_one() -> None:
    (view,) = admin_results(Administered("Only an admin may do that.", refused=True))

    assert texts_of(view) == "⛔ Only an admin may do that."


def test_a_long_report_is_several_messages() -> None:
    views = admin_results(Administered("- a line of a report\n" * 1_000))

    assert len(views) > 1
    for view in views:
        check_view(view)


def test_the_passages_show_title_score_text_and_marker() -> None:
    (view,) = passages_views(answer())

    check_view(view)
    shown = texts_of(view)
    assert f"**1.** [Returns policy › Opened items](<{URL}>)" in shown
    assert "> Opened items come back." in shown
    assert "-# score 0.83  ·  cited as [1]" in shown


@pytest.mark.parametrize("number", [0, 3, 60])
@pytest.mark.parametrize("unit", ["<", "x", "日", "🦉", "*", "a.b ", "line\n"])
def test_passages_of_any_length_fit_into_their_messages(number: int, unit: str) -> None:
    read = (ReadPassage(unit * 400, unit * 400, URL, unit * 5_000, 0.1),) * number
    views = passages_views(answer(read=read, question=HOSTILE))

    for view in views:
        check_view(view)
    assert len(views) <= 20


def test_passages_and_their_titles_are_harmless() -> None:
    read = (ReadPassage(HOSTILE, HOSTILE, None, HOSTILE, 0.5),)

    assert is_harmless(texts_of(*passages_views(answer(read=read, question=HOSTILE))))


def submitted(fault: str | None, better: str) -> dict[str, Any]:
    """What Discord sends when the form is."""
    form = judgement_modal("a1").to_dict()
    choice, text = (label["component"] for label in form["components"])
    filled = [
        {"type": 3, "custom_id": choice["custom_id"], "values": [fault] if fault else []},
        {"type": 4, "custom_id": text["custom_id"], "value": better},
    ]
    return {
        "custom_id": form["custom_id"],
        "components": [{"type": 18, "id": place, "component": field} for place, field in enumerate(filled)],
    }


@pytest.mark.parametrize("fault", get_args(Fault))
def test_a_judgement_comes_back_as_it_was_given(fault: Fault) -> None:
    assert read_judgement(submitted(fault, " 14 days ")) == ("a1", Judgement(False, fault, "14 days"))


@pytest.mark.parametrize("fault", [None, "unheard of"])
def test_a_judgement_may_be_empty(fault: str | None) -> None:
    assert read_judgement(submitted(fault, "")) == ("a1", Judgement(False))


def test_another_form_is_no_judgement() -> None:
    assert read_judgement({"custom_id": "other", "components": []}) is None


def test_the_form_offers_every_fault_within_discords_limits() -> None:
    form = judgement_modal("a" * 32).to_dict()
    choice, better = form["components"]

    assert [option["value"] for option in choice["component"]["options"]] == list(get_args(Fault))
    assert all(len(label["label"]) <= 45 for label in (choice, better))
    assert len(form["title"]) <= 45


def test_a_command_that_is_confirmed_is_the_one_that_was_shown() -> None:
    command = Forget("https://wiki.example.com/a_b?c=`d`&e=*f*")
    asked = confirmation(command)
    assert asked is not None
    view = confirmation_view(asked, written(command), "discord:interaction/1")

    check_view(view)
    assert press(view, "Forget") == ("confirmed", "discord:interaction/1", written(command))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (buttons.HelpfulButton, ("judged", "a1", True)),
        (buttons.UnhelpfulButton, ("judged", "a1", False)),
        (buttons.PassagesButton, ("passages", "a1")),
        (buttons.PersonButton, ("person", "a1")),
        (buttons.ShareButton, ("share", "a1")),
    ],
)
def test_a_button_tells_what_it_is_about(kind: Any, what: tuple[Any, ...]) -> None:
    view = LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(kind("a1")))

    assert press(view, labels_of(view)[0]) == what


def test_a_complete_answer_is_known_by_its_buttons() -> None:
    row = SimpleNamespace(children=[SimpleNamespace(custom_id="lorebot:up:a1")])
    progress = SimpleNamespace(children=[SimpleNamespace(custom_id="lorebot:cancel:a1")])

    assert names.answer_id([SimpleNamespace(content="text"), row]) == "a1"
    assert names.answer_id([progress]) is None


@pytest.mark.parametrize("notice", [notices.said, notices.refused])
def test_what_the_bot_says_of_itself_is_one_harmless_line(notice: Callable[[str], LayoutView]) -> None:
    view = notice(f"I could not read\n{HOSTILE}")

    check_view(view)
    assert is_harmless(texts_of(view))
    assert "\n" not in texts_of(view)


@pytest.mark.parametrize(
    ("expert", "mention", "reached"),
    [
        ("user:123", "<@123>", {"parse": [], "users": [123]}),
        ("role:123", "<@&123>", {"parse": [], "roles": [123]}),
        ("group:123", "<@&123>", {"parse": [], "roles": [123]}),
    ],
)
def test_the_expert_is_called_on_purpose_and_nobody_else(
    expert: str, mention: str, reached: dict[str, Any]
) -> None:
    call = notices.called(expert, 9, answer(question=HOSTILE))

    assert call is not None
    assert calls_in(texts_of(call.view)) == [mention, "<@9>"]
    assert call.mentions.to_dict() == reached


@pytest.mark.parametrize("expert", ["user:<@1>", "group:support", "here", "user:U1", "role:1> @here"])
def test_a_name_that_is_not_discords_calls_nobody(expert: str) -> None:
    assert notices.called(expert, 9, answer()) is None


def test_a_shared_answer_names_who_shared_it_and_the_question() -> None:
    view = notices.asked_aloud(9, f"How long?\n{HOSTILE}")

    check_view(view)
    assert texts_of(view).startswith("<@9> asked me this and shares the answer.\n> How long?\n> ")
    assert calls_in(texts_of(view)) == ["<@9>"]


@pytest.mark.parametrize(
    ("question", "name"),
    [("How long?\nAnd why?", "How long? And why?"), ("  ", "Question"), ("x" * 300, "x" * 99 + "…")],
)
def test_a_thread_is_named_after_its_question(question: str, name: str) -> None:
    assert names.thread_name(question) == name


def test_a_threads_name_is_harmless() -> None:
    assert is_harmless(names.thread_name(HOSTILE))
