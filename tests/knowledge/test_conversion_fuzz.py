"""Files as failing disks, broken uploads and bad intentions leave them."""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator

import pytest
from docx import Document
from openpyxl import Workbook
from pptx import Presentation
from reportlab.pdfgen.canvas import Canvas

from knowledge.conversion import READABLE_SUFFIXES
from knowledge.documents import RawDocument, UnreadableError
from knowledge.isolation import IsolatedConverter, Limits

FILES_A_FORMAT = 40
Mutation = Callable[[random.Random, bytes], bytes]


def saved(file: object) -> bytes:
    content = io.BytesIO()
    file.save(content)  # type: ignore[attr-defined]
    return content.getvalue()


def docx() -> bytes:
    document = Document()
    document.add_heading("Hours", 1)
    document.add_paragraph("We close at six.")
    document.add_table(2, 2).cell(0, 0).text = "Plan"
    return saved(document)


def pptx() -> bytes:
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Hours"
    slide.placeholders[1].text_frame.text = "We close at six."
    return saved(presentation)


def xlsx() -> bytes:
    book = Workbook()
    for row in (["Plan", "Price"], ["Team", 49]):
        book.active.append(row)
    return saved(book)


def pdf() -> bytes:
    content = io.BytesIO()
    canvas = Canvas(content)
    for number in range(3):
        canvas.drawString(72, 500, f"We close at six on day {number}.")
        canvas.grid([72, 172, 272], [300, 320, 340])
        canvas.showPage()
    canvas.save()
    return content.getvalue()


SAMPLES: dict[str, bytes] = {
    "a.docx": docx(),
    "a.pptx": pptx(),
    "a.xlsx": xlsx(),
    "a.pdf": pdf(),
    "a.md": b"---\ntitle: Hours\n---\n# Hours\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n<!-- c",
    "a.html": b"<html><head><title>Hours</title></head><body><h1>Hours</h1><table><tr><td>a</table></body>",
    "a.rst": b"Hours\n=====\n\n.. note:: At *six*.\n\n= =\na b\n= =\n1 2\n= =\n\n.. tab:: x\n\n   :r:`q`",
    "a.csv": b'Plan;Price\n"Team; small";49\nLarge;99\n',
    "a.tsv": b"Plan\tPrice\nTeam\t49\n",
    "a.json": json.dumps({"title": "Hours", "rows": [{"a": 1, "b": [2]}], "c": {"d": None}}).encode(),
    "a.jsonl": b'{"a": 1}\n{"a": [2, {"b": 3}]}\n',
    "a.ipynb": json.dumps(
        {
            "metadata": {"language_info": {"name": "python"}},
            "cells": [
                {"cell_type": "markdown", "source": ["# Hours\n", "At six."]},
                {"cell_type": "code", "source": "f()", "outputs": [{"output_type": "stream", "text": ["1"]}]},
            ],
        }
    ).encode(),
    "a.eml": (
        b"From: Ann <ann@shop.example>\nTo: bob@shop.example\nSubject: =?utf-8?q?H=C3=A4?=\n"
        b"Date: Mon, 2 Mar 2026 09:30:00 +0000\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain; charset=utf-8\n'
        b"Content-Transfer-Encoding: base64\n\nV2UgY2xvc2UgYXQgc2l4Lg==\n--b\nContent-Type: text/html\n"
        b'Content-Disposition: attachment; filename="a.html"\n\n<p>x\n--b--\n'
    ),
    "a.py": b'import os\n\n# Doc.\n@cache\ndef f(a):\n    """Doc."""\n    return a\n\n\nclass K:\n    x = 1',
    "a.ts": b"/** Doc. */\nexport function f(a: number) { return a }\nclass K { m() {} }\n",
    "a.cpp": b"namespace n { template<class T> T f(T a) { return a; } }\nstruct s { int a; };\n",
    "a.yaml": b"a: 1\nb:\n  - c\n  - {d: e}\n",
    "a.sql": b"-- Doc.\nCREATE TABLE t (a int);\n",
}


def truncated(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(1, len(content))]


def with_changed_bytes(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 4, 32))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def with_zeros(chance: random.Random, content: bytes) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes(chance.choice((1, 16, 512))) + content[place:]


def with_a_part_twice(chance: random.Random, content: bytes) -> bytes:
    first, last = sorted((chance.randrange(len(content)), chance.randrange(len(content))))
    return content[:last] + content[first:last] * chance.choice((1, 20)) + content[last:]


def with_a_changed_part(chance: random.Random, content: bytes) -> bytes:
    """Change what is inside an archive, behind its checksums."""
    if not content.startswith(b"PK"):
        return with_changed_bytes(chance, content)
    archive, changed = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    unlucky = chance.choice([name for name in archive.namelist() if archive.read(name)])
    with zipfile.ZipFile(changed, "w") as copy:
        for name in archive.namelist():
            part = archive.read(name)
            copy.writestr(name, chance.choice(MUTATIONS)(chance, part) if name == unlucky else part)
    return changed.getvalue()


MUTATIONS: tuple[Mutation, ...] = (truncated, with_changed_bytes, with_zeros, with_a_part_twice)


@pytest.fixture(scope="module")
def converter() -> Iterator[IsolatedConverter]:
    isolated = IsolatedConverter(Limits(seconds=60.0))
    yield isolated
    isolated.close()


def test_every_family_of_formats_is_among_the_samples() -> None:
    families = {f".{name.rpartition('.')[2]}" for name in SAMPLES}
    same = {".markdown", ".txt", ".htm", ".mbox"}
    code = {".js", ".tsx", ".java", ".go", ".rs", ".c", ".h", ".hpp", ".cs", ".rb", ".php", ".sh", ".kt"}
    code |= {".swift", ".scala", ".yml", ".toml", ".ini"}
    assert families | same | code == READABLE_SUFFIXES


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_converts_as_it_is(name: str, converter: IsolatedConverter) -> None:
    assert converter(RawDocument(name, name, SAMPLES[name])).markdown


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_a_mutated_file_is_converted_or_refused_and_takes_no_process_with_it(
    name: str, converter: IsolatedConverter
) -> None:
    chance = random.Random(name)
    for _ in range(FILES_A_FORMAT):
        content = chance.choice((*MUTATIONS, with_a_changed_part))(chance, SAMPLES[name])
        try:
            document = converter(RawDocument(name, name, content))
        except UnreadableError as error:
            assert str(error).startswith(name)
            assert "took more than" not in str(error)
            assert "crashed" not in str(error)
        else:
            assert document.title
            document.markdown.encode()
