"""The whole product over the example company, with the real embedding and language models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lorebot = Callable[..., Any]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def company(example_config: Path, models: Path) -> Path:
    """Settings over the example company, its models made ready before."""
    home = example_config.parent / "home"
    home.mkdir()
    (home / "models").symlink_to(models)
    return example_config


def test_an_answer_keeps_the_json_contract(lorebot: Lorebot, company: Path) -> None:
    synced = json.loads(lorebot("--config", company, "sync", "--json").out)
    asked = lorebot("--config", company, "ask", "How much is the titanium Badger 6 now?", "--json")

    answer = json.loads(asked.out)
    assert synced["failed"] == []
    assert (asked.code, answer["route"], answer["abstained"]) == (0, "knowledge", False)
    assert "165" in answer["answer"]
    assert answer["citations"][0]["uri"] == "pricing/price-list-2026.md"
    assert set(answer["citations"][0]) >= {
        "marker", "title", "heading", "uri", "url", "excerpt", "version", "indexed_at", "modified_at",
        "freshness",
    }  # fmt: skip
    assert set(answer["timings"]) == {"route", "retrieve", "generate", "verify", "first_text", "total"}
    assert answer["adapter"]["name"] == "grounded"
    assert len(answer["adapter"]["hash"]) == 64
    assert answer["index_generation"] == synced["index_generation"]
    said = [sentence for sentence in answer["sentences"] if sentence["action"] != "dropped"]
    assert said
    assert all(sentence["markers"] for sentence in said)


def test_the_current_price_wins_over_the_old_list_and_the_old_one_is_found_by_its_year(
    lorebot: Lorebot, company: Path
) -> None:
    lorebot("--config", company, "sync")

    now = json.loads(lorebot("--config", company, "ask", "What does the Corrie 1.4 cost?", "--json").out)
    then = json.loads(
        lorebot("--config", company, "ask", "What did the Corrie 1.4 cost in 2025?", "--json").out
    )

    assert "45" in now["answer"]
    assert "41" in then["answer"]


def test_a_follow_up_is_answered_from_a_history_file(lorebot: Lorebot, company: Path, tmp_path: Path) -> None:
    lorebot("--config", company, "sync")
    history = tmp_path / "history.json"
    turns = [{"question": "How much is the Corrie 0.9 kettle?", "answer": "The Corrie 0.9 costs £38.00 [1]."}]
    history.write_text(json.dumps(turns), encoding="utf-8")

    asked = lorebot("--config", company, "ask", "And the Corrie 1.4?", "--history", history, "--json")

    answer = json.loads(asked.out)
    assert answer["standalone_question"] == "How much is the Corrie 1.4 kettle?"
    assert "45" in answer["answer"]


def test_what_the_company_never_wrote_is_not_answered(lorebot: Lorebot, company: Path) -> None:
    lorebot("--config", company, "sync")

    asked = lorebot("--config", company, "ask", "Who won the World Cup in 1998?", "--json")

    answer = json.loads(asked.out)
    assert (asked.code, answer["abstained"], answer["citations"]) == (0, True, [])
    assert answer["nearest"]


def test_an_adapter_that_is_not_installed_is_named(lorebot: Lorebot, company: Path) -> None:
    asked = lorebot("--config", company, "ask", "What does the Corrie 1.4 cost?", "--adapter", "cool")

    assert asked.code == 1
    assert "cool" in asked.err
    assert asked.err.count("\n") == 1
