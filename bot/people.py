"""What is kept about one person on one platform: shown to them, or erased."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    MetaData,
    String,
    Table,
    cast,
    delete,
    inspect,
    select,
    update,
)

from adapters.registry import AdapterRegistry
from bot.administration import ADMINISTRATION
from bot.database import answers, deliveries, entries, judgements
from bot.inbox import erased_key
from bot.journal import Journal
from bot.manners import MODE, QUIET
from bot.places import PLATFORMS

# Who did what a person did that was erased.
ERASED = "erased"

_PERSON = re.compile(rf"({'|'.join(PLATFORMS)}):([A-Za-z0-9@_.-]{{1,100}})")
_INSTALLATIONS = "slack_installations"
_PERSONAL = ("user_token", "user_scopes", "user_refresh_token", "user_token_expires_at")


class PersonError(Exception):
    """No person has such a name; the message is one line that says how one is written."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person by the platform's own id, as in `slack:U123`."""

    platform: str
    id: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased. `acts` stay without the person: they say, for instance, which voice speaks."""

    answers: int
    judgements: int
    deliveries: int
    acts: int
    installations: int

    @property
    def anything(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def parse_person(text: str) -> Person:
    """A person as an admin writes one, `slack:U123` or `terminal:alice`. Raises `PersonError`."""
    found = _PERSON.fullmatch(text)
    if found is None:
        raise PersonError(f"{text!r} is no person; write slack:U123, discord:ID or terminal:NAME")
    return Person(found[1], found[2])


def export_person(journal: Journal, person: Person, who: str) -> dict[str, Any]:
    """Everything the journal keeps about a person, as JSON; that it was given out is journalled, not to whom.

    Raises `JournalError`. Blocks.
    """
    with journal.database.reading() as connection:
        exported = {
            "person": str(person),
            "exported_at": datetime.now(UTC).isoformat(),
            "answers": [
                {
                    "id": row.id,
                    "at": row.at.isoformat(),
                    "conversation": row.conversation,
                    "place": json.loads(row.place),
                    "answer": json.loads(row.answer),
                }
                for row in _answers_to(connection, person)
            ],
            "judgements": [
                {**row, "at": row["at"].isoformat()}
                for row in connection.execute(
                    select(judgements).where(judgements.c.who == str(person)).order_by(judgements.c.at)
                ).mappings()
            ],
            "deliveries": [
                {"key": row.key, "taken_at": _moment(row.taken_at), "payload": json.loads(row.payload)}
                for row in _deliveries_of(connection, person, _direct_channels(connection, person))
            ],
            "acts": [
                {"at": row.at.isoformat(), "kind": row.kind, "subject": row.subject, "details": row.details}
                for row in connection.execute(
                    select(entries).where(entries.c.who == str(person)).order_by(entries.c.id)
                )
            ],
            "installations": _installed_by(connection, person),
        }
    journal.append(ADMINISTRATION, "people export", who, {})
    return exported


def erase_person(journal: Journal, person: Person, who: str) -> Erased:
    """Erase what a person wrote and what names them, in one transaction; that this was done is journalled.

    What was delivered from them stays known by a digest of its key, so that it is not answered when it is
    delivered again. Raises `JournalError`. Blocks.
    """
    with journal.database.writing() as connection:
        direct = _direct_channels(connection, person)
        erased = Erased(
            deliveries=_erase_deliveries(connection, person, direct),
            judgements=connection.execute(delete(judgements).where(judgements.c.who == str(person))).rowcount,
            answers=_erase_answers(connection, person),
            acts=_erase_acts(connection, person, direct),
            installations=_erase_installations(connection, person),
        )
    if erased.anything:
        counts = ", ".join(f"{getattr(erased, field.name)} {field.name}" for field in fields(erased))
        by = who if who != str(person) else ERASED
        journal.append(ADMINISTRATION, "people erase", by, {"erased": counts})
        journal.database.wipe()
    return erased


def made_by(registry: AdapterRegistry, person: Person) -> tuple[str, ...]:
    """Adapters whose card names a person as their maker."""
    return tuple(
        adapter.manifest.reference
        for adapter in registry.list()
        if adapter.manifest.created_by == str(person)
    )


def _answers_to(connection: Connection, person: Person) -> Iterator[Any]:
    a = answers.c
    theirs = (a.asker == person.id) & a.conversation.startswith(f"{person.platform}:", autoescape=True)
    yield from connection.execute(select(answers).where(theirs).order_by(a.number)).all()


def _erase_answers(connection: Connection, person: Person) -> int:
    rows = list(_answers_to(connection, person))
    for row in rows:
        connection.execute(delete(judgements).where(judgements.c.answer_id == row.id))
        connection.execute(delete(answers).where(answers.c.number == row.number))
    for conversation in {row.conversation for row in rows}:
        _restate(connection, conversation)
    return len(rows)


def _restate(connection: Connection, conversation: str) -> None:
    """Keep others' questions as they were asked: made to stand alone, they may hold words of one before."""
    query = select(answers.c.number, answers.c.answer).where(answers.c.conversation == conversation)
    for row in connection.execute(query).all():
        answer = json.loads(row.answer)
        answer["standalone_question"] = answer["question"]
        changed = update(answers).where(answers.c.number == row.number)
        connection.execute(changed.values(answer=json.dumps(answer)))


