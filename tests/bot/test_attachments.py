"""Files that come with a question are read for its answer, within bounds, and what is not read is said."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from docx import Document
from reportlab.pdfgen.canvas import Canvas

from bot.attachments import MOST_BYTES, MOST_CHARACTERS, MOST_FILES, MOST_FOUND, AttachmentReader
from bot.models import locate_model
from bot.settings import ModelSettings
from connectors.conversation import Attachment
from knowledge.chunking import Chunker
from knowledge.documents import MarkdownDocument, RawDocument
from knowledge.embedding import Embedding, load_embedder
from knowledge.isolation import IsolatedConverter, Limits

QUESTION = "What does the hotel in Oban cost a night?"
TEXT = "The hotel in Oban costs 92 pounds a night, breakfast included."


@pytest.fixture(scope="module")
def embedder(models: Path) -> Embedding:
    return load_embedder(locate_model("models.embedding", ModelSettings().embedding).path, models, 2)


@pytest.fixture(scope="module")
def converter() -> Iterator[IsolatedConverter]:
    made = IsolatedConverter(Limits(seconds=60.0, most_seconds=60.0))
    yield made
    made.close()


@pytest.fixture
def reader(embedder: Embedding, converter: IsolatedConverter) -> AttachmentReader:
    return AttachmentReader(converter, Chunker(embedder.tokenizer_file), embedder.embed)


def pdf(text: str) -> bytes:
    written = io.BytesIO()
    canvas = Canvas(written)
    canvas.drawString(72, 700, text)
    canvas.save()
    return written.getvalue()


def docx(text: str) -> bytes:
    written, document = io.BytesIO(), Document()
    document.add_heading("Trip", 1)
    document.add_paragraph(text)
    document.save(written)
    return written.getvalue()


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment("trip.md", f"# Trip\n\n{TEXT}".encode()),
        Attachment("trip.txt", TEXT.encode()),
        Attachment("trip.pdf", pdf(TEXT)),
        Attachment("trip.docx", docx(TEXT)),
    ],
    ids=lambda attachment: attachment.name,
)
def test_a_file_becomes_passages_that_are_cited_by_its_name(
    reader: AttachmentReader, attachment: Attachment
) -> None:
    attached = reader.read(QUESTION, [attachment])

    assert attached.problems == ()
    (passage,) = attached.passages
    assert "92 pounds a night" in passage.text
    assert (passage.source, passage.uri, passage.title, passage.url) == (
        "", attachment.name, attachment.name, None,
    )  # fmt: skip
    assert passage.dense_score > 0.4


def test_the_passages_that_bear_on_the_question_come_first(reader: AttachmentReader) -> None:
    sections = [f"## Day {n}\n\nOn day {n} we walk {n} miles along the coast path.\n" for n in range(1, 40)]
    sections.insert(20, f"## Night\n\n{TEXT}\n")

    attached = reader.read(QUESTION, [Attachment("trip.md", "\n".join(sections).encode())])

    assert "92 pounds" in attached.passages[0].text
    assert len(attached.passages) <= MOST_FOUND
    assert [p.score for p in attached.passages] == sorted((p.score for p in attached.passages), reverse=True)
    assert len({p.passage_id for p in attached.passages}) == len(attached.passages)
    assert all(p.passage_id < 0 for p in attached.passages)


@pytest.mark.parametrize(
    ("attachment", "problem"),
    [
        (Attachment("empty.txt", b""), "I could not read empty.txt: it is empty"),
        (Attachment("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100)), "I could not read photo.jpg:"),
        (Attachment("broken.pdf", b"%PDF-1.7 no more"), "I could not read broken.pdf:"),
        (Attachment("huge.txt", b"a " * MOST_BYTES), "I could not read huge.txt: it is larger than 10 MB."),
        (Attachment("../../etc/x\n.zip", b"PK"), "I could not read x .zip:"),
    ],
    ids=lambda value: value.name if isinstance(value, Attachment) else "",
)
def test_what_cannot_be_read_is_said_in_one_line(
    reader: AttachmentReader, attachment: Attachment, problem: str
) -> None:
    attached = reader.read(QUESTION, [attachment, Attachment("trip.txt", TEXT.encode())])

    (line,) = attached.problems
    assert line.startswith(problem)
    assert "\n" not in line
    assert "92 pounds" in attached.passages[0].text


def test_of_a_long_file_the_beginning_is_read_and_that_is_said(reader: AttachmentReader) -> None:
    text = f"{TEXT}\n\n" + "We walk along the coast path and rest at noon.\n\n" * (MOST_CHARACTERS // 40)

    attached = reader.read(QUESTION, [Attachment("trip.txt", text.encode())])

    assert attached.problems == (f"I read the first {MOST_CHARACTERS:,} characters of trip.txt.",)
    assert "92 pounds" in attached.passages[0].text


def test_of_many_files_the_first_are_read_and_that_is_said(reader: AttachmentReader) -> None:
    files = [Attachment(f"{n}.txt", f"Note {n}.".encode()) for n in range(MOST_FILES + 2)]

    attached = reader.read(QUESTION, files)

    assert attached.problems == (f"I read {MOST_FILES} files and left out 2.",)
    assert {passage.uri for passage in attached.passages} <= {f"{n}.txt" for n in range(MOST_FILES)}


def test_files_for_which_no_time_is_left_are_said(embedder: Embedding, converter: IsolatedConverter) -> None:
    reader = AttachmentReader(converter, Chunker(embedder.tokenizer_file), embedder.embed, most_seconds=-1.0)

    attached = reader.read(QUESTION, [Attachment("trip.txt", TEXT.encode())])

    assert attached.problems == ("I could not read trip.txt: there was no time left for it.",)
    assert attached.passages == ()


def test_a_file_that_a_library_fails_at_does_no_harm(embedder: Embedding) -> None:
    def fail(raw: RawDocument) -> MarkdownDocument:
        raise ZeroDivisionError("secret")

    reader = AttachmentReader(fail, Chunker(embedder.tokenizer_file), embedder.embed)

    attached = reader.read(QUESTION, [Attachment("trip.txt", TEXT.encode())])

    assert attached.problems == ("I could not read trip.txt: it may be damaged (ZeroDivisionError).",)


def test_a_question_without_files_reads_nothing(reader: AttachmentReader) -> None:
    assert reader.read(QUESTION, []).passages == ()
