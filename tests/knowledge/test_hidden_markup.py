"""What the markup of a document hides from a reader does not become text."""

from __future__ import annotations

from io import BytesIO

import pytest
from docx import Document

from knowledge.conversion import to_markdown
from knowledge.documents import RawDocument
from knowledge.hidden_markup import hides


def converted(name: str, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return to_markdown(RawDocument(name, name, data)).markdown


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY: None !important",
        "visibility: hidden",
        "font-size:0",
        "font-size: 0px",
        "opacity: 0.01",
        "color: transparent",
        "position:absolute;left:-9999px",
        "text-indent: -9999px",
        "clip: rect(0, 0, 0, 0)",
        "width:0;overflow:hidden",
    ],
)
def test_a_style_that_leaves_nothing_to_be_seen_hides(style: str) -> None:
    assert hides(style)


@pytest.mark.parametrize(
    "style",
    [
        "",
        "font-size:0.9em",
        "opacity:0.8",
        "color:red",
        "position:absolute;left:-4px",
        "width:0",
        "display:block",
    ],
)
def test_any_other_style_hides_nothing(style: str) -> None:
    assert not hides(style)


@pytest.mark.parametrize("name", ["page.html", "page.md"])
def test_a_hidden_element_is_no_text_and_what_is_around_it_is(name: str) -> None:
    text = converted(name, '<p>Before <span style="opacity:0">secret <span>inside</span></span> after</p>')

    assert "secret" not in text
    assert "inside" not in text
    assert "Before" in text
    assert "after" in text


def test_white_text_is_no_text_on_a_page_that_has_no_other_colours() -> None:
    assert "secret" not in converted("page.html", '<p>Seen. <span style="color:#fff">secret</span></p>')


@pytest.mark.parametrize(
    "page",
    [
        '<div style="background: navy"><p>Seen. <span style="color:#fff">white</span></p></div>',
        '<style>p {background: navy}</style><p>Seen. <span style="color:#fff">white</span></p>',
    ],
)
def test_white_text_is_text_where_something_may_lie_behind_it(page: str) -> None:
    assert "white" in converted("page.html", page)


def test_markup_in_code_is_shown_as_it_stands() -> None:
    assert "secret" in converted("page.md", "Write `<b hidden>secret</b>` so.")


def test_an_element_that_is_not_closed_hides_the_rest() -> None:
    assert converted("page.md", "Before.\n\n<div hidden>\n\nsecret") == "Before."


def test_what_is_hidden_in_a_word_file_is_no_text() -> None:
    made = Document()
    paragraph = made.add_paragraph("Seen. ")
    paragraph.add_run("secret").font.hidden = True
    paragraph.add_run("shown").font.hidden = False
    written = BytesIO()
    made.save(written)

    text = converted("letter.docx", written.getvalue())

    assert "secret" not in text
    assert "Seen. shown" in text
