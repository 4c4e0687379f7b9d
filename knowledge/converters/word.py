"""Word documents (.docx)."""

from __future__ import annotations

from io import BytesIO

from knowledge.converters.archives import OfficeKind, core_title, office_archive
from knowledge.converters.markup import without_data_images
from knowledge.documents import RawDocument

_KIND = OfficeKind("Word document", "word/document.xml", "Word", ".doc", ".docx")


def docx_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Convert headings, lists and tables by markitdown. Raises `UnreadableError` as `office_archive` does."""
    with office_archive(raw, _KIND) as archive:
        title = core_title(archive)

    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    converted = DocxConverter().convert(
        BytesIO(raw.content),
        StreamInfo(extension=".docx"),
        style_map="p[style-name='Title'] => h1:fresh",
        table_infer_header=True,
    )
    return title, without_data_images(converted.markdown)
