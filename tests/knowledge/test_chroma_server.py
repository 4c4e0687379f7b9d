"""Vectors on a Chroma server: whole, current and each audience's own, or the exact search answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from aiohttp import web
from chroma_process import ChromaProcess
from index_standins import Index, MemorySource, ParagraphChunker, WordEmbedder, many
from loopback import running

from knowledge import chroma_copies
from knowledge.catalog import Catalog
from knowledge.chroma_http import ChromaServer, ChromaServerError
from knowledge.chroma_server import ServerVectors
from knowledge.documents import Reader
from knowledge.search import Search
from knowledge.vectors import ExactVectors, open_vectors

pytestmark = pytest.mark.slow

PATIENT = 30.0


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(chroma_process: ChromaProcess) -> Iterator[ChromaServer]:
    server = ChromaServer(chroma_process.url, "", "CHROMA_TOKEN", PATIENT)
    yield server
    server.close()


@pytest.fixture
def own_server(own_chroma_process: ChromaProcess) -> Iterator[ChromaServer]:
    server = ChromaServer(own_chroma_process.url, "", "CHROMA_TOKEN", 2.0)
    yield server
    server.close()


def index_on(server: ChromaServer, home: Path, **parts: object) -> Index:
    return Index(home, open_index=partial(open_vectors, chroma_from=0, server=server), **parts)


@pytest.fixture
def index(tmp_path: Path, server: ChromaServer) -> Iterator[Index]:
    index = index_on(server, tmp_path / "home")
    yield index
    index.editions.live().discard()
    index.editions.close()


@pytest.fixture
def source() -> MemorySource:
    return many(60)


class Asked:
    """A process that only answers: it has the catalog and the server's address, and says what it did."""

    def __init__(self, catalog: Catalog, edition: str, server: ChromaServer) -> None:
        self.said: list[str] = []
        self.clock = Clock()
        self.catalog = catalog
        self.vectors = ServerVectors(server, edition, catalog, "words-1", self.said.append, self.clock)
        self._exact = ExactVectors(catalog, "words-1")
        self._embedder = WordEmbedder()

    def finds(self, question: str, audiences: tuple[int, ...] = (1,), limit: int = 8) -> list[int]:
        """What is found, which is what the exact search finds."""
        vector = self._embedder.embed([question])[0]
        found = [i for i, _ in self.vectors.query(vector, limit, audiences)]
        assert found == [i for i, _ in self._exact.query(vector, limit, audiences)]
        return found

    def is_answered_there(self, question: str = "Its code is c7.") -> bool:
        """Whether the server answers, not the exact search."""
        before = self.vectors.searches.on_server
        self.finds(question)
        return self.vectors.searches.on_server > before


def asked(index: Index, server: ChromaServer) -> Asked:
    live = index.editions.live()
    return Asked(live.catalog, live.name, server)


def names_on(server: ChromaServer, edition: str) -> list[str]:
    return [c.name for c in server.collections() if c.name.startswith(f"lorebot-{edition}-")]


def copy_of(server: ChromaServer, edition: str) -> chroma_copies.Copy:
    (copy,) = chroma_copies.Copies(server, edition).found()
    return copy


# What is found


