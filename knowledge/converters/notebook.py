"""Jupyter notebooks (.ipynb, https://nbformat.readthedocs.io/en/latest/format_description.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from knowledge.converters.markup import fence, without_data_images
from knowledge.converters.structured import parsed_json
from knowledge.converters.text import decoded
from knowledge.documents import RawDocument, UnreadableError

_MOST_OUTPUT = 2_000
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_ONLY_AN_OBJECT = re.compile(r"<[^<>\n]*>")


def notebook_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write text cells as they are, code cells in fences, and the first 2,000 characters of what they print.

    Images and other outputs are left out. Raises `UnreadableError` when it is not a notebook.
    """
    notebook = parsed_json(raw.name, decoded(raw))
    cells = _cells(notebook)
    if cells is None:
        raise UnreadableError(f"{raw.name} is not a notebook; save it again from Jupyter.")
    metadata = _mapping(notebook.get("metadata"))
    language = _mapping(metadata.get("language_info")).get("name")
    language = language or _mapping(metadata.get("kernelspec")).get("language") or "python"
    parts = (part for cell in cells for part in _cell(_mapping(cell), str(language)))
    return None, "\n\n".join(part for part in parts if part.strip())


def _cells(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    sheets = notebook.get("worksheets")
    if cells is None and isinstance(sheets, list):  # nbformat 3
        cells = [cell for sheet in sheets for cell in _mapping(sheet).get("cells") or []]
    return cells if isinstance(cells, list) else None


def _cell(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    source = _joined(cell.get("source", cell.get("input")))
    if cell.get("cell_type") != "code":
        yield without_data_images(source)
        return
    if source.strip():
        yield fence(source, language)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        text = _TERMINAL_CODES.sub("", _printed(_mapping(output))).strip()
        if text and not _ONLY_AN_OBJECT.fullmatch(text):
            short = text if len(text) <= _MOST_OUTPUT else f"{text[:_MOST_OUTPUT]}\n…"
            yield f"Output:\n\n{fence(short)}"


def _printed(output: Mapping[str, Any]) -> str:
    if output.get("output_type") in ("error", "pyerr"):
        return f"{output.get('ename')}: {output.get('evalue')}"
    return _joined(output.get("text") or _mapping(output.get("data")).get("text/plain"))


def _joined(text: Any) -> str:
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