def _direct_channels(connection: Connection, person: Person) -> frozenset[str]:
    """Channels between this person and the bot alone."""
    places = (json.loads(row.place) for row in _answers_to(connection, person))
    return frozenset(place["id"] for place in places if _is_direct(place))


def _is_direct(place: Mapping[str, Any]) -> bool:
    if place["principals"] is not None:
        return False
    return bool(place["workspace"] is None or (place["platform"] == "slack" and place["id"].startswith("D")))


def _deliveries_of(connection: Connection, person: Person, direct: frozenset[str]) -> Iterator[Any]:
    d = deliveries.c
    for row in connection.execute(select(deliveries).where(d.platform == person.platform)).all():
        if {person.id, *direct}.intersection(row.key.split("/")) or _names(
            json.loads(row.payload), person.id
        ):
            yield row


def _names(payload: object, user: str) -> bool:
    """Whether something that was delivered is from a person: their id stands in it under `user`."""
    if isinstance(payload, dict):
        return payload.get("user") == user or any(_names(value, user) for value in payload.values())
    return isinstance(payload, list) and any(_names(value, user) for value in payload)


def _erase_deliveries(connection: Connection, person: Person, direct: frozenset[str]) -> int:
    rows = list(_deliveries_of(connection, person, direct))
    for row in rows:
        done_at = time.time() if row.done_at is None else row.done_at
        changed = update(deliveries).where(deliveries.c.key == row.key)
        connection.execute(changed.values(key=erased_key(row.key), payload="{}", done_at=done_at))
    return len(rows)


def _erase_acts(connection: Connection, person: Person, direct: frozenset[str]) -> int:
    rows = connection.execute(select(entries).where(entries.c.who == str(person))).all()
    for row in rows:
        this = entries.c.id == row.id
        if row.kind in (MODE, QUIET) and direct.intersection(row.subject.split("/")):
            connection.execute(delete(entries).where(this))
            continue
        details = {key: value for key, value in row.details.items() if key != "conversation"}
        connection.execute(update(entries).where(this).values(who=ERASED, details=details))
    return len(rows)


def _installed_by(connection: Connection, person: Person) -> list[dict[str, Any]]:
    table = _installations(connection, person)
    if table is None:
        return []
    query = select(
        table.c.team_id, table.c.team_name, cast(table.c.installed_at, String).label("installed_at")
    )
    return [dict(row) for row in connection.execute(query.where(table.c.user_id == person.id)).mappings()]


def _erase_installations(connection: Connection, person: Person) -> int:
    """Take the person out of workspaces' installations, which stay: the bot's own token is in them."""
    table = _installations(connection, person)
    if table is None:
        return 0
    values = {"user_id": ERASED, **dict.fromkeys(_PERSONAL)}
    return connection.execute(update(table).where(table.c.user_id == person.id).values(values)).rowcount


def _installations(connection: Connection, person: Person) -> Table | None:
    """The table of slack_sdk's installation store, where it was ever used."""
    if person.platform != "slack" or not inspect(connection).has_table(_INSTALLATIONS):
        return None
    return Table(_INSTALLATIONS, MetaData(), autoload_with=connection)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