def test_search_on_the_server_finds_what_exact_search_finds(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    reader = Reader((frozenset({"everyone"}),))
    exact = ExactVectors(index.catalog, "words-1")

    on_server = Search(index.catalog, index.vectors, index.embedder)
    plainly = Search(index.catalog, exact, index.embedder)

    for question in ("What is c12?", "document number 30", "code", "nothing of the kind"):
        found = [p.passage_id for p in on_server.find(question, reader)]
        assert found == [p.passage_id for p in plainly.find(question, reader)]
    assert index.vectors.searches.exact == 0


def test_changes_and_deletions_of_a_sync_reach_the_server(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    process = asked(index, server)
    assert process.is_answered_there()
    source.put("0003.md", "Entirely other words.")
    source.put("new.md", "Brand new lines.")
    del source.documents["0004.md"]

    index.sync(source)

    assert process.is_answered_there()
    texts = index.catalog.unfiltered_passages(process.finds("Entirely other words brand new lines"))
    assert {"Entirely other words.", "Brand new lines."} <= {p.text for p in texts.values()}
    (part,) = copy_of(server, index.editions.live().name).parts
    assert server.records(part.collection).count() == index.catalog.passage_count() == 118


def test_an_audience_has_collections_of_its_own(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    hidden = MemorySource(name="drive", audience=frozenset({"group:staff"}))
    hidden.put("pay.md", "The payroll is secret.")
    index.sync(source)
    index.sync(hidden)
    process = asked(index, server)

    parts = {part.audience: part for part in copy_of(server, index.editions.live().name).parts}
    held = {audience: server.records(part.collection).ids().tolist() for audience, part in parts.items()}
    everyone, staff = sorted(held)

    assert held[staff] == process.finds("The payroll is secret.", (staff,))
    assert not {*held[everyone]} & {*held[staff]}
    assert held[staff][0] in process.finds("The payroll is secret.", (everyone, staff))
    assert process.vectors.searches.exact == 0


def test_a_source_that_is_closed_moves_out_of_the_others_collection(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    index.sync(MemorySource(name="handbook", audience=frozenset({"group:staff"}), documents=source.documents))

    (part,) = copy_of(server, index.editions.live().name).parts

    assert (part.audience,) == index.catalog.readable_audiences(Reader((frozenset({"group:staff"}),)))
    assert len(names_on(server, index.editions.live().name)) == 2
    assert asked(index, server).finds("Its code is c7.", (1,)) == []


# What is never answered from


@pytest.mark.parametrize("state", [{"whole": False}, {"stamp": "1:another"}, {"model": "words-0"}])
def test_a_copy_that_is_not_of_this_state_is_not_asked(
    index: Index, source: MemorySource, server: ChromaServer, state: dict[str, object]
) -> None:
    index.sync(source)
    copy = copy_of(server, index.editions.live().name)
    fields = json.loads(next(c for c in server.collections() if c.name == copy.name).metadata["lorebot"])

    server.note(copy.identity, {"lorebot": json.dumps(fields | state)})

    assert not asked(index, server).is_answered_there()


def test_while_the_catalog_is_ahead_the_exact_search_answers(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    process = asked(index, server)
    assert process.is_answered_there()

    index.catalog.publish("handbook", source.audience, (), ["0003.md"])

    assert not process.is_answered_there()
    assert process.vectors.problem().endswith("does not hold the newest state of the index yet.")
    assert process.said == []
    index.vectors.catch_up()
    process.clock.now += 5
    assert process.is_answered_there()


def test_lost_vectors_are_noticed_and_put_there_again(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    part = copy_of(server, index.editions.live().name).parts[0]

    server.records(part.collection).delete(ids=["5", "6"])

    assert not asked(index, server).is_answered_there()
    assert index.sync(source).passages_embedded == 0
    assert asked(index, server).is_answered_there()
    assert "has lost or mixed up vectors" in index.said[-1]


def test_mixed_up_vectors_are_noticed_and_put_right(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    part = copy_of(server, index.editions.live().name).parts[0]
    ids, vectors = index.catalog.vectors_of("words-1", np.arange(1, 121))

    server.records(part.collection).upsert(
        ids=[str(i) for i in ids], embeddings=vectors[::-1], metadatas=[{"audience": 1}] * len(ids)
    )
    index.sync(source)

    assert asked(index, server).is_answered_there()
    assert names_on(server, index.editions.live().name) == [
        c.name
        for c in server.collections()
        if c.name.startswith(copy_of(server, index.editions.live().name).name)
    ]


# A server that fails


def answered_there(folder: Path, source: MemorySource, server: ChromaServer) -> tuple[Index, Asked]:
    """An index whose vectors are on a server, and a process that asks there."""
    index = index_on(server, folder / "home")
    index.sync(source)
    process = asked(index, server)
    assert process.is_answered_there()
    return index, process


def test_a_killed_server_is_stood_in_for_and_taken_up_again(
    tmp_path: Path, source: MemorySource, own_server: ChromaServer, own_chroma_process: ChromaProcess
) -> None:
    _, process = answered_there(tmp_path, source, own_server)

    own_chroma_process.kill()

    assert not process.is_answered_there()
    assert not process.is_answered_there()
    assert len(process.said) == 1
    assert process.said[0].startswith(f"The Chroma server at {own_chroma_process.url} cannot be reached")
    assert process.said[0].endswith("Vectors are searched exactly meanwhile.")
    assert "cannot be reached" in process.vectors.problem()
    own_chroma_process.start()
    process.clock.now += 11
    assert process.is_answered_there()
    assert process.said[1:] == [f"The Chroma server at {own_chroma_process.url} is in order again."]


def test_a_server_that_hangs_costs_one_question_the_time_limit(
    tmp_path: Path, source: MemorySource, own_server: ChromaServer, own_chroma_process: ChromaProcess
) -> None:
    index = index_on(own_server, tmp_path / "home")
    index.sync(source)
    process = Asked(index.catalog, index.editions.live().name, own_server.patient(0.3))
    assert process.is_answered_there()

    with own_chroma_process.hanging():
        assert not process.is_answered_there()
        assert process.said == [
            f"The Chroma server at {own_chroma_process.url} did not answer within 0.3 s. "
            "Vectors are searched exactly meanwhile."
        ]
        assert not process.is_answered_there()  # which is not sent there

    process.clock.now += 11
    while not process.is_answered_there():
        process.clock.now += 11


def test_a_server_killed_during_a_question_costs_no_answer(
    tmp_path: Path, source: MemorySource, own_server: ChromaServer, own_chroma_process: ChromaProcess
) -> None:
    index = index_on(own_server, tmp_path / "home")
    index.sync(source)
    process = Asked(index.catalog, index.editions.live().name, own_server.patient(PATIENT))
    assert process.is_answered_there()

    with own_chroma_process.hanging(), ThreadPoolExecutor(1) as thread:
        question = thread.submit(process.is_answered_there)
        while not own_chroma_process.has_unread():
            pass
        own_chroma_process.kill()

    assert question.result() is False
    assert len(process.said) == 1


def test_a_server_killed_during_a_sync_is_filled_by_the_next_without_embedding(
    tmp_path: Path, own_server: ChromaServer, own_chroma_process: ChromaProcess
) -> None:
    source = many(1_500)
    index = index_on(own_server, tmp_path / "home")

    def kill_when_half_full() -> None:
        while not any(c.metadata.get("audience") for c in own_server.collections()):
            pass
        part = next(c for c in own_server.collections() if c.metadata.get("audience"))
        while not own_server.records(part.identity).count():
            pass
        own_chroma_process.kill()

    killer = threading.Thread(target=kill_when_half_full)
    killer.start()
    report = index.sync(source)
    killer.join()

    assert report.passages_embedded == 3_000
    assert [line for line in index.said if line.endswith("Vectors are searched exactly meanwhile.")]
    own_chroma_process.start()
    assert not copy_of(own_server, index.editions.live().name).whole
    assert not asked(index, own_server).is_answered_there()
    assert index.sync(source).passages_embedded == 0
    assert asked(index, own_server).is_answered_there()


def test_a_wiped_server_is_filled_again_without_embedding(
    tmp_path: Path, source: MemorySource, own_server: ChromaServer, own_chroma_process: ChromaProcess
) -> None:
    index, process = answered_there(tmp_path, source, own_server)

    own_chroma_process.empty()

    assert not process.is_answered_there()
    assert not process.is_answered_there()
    url = own_chroma_process.url
    assert process.said == [
        f"The Chroma server at {url} no longer holds the index. Vectors are searched exactly meanwhile."
    ]
    assert index.sync(source).passages_embedded == 0
    process.clock.now += 5
    assert process.is_answered_there()
    assert process.said[1:] == [f"The Chroma server at {url} is in order again."]


# Several processes, homes and editions

ANSWERING = """
import sys
from pathlib import Path
from index_standins import WordEmbedder
from knowledge.catalog import Catalog
from knowledge.chroma_http import ChromaServer
from knowledge.chroma_server import ServerVectors
catalog = Catalog(Path(sys.argv[3]) / sys.argv[2] / "catalog.sqlite")
server = ChromaServer(sys.argv[1], "", "CHROMA_TOKEN", 30.0)
vectors = ServerVectors(server, sys.argv[2], catalog, "words-1", print)
for question in sys.stdin:
    vector = WordEmbedder().embed([question])[0]
    (best, _), *_ = vectors.query(vector, 1, [1])
    print(catalog.unfiltered_passages([best])[best].text, vectors.searches.exact, flush=True)
"""


def test_a_process_that_only_answers_sees_what_another_indexes(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    live = index.editions.live()
    with subprocess.Popen(
        [sys.executable, "-c", ANSWERING, server.url, live.name, index.home / "index"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"},
    ) as process:

        def ask(question: str) -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert ask("its code is c7") == "Its code is c7. 0"
        source.put("0007.md", "Its code is c7000.")
        index.sync(source)
        assert ask("its code is c7000") == "Its code is c7000. 0"


def test_a_home_and_its_backup_put_back_elsewhere_do_not_mix(
    tmp_path: Path, source: MemorySource, server: ChromaServer
) -> None:
    one = index_on(server, tmp_path / "one")
    one.sync(source)
    one.editions.close()
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    other = index_on(server, tmp_path / "other")
    edition = one.editions.live().name

    for index, text in ((one, "Said here."), (other, "Said there."), (one, "Said again.")):
        source.put("said.md", text)
        index.sync(source)

    assert edition == other.editions.live().name
    assert len(chroma_copies.Copies(server, edition).found()) == 2
    for index, text in ((one, "Said again."), (other, "Said there.")):
        process = asked(index, server)
        (best, *_) = process.finds(text)
        assert index.catalog.unfiltered_passages([best])[best].text == text
        assert process.vectors.searches.exact == 0
        index.editions.live().discard()


def test_an_edition_that_takes_over_leaves_nothing_of_the_old_one(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    before = index.editions.live().name
    rebuilt = index_on(server, index.home, chunker=ParagraphChunker("paragraphs-2"))

    rebuilt.sync(source)

    assert rebuilt.editions.live().name != before
    assert names_on(server, before) == []
    assert asked(rebuilt, server).is_answered_there()
    rebuilt.editions.live().discard()


def test_a_copy_that_nobody_looks_after_is_removed_by_another_home(
    index: Index, source: MemorySource, server: ChromaServer, tmp_path: Path
) -> None:
    gone = index_on(server, tmp_path / "gone")
    gone.sync(source)
    edition = gone.editions.live().name
    copy = copy_of(server, edition)
    chroma_copies.Copies(server, edition).note(replace(copy, touched=0.0))

    index.sync(source)

    assert names_on(server, edition) == []


def test_after_much_churn_a_part_is_made_anew(
    index: Index, source: MemorySource, server: ChromaServer
) -> None:
    index.sync(source)
    edition = index.editions.live().name
    (first,) = copy_of(server, edition).parts

    for number in range(30):
        source.put(f"{number:04}.md", f"Changed number {number}.\n\nIts code is d{number}.")
    index.sync(source)

    (part,) = copy_of(server, edition).parts
    assert (part.churned, part.built) == (0, 120)
    assert part.collection != first.collection
    assert len(names_on(server, edition)) == 2


# A server that is none, or refuses


def answering(status: int, body: object = None) -> Callable[[web.Request], object]:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status) if body is not None else web.Response(status=status)

    return answer


@pytest.mark.parametrize(
    ("key", "answer", "line"),
    [
        ("", answering(401), "refuses to answer without a key (401): put the right one into CHROMA_TOKEN."),
        ("k" * 20, answering(403), "refuses the key (403): put the right one into CHROMA_TOKEN."),
        (
            "",
            answering(404, {"detail": "Not Found"}),
            "answers, but not as Chroma does (404): correct the address.",
        ),
        ("", answering(200), "answers, but not as Chroma does (200): correct the address."),
        ("", answering(502), "failed (502)."),
        ("", answering(200, {"a": 1}), "answers in a form that is not known: is it Chroma 1.x?"),
        (
            "",
            answering(500, {"error": "InternalError", "message": "disk\nfull"}),
            "failed (500: InternalError, disk full).",
        ),
    ],
)
def test_what_is_wrong_with_a_server_is_told_in_one_line(
    key: str, answer: Callable[[web.Request], object], line: str
) -> None:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    with running(application) as url:
        server = ChromaServer(url, key, "CHROMA_TOKEN", PATIENT)

        with pytest.raises(ChromaServerError) as told:
            server.collections()

        server.close()
    assert str(told.value) == f"The Chroma server at {url} {line}"
    assert "k" * 20 not in str(told.value)


def test_a_key_is_shown_to_proxies_and_to_chroma() -> None:
    seen = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.json_response([])

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    with running(application) as url:
        server = ChromaServer(url, "secret-key", "CHROMA_TOKEN", PATIENT)
        assert server.collections() == ()
        server.close()

    assert (seen["Authorization"], seen["X-Chroma-Token"]) == ("Bearer secret-key", "secret-key")


def test_a_server_that_was_never_there_is_no_reason_not_to_index(
    tmp_path: Path, source: MemorySource
) -> None:
    server = ChromaServer("http://127.0.0.1:9", "", "CHROMA_TOKEN", PATIENT)
    index = index_on(server, tmp_path / uuid4().hex)

    report = index.sync(source)

    assert report.passages_live == 120
    assert len(index.said) == 1
    assert not asked(index, server).is_answered_there()
