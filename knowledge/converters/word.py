"""Word documents (.docx)."""

from __future__ import annotations

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from knowledge.converters.archives import OfficeKind, core_title, office_archive
from knowledge.converters.markup import without_data_images
from knowledge.documents import RawDocument

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_KIND = OfficeKind("Word document", "word/document.xml", "Word", ".doc", ".docx")


def docx_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Convert headings, lists and tables by markitdown. Raises `UnreadableError` as `office_archive` does."""
    with office_archive(raw, _KIND) as archive:
        title = core_title(archive)
        content = _without_hidden_text(raw.content, archive)

    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    converted = DocxConverter().convert(
        BytesIO(content),
        StreamInfo(extension=".docx"),
        style_map="p[style-name='Title'] => h1:fresh",
        table_infer_header=True,
    )
    return title, without_data_images(converted.markdown)


def _without_hidden_text(content: bytes, archive: ZipFile) -> bytes:
    """The file without what its author hid: runs with `w:vanish` (ECMA-376, 17.3.2.41), which nobody sees."""
    hiding = {
        name: archive.read(name)
        for name in archive.namelist()
        if name.startswith("word/") and name.endswith(".xml") and b"vanish" in archive.read(name)
    }
    if not hiding:
        return content
    written = BytesIO()
    with ZipFile(written, "w", ZIP_DEFLATED) as copy:
        for name in archive.namelist():
            copy.writestr(name, _shown(hiding[name]) if name in hiding else archive.read(name))
    return written.getvalue()


def _shown(part: bytes) -> bytes:
    from lxml import etree

    tree = etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True))
    for mark in tree.findall(f".//{_W}r/{_W}rPr/{_W}vanish"):
        run = mark.getparent().getparent()
        if mark.get(f"{_W}val", "true") not in ("0", "false", "off") and run.getparent() is not None:
            run.getparent().remove(run)
    shown: bytes = etree.tostring(tree, xml_declaration=True, encoding="UTF-8", standalone=True)
    return shown
