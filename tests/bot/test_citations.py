"""Markers, streamed sentences, and verification against the evidence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.citations import CitedSentence, SentenceStream, answers, parse_markers, verify
from bot.evidence import Evidence
from knowledge.documents import FoundPassage


def evidence(text: str, passage_id: int = 1, score: float = 8.0, context: str = "") -> Evidence:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    found = FoundPassage(
        passage_id, "docs", f"{passage_id}.md", None, "Policy", "", text, "1", when, None, 1, 1, 0.6, 1.0, 1.0
    )
    return Evidence(found, passage_id, text, context, coverage=0.7, cosine=0.6, score=score)


RETURNS = evidence("Opened items can be returned within 30 days for store credit of up to $1,200.")
HOURS = evidence("The Boston office opens at 9 a.m. on weekdays.", passage_id=2)
SOFTWARE = evidence("Opened software cannot be returned.", passage_id=3)
LINK = evidence("Send the form at https://acme.example/returns to help@acme.example.", passage_id=4)
ALL = (RETURNS, HOURS, SOFTWARE, LINK)


@pytest.mark.parametrize(
    ("text", "bare", "markers"),
    [
        ("It is so [1].", "It is so.", (1,)),
        ("It is so.[1][2]", "It is so.", (1, 2)),
        ("It is so [2, 3].", "It is so.", (2, 3)),
        ("It is so [1-3].", "It is so.", (1, 2, 3)),
        ("It is so【1】.", "It is so.", (1,)),
        ("It is so［2］.", "It is so.", (2,)),
        ("It is so【3†source】.", "It is so.", (3,)),
        ("It is so [^1].", "It is so.", (1,)),
        ("It is so [source 2].", "It is so.", (2,)),
        ("In [2024] it was so.", "In [2024] it was so.", ()),
        ("See [1](https://evil.example).", "See [1](https://evil.example).", ()),
    ],
)
def test_markers_of_all_scripts_are_taken_out(text: str, bare: str, markers: tuple[int, ...]) -> None:
    assert parse_markers(text) == (bare, markers)


REPLY = (
    "Returns take 30 days. [1] The U.S. office, e.g. Boston, opens at 9 a.m. on Mondays [2, 3]. Done【4】! "
    "Well\n- One item [1]\n- Two items.[2][3]\n```sh\na[1] = 2. B\n```\n[5]\nThe end [1]."
)
SENTENCES = [
    CitedSentence("Returns take 30 days.", (1,), ""),
    CitedSentence("The U.S. office, e.g. Boston, opens at 9 a.m. on Mondays.", (2, 3), " "),
    CitedSentence("Done!", (4,), " "),
    CitedSentence("Well", (), " "),
    CitedSentence("- One item", (1,), "\n"),
    CitedSentence("- Two items.", (2, 3), "\n"),
    CitedSentence("```sh\na[1] = 2. B\n```", (5,), "\n"),
    CitedSentence("The end.", (1,), "\n"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 1000])
def test_sentences_are_the_same_however_the_reply_is_cut(size: int) -> None:
    assert _streamed(REPLY, size) == SENTENCES


def test_a_sentence_is_given_before_the_reply_ends() -> None:
    stream = SentenceStream()
    assert stream.feed("It takes 30 days [1]. Then the mon") == [CitedSentence("It takes 30 days.", (1,))]


def test_a_marker_that_is_still_arriving_is_held_back() -> None:
    stream = SentenceStream()
    assert stream.feed("It takes 30 days. [1, 2, 3, 4, ") == []
    assert stream.feed("5] The money comes back.") == [CitedSentence("It takes 30 days.", (1, 2, 3, 4, 5))]


@given(st.text(alphabet="ab .[]1,\n`!e", max_size=300), st.integers(1, 9))
def test_no_word_is_lost_or_made_up_by_streaming(text: str, size: int) -> None:
    kept = "".join(sentence.text for sentence in _streamed(text, size))
    bare = "".join(character for character in parse_markers(text)[0] if character in "abe")
    assert "".join(character for character in kept if character in "abe") == bare


def test_a_reply_without_end_comes_in_bounded_pieces() -> None:
    assert max(len(sentence.text) for sentence in _streamed("e.g. " * 5_000, 3)) <= 2_200


def test_a_supported_sentence_is_kept() -> None:
    verdict = verify("You can return opened items within 30 days.", (1,), ALL)
    assert (verdict.supported, verdict.action, verdict.markers) == (True, "kept", (1,))


def test_a_wrong_marker_is_repaired() -> None:
    verdict = verify("The Boston office opens at 9 a.m. on weekdays.", (1,), ALL)
    assert (verdict.action, verdict.markers) == ("recited", (2,))


def test_a_missing_marker_is_found() -> None:
    verdict = verify("Opened items can be returned within 30 days.", (), ALL)
    assert (verdict.action, verdict.markers) == ("recited", (1,))


def test_a_marker_that_names_no_evidence_is_ignored() -> None:
    assert verify("The Boston office opens at 9 a.m.", (2, 9), ALL).markers == (2,)


def test_a_sentence_that_needs_two_pieces_together_is_dropped() -> None:
    said = "Opened items can be returned within 30 days, and the Boston office opens at 9 a.m. on weekdays."
    assert not verify(said, (1, 2), ALL).supported


@pytest.mark.parametrize(
    "said",
    [
        "Opened items can be returned within 60 days.",
        "Opened items can be returned within 30 weeks.",
        "Opened items can be returned for store credit of up to $1,300.",
        "Opened items can be returned for store credit of up to €1,200.",
        "Opened items can be returned within 30 days in March.",
        "Opened items can be returned within 30 days at Walmart.",
        "Opened items cannot be returned within 30 days.",
        "Opened items can never be returned for store credit.",
        "Only opened items can be returned within 30 days.",
        "Closed items can be returned within 30 days.",
        "The Boston office opens at 10 a.m. on weekdays.",
        "The Boston office opens at 9 p.m. on weekdays.",
        "The Boston office closes at 9 a.m. on weekdays.",
        "The Boston office opens at 9 a.m. on weekends.",
        "Opened software can be returned.",
        "Yes, opened software can be returned.",
        "Send the form at https://evil.example/returns to help@acme.example.",
        "Send the form to evil@acme.example.",
        "[Send the form](https://evil.example) to help@acme.example.",
        "![form](https://evil.example/p.png) Send the form.",
        "Send the form to help@acme.example, <@U123>.",
        "Send the form to help@acme.example @everyone.",
        "All opened items can be returned within 30 days.",
        "I returned opened items within 30 days.",
        "Can opened items be returned within 30 days?",
        "So it is what it is.",
        "",
    ],
)
def test_what_the_evidence_does_not_say_is_dropped(said: str) -> None:
    verdict = verify(said, (1,), ALL)
    assert (verdict.supported, verdict.action, verdict.markers) == (False, "dropped", ())


@pytest.mark.parametrize(
    "said",
    [
        "Opened items can be returned within thirty days.",
        "Opened items can be returned for store credit of up to 1200 dollars.",
        "The Boston office opens at 9:00 AM on weekdays.",
        "The Boston office opens at 09:00 on weekdays.",
        "No, opened software cannot be returned.",
        "Opened software can't be returned.",
        "Send the form at <https://acme.example/returns/>.",
        "Great news: opened items can be returned within 30 days!",
    ],
)
def test_the_same_fact_in_another_form_is_supported(said: str) -> None:
    assert verify(said, (), ALL).supported


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("The fee rises before 5 May 2024.", "The fee rises after 5 May 2024."),
        ("The minimum order is 3 boxes.", "The maximum order is 3 boxes."),
        ("Smoking is forbidden in the hall.", "Smoking is allowed in the hall."),
        ("Prices increased by 12 percent.", "Prices decreased by 12%."),
        ("All orders ship free except furniture.", "All orders ship free."),
        ("Guests may bring a dog.", "Guests must bring a dog."),
        ("The trip starts on March 3 and ends on May 5.", "The trip starts on March 5."),
        ("Version 2.0.1 fixes the error.", "Version 2.0.2 fixes the error."),
        ("It sold 1.5 million copies.", "It sold 1.5 billion copies."),
        ("The key is 12345678901234567890.", "The key is 12345678901234567891."),
        ("Model AX-200 has a lamp.", "Model AX-300 has a lamp."),
    ],
)
def test_a_turned_fact_is_not_supported(source: str, said: str) -> None:
    assert not verify(said, (1,), (evidence(source),)).supported


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("The meeting is on 2024-05-03.", "The meeting is on May 3, 2024."),
        ("It sold 1.5 million copies.", "It sold 1,500,000 copies."),
        ("Prices increased by 12 percent.", "Prices increased by 12%."),
        ("The bag holds 20 litres.", "The bag holds 20 l."),
        ("Orders ship on Mondays and Thursdays.", "Orders ship on Monday and Thursday."),
    ],
)
def test_numbers_and_dates_are_compared_by_their_meaning(source: str, said: str) -> None:
    assert verify(said, (1,), (evidence(source),)).supported


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_text_breaks_verification(said: str, source: str) -> None:
    assert verify(said, (1,), (evidence(source),)).action in ("kept", "dropped")


def test_the_title_and_heading_name_what_the_evidence_speaks_of() -> None:
    row = evidence("Price: $129; Weight: 410 g", context="Cascade 2 > Prices")
    assert verify("The Cascade 2 has a weight of 410 g.", (1,), (row,)).supported


def test_a_sentence_that_repeats_the_question_does_not_answer() -> None:
    assert not answers("How many days do I have to return opened items?", "You can return opened items.", ALL)


def test_a_sentence_without_the_kind_of_thing_asked_for_does_not_answer() -> None:
    question = "How long can opened items be returned?"
    assert not answers(question, "Opened items are returned for store credit.", ALL)
    assert answers(question, "Opened items can be returned within 30 days.", ALL)


def test_a_true_sentence_from_far_behind_the_best_evidence_does_not_answer() -> None:
    behind = evidence("The office in Boston has a garden.", passage_id=9, score=1.0)
    said = "The office in Boston has a garden."
    assert not answers("What may I return?", said, (RETURNS, SOFTWARE, behind), (3,))


def test_a_denial_answers_a_yes_or_no_question() -> None:
    assert answers("Can opened software be returned?", "Opened software cannot be returned.", ALL, (3,))


def _streamed(text: str, size: int) -> list[CitedSentence]:
    stream = SentenceStream()
    found = [s for start in range(0, len(text), size) for s in stream.feed(text[start : start + size])]
    return found + stream.finish()


def test_the_verb_may_is_no_month() -> None:
    rule = evidence("Visitors under 8 may only enter with an adult, from 3 May.")

    assert verify("Visitors under 8 can only enter with an adult.", (1,), [rule]).supported
    assert not verify("Visitors can only enter with an adult from 8 May.", (1,), [rule]).supported
