from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lorebot = Callable[..., Any]


def test_sync_counts_what_it_did_in_json(lorebot: Lorebot, office: Path) -> None:
    first = json.loads(lorebot("sync", "--json").out)
    second = json.loads(lorebot("sync", "--json").out)

    assert (first["added"], first["failed"]) == (2, [])
    assert first["passages_embedded"] == first["passages_live"] == 2
    assert (second["added"], second["unchanged"], second["passages_embedded"]) == (0, 2, 0)
    assert set(first) >= {"changed", "removed", "unchanged", "seconds", "index_generation"}


def test_sync_names_what_it_added_and_what_failed_with_the_reason(lorebot: Lorebot, office: Path) -> None:
    (office / "documents" / "empty.md").write_text("", encoding="utf-8")

    done = lorebot("sync")

    assert "added    parking.md" in done.out
    assert "empty.md" in done.out
    assert "is empty" in done.out
    assert done.code == 0


def test_sync_of_an_unknown_source_names_the_nearest(lorebot: Lorebot, office: Path) -> None:
    done = lorebot("sync", "ofice")

    assert done.code == 2
    assert "did you mean 'office'?" in done.err


def test_search_shows_passages_with_both_ranks(lorebot: Lorebot, office: Path) -> None:
    lorebot("sync")

    found = json.loads(lorebot("search", "where do visitors park", "--json").out)["passages"]

    assert found[0]["uri"] == "parking.md"
    assert found[0]["heading"] == "Visitors"
    assert found[0]["dense_rank"] == found[0]["lexical_rank"] == 1
    assert set(found[0]) >= {"title", "text", "score"}


def test_a_document_that_was_deleted_is_not_found_after_the_next_sync(lorebot: Lorebot, office: Path) -> None:
    lorebot("sync")
    (office / "documents" / "parking.md").unlink()

    removed = json.loads(lorebot("sync", "--json").out)["removed"]

    found = json.loads(lorebot("search", "where do visitors park", "--json").out)["passages"]
    assert removed == 1
    assert all(passage["uri"] != "parking.md" for passage in found)


def test_a_source_for_a_group_is_hidden_from_others(lorebot: Lorebot, office: Path) -> None:
    config = office / "lorebot.toml"
    config.write_text(config.read_text() + 'audience = ["group:facilities"]\n', encoding="utf-8")
    lorebot("sync")

    anyone = json.loads(lorebot("search", "where do visitors park", "--json").out)["passages"]
    member = json.loads(
        lorebot("search", "where do visitors park", "--as", "group:facilities", "--json").out
    )["passages"]

    assert anyone == []
    assert member[0]["uri"] == "parking.md"


def test_status_tells_what_is_indexed(lorebot: Lorebot, office: Path) -> None:
    lorebot("sync")

    status = json.loads(lorebot("status", "--json").out)

    assert (status["documents"], status["passages"]) == (2, 2)
    assert status["sources"][0]["outcome"] == "complete"
    assert status["adapter"]["name"] == "grounded"


def test_doctor_says_how_to_fill_an_empty_index(lorebot: Lorebot, office: Path) -> None:
    done = lorebot("doctor")

    assert done.code == 1
    assert "the index is empty" in done.out
    assert "run `lorebot sync`" in done.out


def test_doctor_finds_nothing_to_mend_after_a_sync(lorebot: Lorebot, office: Path) -> None:
    lorebot("sync")

    done = lorebot("doctor")

    assert "✗" not in done.out
    assert done.code == 0


def test_eval_measures_the_search_over_a_folder(lorebot: Lorebot, office: Path) -> None:
    questions = office / "questions.jsonl"
    row = {"id": "1", "question": "What is the barrier code?", "relevant": ["parking.md#Visitors"]}
    questions.write_text(json.dumps(row), encoding="utf-8")

    done = lorebot("eval", questions, "--docs", office / "documents", "--retrieval-only", "--json")

    metrics = json.loads(done.out)
    assert (metrics["recall@1"], metrics["ndcg@10"], metrics["questions"]) == (1.0, 1.0, 1)
    assert metrics["answer_match"] is None
    assert not (office / "home" / "index").exists()


@pytest.mark.parametrize("arguments", [["ask", ""], ["ask", "x" * 50_000], ["search", " ?! "]])
def test_a_question_that_cannot_be_taken_is_refused_in_one_line(
    lorebot: Lorebot, office: Path, arguments: list[str]
) -> None:
    done = lorebot(*arguments)

    assert done.code == 2
    assert done.err.startswith("lorebot: The question ")
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_an_unknown_command_names_the_nearest(lorebot: Lorebot, office: Path) -> None:
    done = lorebot("stauts")

    assert done.code == 2
    assert "status" in done.err


def test_without_settings_the_error_says_how_to_write_them(
    lorebot: Lorebot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = lorebot("ask", "Where do visitors park?")

    assert done.code == 2
    assert "lorebot.example.toml" in done.err


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys; from bot.cli import app; from typer.main import get_command; get_command(app); "
        "print([m for m in ('torch', 'transformers', 'chromadb', 'onnxruntime', 'sqlalchemy', 'pydantic')"
        " if m in sys.modules])"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"
