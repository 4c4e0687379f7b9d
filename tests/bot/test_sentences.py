"""Sentences of text and evidence units of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sentences import sentences
from bot.units import Unit, readable, units


@pytest.mark.parametrize(
    "whole",
    [
        "Dr. Smith paid $1.5 million to the U.S. office in Jan. 2020.",
        "Cards, e.g. gift cards, are excluded.",
        "See https://docs.example.com/v2.1/a.html?x=1.2 for the rest.",
        "Write to a.b@example.co.uk before noon.",
        "It weighs approx. 4.5 kg.",
        "We open at 9 a.m. Monday to Friday.",
        "Read [the policy. Really](https://example.com/a.b) first.",
        "Run `lorebot sync. Now` once.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(whole: str) -> None:
    assert sentences(f"{whole} The next one stands alone.") == [whole, "The next one stands alone."]


def test_every_unit_lies_at_its_offsets() -> None:
    passage = "# Fees\n\nThe fee is **$5**. It is due in May.\n\n- one fee\n- two fees\n\n> Paid &amp; done."
    for unit in units(passage):
        words = unit.text.replace("&", "&amp;").split()
        assert words[-1].strip("*.") in passage[unit.start : unit.end]


def test_headings_are_context_and_no_units() -> None:
    found = units("# Returns\n\n## How long\n\nYou have 30 days.\n")
    assert [(unit.text, unit.heading) for unit in found] == [("You have 30 days.", "Returns > How long")]


def test_a_list_item_carries_its_lead_in() -> None:
    found = _by_kind("The following are excluded:\n\n- Gift cards\n- Opened software\n", "item")
    assert [(unit.lead, unit.text) for unit in found] == [
        ("The following are excluded:", "Gift cards"),
        ("The following are excluded:", "Opened software"),
    ]


def test_a_short_list_is_also_one_unit_with_its_lead_in() -> None:
    (whole,) = _by_kind("To reset it:\n\n1. Hold the button.\n2. Wait 5 s.\n", "list")
    assert whole.text == "To reset it:\n1. Hold the button.\n2. Wait 5 s."


def test_what_hangs_on_an_item_belongs_to_it() -> None:
    items = _by_kind("- Software\n  - unless it is faulty\n- Food\n", "item")
    assert items[0].text == "Software: unless it is faulty"


def test_a_table_row_is_read_with_its_header() -> None:
    (row,) = _by_kind("| Model | Price |\n|---|---|\n| Cascade 2 | $12 |\n", "row")
    assert row.text == "Model: Cascade 2; Price: $12"


def test_rows_with_pipes_but_no_rule_are_rows_too() -> None:
    (row,) = _by_kind("model | 2016 | 2017\nCascade | 12 | 14\n", "row")
    assert row.text == "model: Cascade; 2016: 12; 2017: 14"


def test_a_code_fence_is_one_unit() -> None:
    (code,) = _by_kind("Run this:\n\n```sh\nlorebot sync\nlorebot ask\n```\n", "code")
    assert (code.lead, code.text) == ("Run this:", "lorebot sync\nlorebot ask")


def test_a_sentence_that_leans_on_the_one_before_names_it() -> None:
    first, second, third = units("The Cascade is a tent. It costs $5. Poles are sold apart.")
    assert (first.lead, second.lead, third.lead) == ("", "The Cascade is a tent.", "")


def test_an_answer_leans_on_its_question() -> None:
    *_, answer = units("Do you ship to Norway? We ship to all of Europe.")
    assert answer.lead == "Do you ship to Norway?"


def test_labelled_lines_are_items() -> None:
    found = units("Monday: 9-5\nTuesday: 10-6\n")
    assert [unit.text for unit in found] == ["Monday: 9-5", "Tuesday: 10-6"]


def test_a_bold_line_is_a_heading() -> None:
    (unit,) = units("**Opening hours**\n\nWe open at nine.\n")
    assert unit.heading == "Opening hours"


def test_readable_text_keeps_link_texts_and_addresses_and_drops_emphasis_and_images() -> None:
    markdown = "See **[the policy](https://a.example/p)** ![logo](x.png) and <https://b.example>."
    assert readable(markdown) == "See the policy (https://a.example/p) and https://b.example."


@given(st.text(alphabet="ab. \n#*-|`>[](1:?&", max_size=300))
def test_any_markdown_gives_units_inside_the_passage(passage: str) -> None:
    assert all(0 <= unit.start <= unit.end <= len(passage) and unit.text for unit in units(passage))


def _by_kind(passage: str, kind: str) -> list[Unit]:
    return [unit for unit in units(passage) if unit.kind == kind]
