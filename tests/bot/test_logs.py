"""The log: one line for each thing, whose reference leads from what a person was told to what happened."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from bot.failures import noted
from bot.logs import forwarding, open_log
from bot.redaction import HIDDEN, Redaction
from connectors.reference import current_reference, new_reference, reference_of, working_on

SECRET = 's3cr3t/"quoted" pass'


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_a_line_of_the_log_is_one_line_whatever_a_source_says(stream: io.StringIO) -> None:
    open_log(stream, "info").warning("sync failed", error="No such\nthing \x1b[31mhere.")
    (line,) = lines(stream)
    assert (line["event"], line["error"]) == ("sync failed", "No such thing  [31mhere.")


def test_the_log_leaves_out_what_is_below_its_level(stream: io.StringIO) -> None:
    open_log(stream, "info").debug("synced")
    assert stream.getvalue() == ""


def test_lines_are_json_where_no_person_looks_and_pretty_when_asked_for(stream: io.StringIO) -> None:
    open_log(stream, "info").info("synced", source="office")
    assert lines(stream)[0]["source"] == "office"
    pretty = io.StringIO()
    open_log(pretty, "info", "pretty").info("synced", source="office")
    assert "source=office" in pretty.getvalue()
    assert "\x1b" not in pretty.getvalue()


def test_a_terminal_gets_pretty_lines_unless_json_is_asked_for() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown, told = Terminal(), Terminal()
    open_log(shown, "info").info("synced")
    open_log(told, "info", "json").info("synced")
    assert "\x1b[" in shown.getvalue()
    assert lines(told)[0]["event"] == "synced"


# References


async def test_every_line_about_a_question_has_its_reference_also_from_its_tasks_and_threads(
    stream: io.StringIO,
) -> None:
    log = open_log(stream, "info")

    async def beside() -> None:
        log.info("in a task")

    with working_on("0123abcd"):
        log.info("here")
        await asyncio.create_task(beside())
        await asyncio.to_thread(log.info, "in a thread")
    log.info("elsewhere")
    assert [line.get("reference") for line in lines(stream)] == ["0123abcd"] * 3 + [None]


async def test_questions_that_are_answered_together_keep_their_references_apart(stream: io.StringIO) -> None:
    log = open_log(stream, "info")

    async def answer(key: str) -> None:
        with working_on(reference_of(key)):
            for _ in range(3):
                await asyncio.sleep(0)
                log.info("step", question=key)

    await asyncio.gather(*(answer(f"q{number}") for number in range(5)))
    assert all(line["reference"] == reference_of(line["question"]) for line in lines(stream))


def test_a_line_that_names_a_delivery_has_the_reference_that_its_question_will_have(
    stream: io.StringIO,
) -> None:
    open_log(stream, "info").info("taking up what another process left", key="slack:T1/C1/1.2")
    assert lines(stream)[0]["reference"] == reference_of("slack:T1/C1/1.2")


def test_what_a_person_is_told_of_a_failure_is_the_reference_of_the_question(stream: io.StringIO) -> None:
    with working_on("0123abcd"):
        told = noted(open_log(stream, "info"), "question failed", ValueError("no"))
    assert told == lines(stream)[0]["reference"] == "0123abcd"


def test_what_is_not_asked_for_on_a_platform_gets_a_reference_of_its_own() -> None:
    assert len({current_reference() for _ in range(10)} | {new_reference()}) == 11


# Libraries


def test_what_libraries_say_stands_in_the_log_as_lines_of_it(stream: io.StringIO) -> None:
    with forwarding(open_log(stream, "info")):
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("some.library").exception("It\nfailed")
        logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").addHandler(logging.NullHandler())
    logging.getLogger("some.library").error("after the end")
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("It failed", "some.library", "error")
    assert "ValueError: no" in line["trace"]


# Secrets


@pytest.mark.parametrize("field", ["error", "key", "event"])
@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_a_secret_is_in_no_line_wherever_it_stands(stream: io.StringIO, field: str, log_format: Any) -> None:
    log = open_log(stream, "info", log_format, Redaction([SECRET]).clean)
    if field == "event":
        log.info(f"sent {SECRET}")
    else:
        log.info("sent", **{field: f"Bearer {SECRET}", "more": {"header": [SECRET]}})
    assert "s3cr3t" not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        "slack says xoxb-123456-abcdef no",
        "opened with xapp-1-A0B1-99-abcdef",
        "fetched https://user:hunter22@git.example/wiki.git",
        "postgresql://lorebot:pa55word@db/lorebot refused",
    ],
)
def test_tokens_are_known_by_their_form_and_passwords_by_their_place(line: str) -> None:
    cleaned = Redaction([]).clean(line)
    assert HIDDEN in cleaned
    assert not any(part in cleaned for part in ("abcdef", "hunter22", "pa55word"))


def test_words_and_addresses_are_left_as_they_are() -> None:
    line = "fetched http://127.0.0.1:8000/v1 for a@b.example, token 12"
    assert Redaction(["", "short"]).clean(line) == line


def test_each_line_is_noticed_with_its_fields(stream: io.StringIO) -> None:
    seen: list[Mapping[str, Any]] = []
    log = open_log(stream, "info", notice=lambda line: seen.append(dict(line)))
    log.error("failed", reference="0123abcd")
    assert (seen[0]["level"], seen[0]["event"], seen[0]["reference"]) == ("error", "failed", "0123abcd")
