"""PDF files."""

from __future__ import annotations

import re

from knowledge.documents import RawDocument, UnreadableError

_NO_TITLE = re.compile(
    r"\(anonymous\)|untitled.*|document\d*|microsoft word.*|.*\.(?:docx?|pdf|tex|dvi)", re.IGNORECASE
)


def pdf_file_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Convert by `knowledge.pdf`. Raises `UnreadableError` for a damaged or protected file and for a scan."""
    from pdfminer.pdfdocument import PDFPasswordIncorrect
    from pdfplumber.utils.exceptions import PdfminerException

    from knowledge.pdf import pdf_to_markdown

    if b"%PDF-" not in raw.content[:1024]:
        raise UnreadableError(f"{raw.name} is not a PDF file, or its beginning is missing.")
    try:
        title, markdown = pdf_to_markdown(raw.content)
    except PdfminerException as error:
        if error.args and isinstance(error.args[0], PDFPasswordIncorrect):
            raise UnreadableError(
                f"{raw.name} is protected by a password; save a copy without one."
            ) from error
        raise UnreadableError(f"{raw.name} is a damaged or half-written PDF; save it again.") from error
    if not re.search(r"\w", markdown):
        raise UnreadableError(f"{raw.name} has no text layer (a scan?); run OCR on it first.")
    return (None if title is None or _NO_TITLE.fullmatch(title.strip()) else title), markdown
