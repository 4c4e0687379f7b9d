"""An answer by a model on a server is as grounded as any, says who made it, and never fails to come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.loopback import running
from tests.servers.model_server import ModelServer, application, refusing

Lorebot = Callable[..., Any]
MakeVoice = Callable[..., Path]
QUESTION = "In which bay do visitors park?"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    server = ModelServer(says=("Visitors park ", "in bay 14 [1]."))
    with running(application(server)) as root:
        server.url = f"{root}/v1"
        yield server


@pytest.fixture
def settings(office: Path, server: ModelServer, lorebot: Lorebot) -> Path:
    """The office's settings, to which tables may be added; its documents are indexed."""
    assert lorebot("sync").code == 0
    config = office / "lorebot.toml"
    text = config.read_text(encoding="utf-8")
    # A table that has begun takes what follows, so the server's comes last.
    config.write_text(
        f'{text}[generation]\nurl = "{server.url}"\nmodel = "large"\nfallback = "quote"\nretries = 0\n',
        encoding="utf-8",
    )
    return config


def add(config: Path, text: str) -> None:
    config.write_text(f"{config.read_text(encoding='utf-8')}{text}\n", encoding="utf-8")


def asked(lorebot: Lorebot) -> dict[str, Any]:
    finished = lorebot("ask", QUESTION, "--json")
    assert finished.code == 0, finished.err
    answer: dict[str, Any] = json.loads(finished.out)
    return answer


def test_the_server_answers_from_the_evidence_and_is_named(
    settings: Path, server: ModelServer, lorebot: Lorebot
) -> None:
    answer = asked(lorebot)
    assert answer["answer"].startswith("Visitors park in bay 14 [1].")
    assert answer["model"] == "large"
    assert answer["adapter"] == {"name": "base", "version": "", "hash": ""}
    assert answer["sentences"][0]["action"] == "kept"
    prompt = server.asked[0]["messages"][-1]["content"]
    assert "[1] Visitors" in prompt
    assert QUESTION in prompt


def test_what_the_sources_do_not_support_is_not_said_whoever_says_it(
    settings: Path, server: ModelServer, lorebot: Lorebot
) -> None:
    server.says = ("Visitors park in bay 15 for 900 euros [1].",)
    answer = asked(lorebot)
    assert "900" not in answer["answer"]
    assert "bay 14" in answer["answer"]


def test_without_an_answer_the_evidence_is_quoted_and_status_tells_why(
    settings: Path, server: ModelServer, lorebot: Lorebot
) -> None:
    server.behaviours.append(refusing(500, "out of memory"))
    finished = lorebot("ask", QUESTION, "--json")
    answer = json.loads(finished.out)
    assert "bay 14" in answer["answer"]
    assert answer["sentences"][0]["action"] == "quoted"
    assert "500: out of memory" in " ".join(finished.err.split())
    told = json.loads(lorebot("status", "--json").out)["model_server"]
    assert told["url"] == server.url
    assert told["fallback"] == "quote"
    assert "500: out of memory" in told["reason"]
    assert "evidence is quoted" in lorebot("status").out.replace("\n", " ")
    asked(lorebot)
    assert json.loads(lorebot("status", "--json").out)["model_server"]["reason"] == ""


def test_a_voice_comes_as_examples_to_a_model_that_takes_no_adapters(
    settings: Path, server: ModelServer, lorebot: Lorebot, make_voice: MakeVoice
) -> None:
    voice = make_voice(settings.parent / "home" / "adapters", "warm@1")
    assert lorebot("adapters", "use", "warm").code != 0
    example = {"question": "Is there tea?", "evidence": ["Tea is in the kitchen."], "answer": "Oh yes [1]!"}
    (voice / "examples.jsonl").write_text(json.dumps(example) + "\n", encoding="utf-8")
    assert lorebot("adapters", "use", "warm").code == 0
    answer = asked(lorebot)
    assert answer["model"] == "large"
    assert (answer["adapter"]["name"], answer["adapter"]["version"]) == ("warm", "1")
    said = [message["content"] for message in server.streamed[-1]["messages"]]
    assert "Oh yes [1]!" in said
    assert said[-1].endswith(QUESTION)
    assert "as examples in the prompt" in lorebot("status").out


def test_a_days_limit_outlives_the_process_and_the_evidence_is_quoted(
    settings: Path, server: ModelServer, lorebot: Lorebot
) -> None:
    add(settings, "[spending]\ntokens_a_day = 700")
    server.usage = (400, 150)
    assert asked(lorebot)["sentences"][0]["action"] == "kept"
    finished = lorebot("ask", QUESTION, "--json")
    assert json.loads(finished.out)["sentences"][0]["action"] == "quoted"
    assert "limit" in finished.err
    assert len(server.asked) == 1
    assert "550 tokens, of 700 tokens" in lorebot("status").out


def test_doctor_asks_the_server_and_says_what_is_wrong(
    settings: Path, server: ModelServer, lorebot: Lorebot
) -> None:
    assert f"the server {server.url} answers as large" in lorebot("doctor").out
    server.behaviours.append(refusing(401, "wrong key"))
    found = lorebot("doctor")
    assert found.code == 1
    assert "401: wrong key" in found.out


def test_a_model_may_read_whole_passages(settings: Path, server: ModelServer, lorebot: Lorebot) -> None:
    add(settings, "whole_passages = true")
    server.says = ("The barrier code is 4711 [1].",)
    answer = asked(lorebot)
    assert "4711" in server.asked[0]["messages"][-1]["content"]
    assert answer["citations"][0]["uri"].endswith("parking.md")
