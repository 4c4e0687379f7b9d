"""What a person sees before asking: what they may read, and questions that the index really answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.assembly import Assembly
from bot.settings import load_settings
from bot.suggestions import candidates
from bot.trial import index_everything
from bot.welcome import Welcoming
from connectors.conversation import Asker, Place
from connectors.ports import Welcome
from knowledge.documents import Reader

MEMBER = frozenset({"everyone", "public"})
ADMIN = Asker("U1", principals=MEMBER | {"user:U1"})
SOMEBODY = Asker("U2", principals=MEMBER)
BOARD = Asker("U3", principals=MEMBER | {"group:board"})
GUEST = Asker("U4", principals=frozenset({"public"}))
HOME = Place("slack", "U", None, "T1")

DOCUMENTS = {
    "office/parking.md": "# Parking\n\n## How to open the barrier\n\nThe code that opens it is 4711.\n",
    "office/lunch.md": "# Lunch\n\n## Who pays for the moon?\n\n## Where\n\nWe eat in the canteen.\n",
    "office/holidays.md": "# Time off\n\n## Annual leave\n\nAll have annual leave of 28 days each.\n",
    "board/plan.md": "# Takeover\n\n## What does Falcon cost?\n\nFalcon costs 92 euros, lent by the bank.\n",
    "help/hours.md": "# Opening hours\n\n## When is the shop open?\n\nThe shop is open from nine to five.\n",
}
AUDIENCES = {"office": "everyone", "board": "group:board", "help": "public"}


@pytest.fixture
async def assembly(tmp_path: Path, models: Path) -> AsyncIterator[Assembly]:
    lines = ['home = "home"']
    for name, audience in AUDIENCES.items():
        (tmp_path / name).mkdir()
        lines += ["[[sources]]", f'name = "{name}"', 'kind = "folder"', f'path = "{name}"']
        lines += [f'audience = ["{audience}"]']
    for path, text in DOCUMENTS.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    config = tmp_path / "lorebot.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    opened = Assembly(load_settings(config), print, models)
    yield opened
    await opened.close()


@pytest.fixture
def welcoming(assembly: Assembly) -> Welcoming:
    return Welcoming(assembly, lambda asker: asker is ADMIN)


def names(welcome: Welcome) -> list[str]:
    return [source.name for source in welcome.sources]


async def test_each_sees_the_sources_and_counts_the_passages_that_they_may_read(
    assembly: Assembly, welcoming: Welcoming
) -> None:
    index_everything(assembly)

    seen = {asker.id: await welcoming.welcome(asker, HOME) for asker in (SOMEBODY, BOARD, GUEST)}

    assert {who: names(welcome) for who, welcome in seen.items()} == {
        "U2": ["office", "help"],
        "U3": ["office", "board", "help"],
        "U4": ["help"],
    }
    assert {who: welcome.passages for who, welcome in seen.items()} == {"U2": 4, "U3": 5, "U4": 1}
    assert [source.documents for source in seen["U2"].sources] == [3, 1]
    assert all(source.health.startswith("current") for source in seen["U2"].sources)
    assert seen["U2"].voice == "base" or "@" in seen["U2"].voice


async def test_suggestions_are_questions_that_the_index_answers_to_this_person(
    assembly: Assembly, welcoming: Welcoming
) -> None:
    index_everything(assembly)

    somebody = (await welcoming.welcome(SOMEBODY, HOME)).suggestions
    assert set(somebody) == {
        "How do I open the barrier?",
        "When is the shop open?",
        "What should I know about annual leave?",
    }
    assert "What does Falcon cost?" in (await welcoming.welcome(BOARD, HOME)).suggestions
    assert (await welcoming.welcome(GUEST, HOME)).suggestions == ("When is the shop open?",)


async def test_suggestions_follow_the_index(assembly: Assembly, welcoming: Welcoming) -> None:
    index_everything(assembly)
    await welcoming.welcome(GUEST, HOME)
    assembly.synchronizer.forget_document("help", "hours.md")

    assert (await welcoming.welcome(GUEST, HOME)).suggestions == ()


async def test_suggestions_are_looked_for_once_as_long_as_nothing_changes(
    assembly: Assembly, welcoming: Welcoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_everything(assembly)
    first = await welcoming.welcome(SOMEBODY, HOME)

    def fail(*arguments: object) -> None:
        raise AssertionError("looked again")

    monkeypatch.setattr("knowledge.search.Search.find", fail)
    assert (await welcoming.welcome(Asker("U9", principals=MEMBER), HOME)).suggestions == first.suggestions


async def test_an_empty_index_is_welcomed_too(welcoming: Welcoming) -> None:
    welcome = await welcoming.welcome(SOMEBODY, HOME)

    assert (welcome.passages, welcome.suggestions, welcome.failures) == (0, (), None)
    assert all(source.health.startswith("never synced") for source in welcome.sources)


async def test_what_fails_is_for_admins_alone(
    assembly: Assembly, welcoming: Welcoming, tmp_path: Path
) -> None:
    (tmp_path / "office" / "broken.pdf").write_bytes(b"no PDF")
    index_everything(assembly)

    (line,) = (await welcoming.welcome(ADMIN, HOME)).failures or ()
    assert line.startswith("office: broken.pdf: ")
    assert (await welcoming.welcome(SOMEBODY, HOME)).failures is None


def test_headings_that_ask_come_before_those_that_name_something() -> None:
    headings = [
        ("Parking", "Visitors and suppliers"),
        ("Parking", "How to open the barrier"),
        ("Parking", "Barrier > How is it closed?"),
        ("Lunch", "The menu"),
        ("Lunch", "What"),
        ("Time off", "Annual leave"),
    ]

    assert list(candidates(headings)) == [
        ("How do I open the barrier?", "Parking"),
        ("What should I know about Visitors and suppliers?", "Parking"),
        ("What should I know about Annual leave?", "Time off"),
    ]


def test_headings_are_read_of_those_audiences_alone(assembly: Assembly) -> None:
    index_everything(assembly)
    catalog = assembly.catalog

    audiences = catalog.readable_audiences(Reader((GUEST.principals,)))

    assert catalog.headings(audiences, 10) == (("Opening hours", "When is the shop open?"),)
