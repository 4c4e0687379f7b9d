from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.evaluation import EvaluationError, Outcome, QuestionRow, measure, read_questions
from connectors.conversation import Answer, AnswerSentence, Citation, Route, Timings, Voice
from knowledge.documents import FoundPassage

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def passage(uri: str, heading: str = "", text: str = "text") -> FoundPassage:
    return FoundPassage(1, "docs", uri, None, uri, heading, text, "v1", NOW, None, 1, 1, 0.5, 1.0, 1.0)


def answer(text: str, route: Route = "knowledge", cited: tuple[FoundPassage, ...] = ()) -> Answer:
    citations = tuple(
        Citation(number, p.title, p.heading, p.uri, None, p.text, p.version, NOW)
        for number, p in enumerate(cited, start=1)
    )
    sentence = AnswerSentence(text, tuple(c.marker for c in citations), 1.0, "kept")
    voice = Voice("base", "", "")
    return Answer("a", "q", "q", text, route, citations, (), (sentence,), voice, "m", 1, Timings(total=2.0))


def row(**values: object) -> QuestionRow:
    return QuestionRow.model_validate({"id": "1", "question": "q?", **values})


def test_a_passage_counts_only_when_file_and_heading_both_match() -> None:
    asked = row(relevant=["a.md#Refunds"])
    found = (passage("b.md", "Refunds"), passage("a.md", "Other"), passage("a.md", "Returns > Refunds"))

    metrics = measure([Outcome(asked, found, None)])

    assert metrics["recall@1"] == 0.0
    assert metrics["mrr@10"] == pytest.approx(1 / 3)


def test_an_entry_is_found_once_however_many_of_its_passages_come_back() -> None:
    asked = row(relevant=["a.md", "b.md"])
    found = (passage("a.md"), passage("a.md"), passage("c.md"))

    metrics = measure([Outcome(asked, found, None)])

    assert metrics["recall@5"] == 0.5


def test_evidence_cut_between_two_passages_is_found_in_both() -> None:
    evidence = "The first half of the sentence is here, and the second half of it is over there."
    asked = row(relevant=["a.md"], evidence=[evidence])
    found = (passage("a.md", text="x " + evidence[:40]), passage("a.md", text=evidence[40:] + " y"))

    metrics = measure([Outcome(asked, found, None)])

    assert metrics["evidence_recall@5"] == pytest.approx(1.0, abs=0.03)


def test_an_answer_matches_by_any_of_its_strings_without_case() -> None:
    asked = row(relevant=["a.md"], answers=["thirty days", "30 Days"])

    metrics = measure([Outcome(asked, (), answer("You have 30 days [1].", cited=(passage("a.md"),)))])

    assert metrics["answer_match"] == 1.0
    assert metrics["citation_precision"] == 1.0
    assert metrics["answered_when_answerable"] == 1.0


def test_a_wrong_citation_lowers_precision() -> None:
    asked = row(relevant=["a.md"], answers=["x"])
    cited = (passage("a.md"), passage("b.md"))

    metrics = measure([Outcome(asked, (), answer("x [1][2].", cited=cited))])

    assert metrics["citation_precision"] == 0.5


def test_an_abstention_is_right_only_where_nothing_answers() -> None:
    silent = answer("I could not find that.", "abstain")
    rows = [row(answerable=False), row(relevant=["a.md"], answers=["x"])]

    metrics = measure([Outcome(asked, (), silent) for asked in rows])

    assert metrics["abstained_when_unanswerable"] == 1.0
    assert metrics["answered_when_answerable"] == 0.0
    assert metrics["answer_match"] == 0.0


def test_small_talk_counts_in_route_accuracy_alone() -> None:
    greeting = row(kind="smalltalk", answerable=False)

    metrics = measure([Outcome(greeting, (), answer("Hello!", "smalltalk"))])

    assert metrics["route_accuracy"] == 1.0
    assert metrics["abstained_when_unanswerable"] is None
    assert metrics["unsupported_sentences"] == 0


def test_a_sentence_said_without_a_source_is_counted() -> None:
    metrics = measure([Outcome(row(answers=["x"]), (), answer("A claim."))])

    assert metrics["unsupported_sentences"] == 1


def test_metrics_that_a_set_cannot_give_are_null() -> None:
    metrics = measure([Outcome(row(relevant=["a.md"]), (passage("a.md"),), None)])

    assert metrics["answer_match"] is None
    assert metrics["seconds_per_answer"] is None
    assert metrics["evidence_recall@5"] is None


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"id": "1", "question": "fine?"}\n{"id": "2"}\n', encoding="utf-8")

    with pytest.raises(EvaluationError, match="line 2: question"):
        read_questions(path)


def test_a_limit_spreads_over_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    lines = (question_line(number) for number in range(10))
    path.write_text("\n".join(lines), encoding="utf-8")

    assert [row.id for row in read_questions(path, limit=5)] == ["0", "2", "4", "6", "8"]


def question_line(number: int) -> str:
    return f'{{"id": "{number}", "question": "q?"}}'
