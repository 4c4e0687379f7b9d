"""Files of examples: which rows are taken, what is said of the others, and which are held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.dataset import DatasetError, Example, digest, read_examples, scan_examples, split

GOOD = {"question": "What does it cost?", "evidence": ["It costs £5."], "answer": "It is £5 [1]."}


def written(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "examples.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def asked(*questions: str) -> list[Example]:
    return [Example(question, (), "Hello!", line) for line, question in enumerate(questions, start=1)]


def test_evidence_is_a_text_or_a_heading_and_a_text(tmp_path: Path) -> None:
    path = written(tmp_path, {**GOOD, "evidence": ["It costs £5.", ["Prices", "Post is £2."]]})
    assert read_examples(path)[0].evidence == (("", "It costs £5."), ("Prices", "Post is £2."))


def test_a_row_without_evidence_is_small_talk(tmp_path: Path) -> None:
    assert read_examples(written(tmp_path, {"question": "Hi", "answer": "Hello!"}))[0].evidence == ()


def test_a_row_is_known_by_its_line_in_the_file(tmp_path: Path) -> None:
    assert [example.line for example in read_examples(written(tmp_path, GOOD, "", GOOD))] == [1, 3]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{'question': 'single quotes'}", "this is no JSON object"),
        ({"question": "What?", "evidence": []}, "answer is missing"),
        ({**GOOD, "answr": "typo"}, "answr is no field of an example"),
        ({**GOOD, "question": "  "}, "question: String should have at least 1 character"),
        ({**GOOD, "evidence": "one text"}, "evidence: Input should be a valid"),
        ({**GOOD, "rejected": "It is  £5 [1]. "}, "rejected is the answer itself"),
    ],
)
def test_a_row_that_is_no_example_is_told_by_its_line(
    tmp_path: Path, row: dict[str, Any] | str, said: str
) -> None:
    with pytest.raises(DatasetError, match=r"examples\.jsonl, line 2: ") as refused:
        read_examples(written(tmp_path, GOOD, row))
    assert said in str(refused.value)


def test_all_faults_are_told_at_once_and_the_other_rows_are_read(tmp_path: Path) -> None:
    reading = scan_examples(written(tmp_path, "no", GOOD, "{}", GOOD))
    assert [fault.line for fault in reading.faults] == [1, 3]
    assert [example.line for example in reading.examples] == [2, 4]


def test_a_corrected_answer_is_an_example_of_its_correction(tmp_path: Path) -> None:
    path = written(tmp_path, {**GOOD, "rejected": "It costs a lot."})
    assert read_examples(path)[0].answer == "It is £5 [1]."


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text(json.dumps(GOOD), encoding="utf-8-sig")
    assert len(read_examples(path)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no examples"),
        (b'{"question": "caf\xe9"}', "not written in UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_examples_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "examples.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=said) as refused:
        read_examples(path)
    assert "\n" not in str(refused.value)


def test_about_one_in_ten_examples_is_held_out_and_every_example_is_in_one_part() -> None:
    examples = asked(*(f"Question {number}?" for number in range(1000)))
    parts = split(examples)
    assert 70 <= len(parts.held_out) <= 130
    assert {*parts.training, *parts.held_out} == set(examples)


def test_the_same_examples_are_held_out_whatever_stands_beside_them() -> None:
    examples = asked(*(f"Question {number}?" for number in range(100)))
    assert split(examples[::-1]).held_out == split(examples).held_out[::-1]
    assert set(split(examples[:50]).held_out) <= set(split(examples).held_out)


def test_questions_that_differ_in_case_and_spaces_alone_are_on_the_same_side() -> None:
    for number in range(50):
        parts = split(asked(f"Question {number}?", f" question  {number}? "))
        assert not (parts.training and parts.held_out)


def test_the_digest_is_of_the_content_and_not_of_the_place() -> None:
    one, other = Example("A?", (), "B", 1), Example("A?", (), "B", 7)
    assert digest([one]) == digest([other])
    assert digest([one]) != digest([Example("A?", (), "C", 1)])
