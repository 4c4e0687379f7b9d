"""PowerPoint presentations (.pptx)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from knowledge.converters.archives import OfficeKind, core_title, office_archive
from knowledge.converters.markup import heading, table
from knowledge.documents import RawDocument

_KIND = OfficeKind("PowerPoint presentation", "ppt/presentation.xml", "PowerPoint", ".ppt", ".pptx")
_DEEPEST_GROUP = 20


def pptx_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write a section for each slide: paragraphs as a list, tables, and what the speaker noted.

    Raises `UnreadableError` as `office_archive` does, and whatever python-pptx raises on a broken file.
    """
    with office_archive(raw, _KIND) as archive:
        title = core_title(archive)

    from pptx import Presentation

    slides = Presentation(BytesIO(raw.content)).slides
    parts = [part for number, slide in enumerate(slides, 1) for part in _slide(number, slide)]
    # Decks made from python-pptx's or PowerPoint's templates carry this as their title.
    return (None if title == "PowerPoint Presentation" else title), "\n\n".join(parts)


def _slide(number: int, slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    text = title.text_frame.text.strip() if title is not None and title.has_text_frame else ""
    parts = [
        part
        for shape in slide.shapes
        if title is None or shape.shape_id != title.shape_id
        for part in _shape(shape, 0)
    ]
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        parts += [f"Speaker notes: {notes}"] if notes else []
    if text or parts:
        yield heading(2, f"Slide {number}: {text}" if text else f"Slide {number}")
        yield from parts


def _shape(shape: Any, depth: int) -> Iterator[str]:
    if hasattr(shape, "shapes") and depth < _DEEPEST_GROUP:
        for inner in shape.shapes:
            yield from _shape(inner, depth + 1)
    elif getattr(shape, "has_table", False):
        yield table([[cell.text for cell in row.cells] for row in shape.table.rows])
    elif getattr(shape, "has_text_frame", False):
        paragraphs = [
            (paragraph.level, " ".join(paragraph.text.split())) for paragraph in shape.text_frame.paragraphs
        ]
        lines = [(level, text) for level, text in paragraphs if text]
        if len(lines) == 1:
            yield lines[0][1]
        elif lines:
            yield "\n".join(f"{'  ' * level}- {text}" for level, text in lines)
