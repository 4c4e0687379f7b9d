from datetime import UTC, datetime

from bot.draft import Draft
from knowledge.documents import FoundPassage


def passage(number: int) -> FoundPassage:
    return FoundPassage(
        passage_id=number,
        source="handbook",
        uri=f"page-{number}.md",
        url=None,
        title=f"Page {number}",
        heading="Section",
        text="A passage.",
        version="v1",
        indexed_at=datetime(2026, 1, 1, tzinfo=UTC),
        modified_at=None,
        dense_rank=1,
        lexical_rank=None,
        dense_score=0.5,
        lexical_score=0.0,
        score=0.5,
    )


def test_markers_are_numbered_in_the_order_in_which_passages_are_first_cited() -> None:
    draft = Draft()

    draft.say("First fact.", (passage(7),), 1.0, "kept")
    draft.say("Second fact.", (passage(3),), 1.0, "kept")
    draft.say("Third fact.", (passage(7),), 1.0, "kept")

    assert draft.text == "First fact [1]. Second fact [2]. Third fact [1]."
    assert [(c.marker, c.uri) for c in draft.citations] == [(1, "page-7.md"), (2, "page-3.md")]


def test_the_text_is_its_deltas_joined() -> None:
    draft = Draft()

    deltas = [
        draft.say("A fact.", (passage(1),), 1.0, "kept"),
        draft.say("- one\n- two", (passage(2),), 1.0, "quoted"),
        draft.say("Another.", (passage(1),), 1.0, "kept"),
    ]

    assert draft.text == "".join(deltas)


def test_a_dropped_sentence_is_remembered_and_not_said() -> None:
    draft = Draft()

    draft.drop("The moon is made of cheese.", 0.1)

    assert draft.text == ""
    assert draft.sentences[0].action == "dropped"


def test_the_marker_of_a_code_block_stands_outside_it() -> None:
    draft = Draft()

    draft.say("```\nmake run\n```", (passage(1),), 1.0, "quoted")

    assert draft.text.endswith("```\n[1]")
