"""Nothing of a document reaches a reader who may not see it, and what a reader may see is found.

People, groups, places, audiences and questions are drawn at random. The oracle is set arithmetic over
what was published. Each document has a word of its own in its title, uri, url and text, so that a trace of
it is found wherever in a result it turns up.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
import pytest
from chroma_process import ChromaProcess
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from index_standins import WordEmbedder

from knowledge.catalog import Catalog
from knowledge.chroma import ChromaVectors
from knowledge.chroma_http import ChromaServer
from knowledge.chroma_server import ServerVectors
from knowledge.documents import EVERYONE, FoundPassage, Passage, Reader
from knowledge.records import DocumentVersion
from knowledge.search import Search
from knowledge.vectors import ExactVectors, VectorIndex

# Names that are easily taken for each other, by a person or by a careless encoding.
LOOKALIKES = ("group:Staff", "group:staff ", 'group:board", "group:staff', "group:straße", "Everyone", "")
GROUPS = ("group:board", "group:staff", *(f"group:team{n}" for n in range(12)), *LOOKALIKES)
USERS = tuple(f"user:U{n}" for n in range(8))
PRINCIPALS = (EVERYONE, *GROUPS, *USERS)
SOURCES = ("wiki", "board", "share", "people")
COMMON = ("payroll", "office", "parking", "holiday", "server")
OWN_WORDS = re.compile(r"k\d{4}q")
# Of one text there are at most so many documents; both searches look at 50, so distinct ones are certain.
MOST_COPIES = 3
LEXICAL_DEPTH = 200
DOCUMENTS = 500
MOST_FOUND = 50 // MOST_COPIES
EXACT_CASES = 10_000
SEEDS = range(5)
CHROMA_CASES = 500
SERVER_CASES = 50


@dataclass(frozen=True)
class Published:
    """A document as a test published it; `word` is its own, nobody else's."""

    source: str
    uri: str
    word: str
    text: str
    audience: frozenset[str]

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset((self.word, *self.text.split()))

    def version(self) -> DocumentVersion:
        digest = sha256(self.text.encode()).hexdigest()
        return DocumentVersion(
            uri=self.uri,
            title=f"Notes {self.word}",
            url=f"https://wiki.example/{self.word}",
            version=self.word,
            content_hash=digest,
            fingerprint="1",
            modified_at=None,
            passages=(Passage(self.word, self.text, 0, len(self.text)),),
            text_hashes=(digest,),
        )


class World:
    """A real catalog and search, and beside them what was published, in plain Python."""

    def __init__(self, catalog: Catalog, vectors: VectorIndex, embedder: WordEmbedder, exact: bool) -> None:
        self.catalog = catalog
        self.vectors = vectors
        self.embedder = embedder
        self.exact = exact
        self.search = Search(catalog, vectors, embedder)
        self.documents: dict[tuple[str, str], Published] = {}

    def publish(self, source: str, audience: frozenset[str], *documents: Published) -> None:
        documents = tuple(replace(d, source=source, audience=audience) for d in documents)
        versions = [document.version() for document in documents]
        texts = [document.text for document in documents]
        hashes = [version.text_hashes[0] for version in versions]
        self.catalog.add_embeddings(self.embedder.identity, hashes, self.embedder.embed(texts))
        self.catalog.publish(source, audience, versions)
        self.documents |= {(source, document.uri): document for document in documents}

    def set_audience(self, source: str, audience: frozenset[str]) -> None:
        self.catalog.set_audience(source, audience)
        for key, document in self.documents.items():
            if document.source == source:
                self.documents[key] = replace(document, audience=audience)

    def remove(self, source: str, uri: str) -> None:
        self.catalog.publish(source, frozenset(), [], removed=[uri])
        del self.documents[source, uri]

    def forget(self, source: str) -> None:
        self.catalog.forget_source(source)
        self.documents = {key: d for key, d in self.documents.items() if d.source != source}

    def readable(self, reader: Reader) -> list[Published]:
        """The oracle: the audience meets every set, and there is one."""
        readable = list(self.documents.values()) if reader.principal_sets else []
        for held in reader.principal_sets:
            readable = [document for document in readable if document.audience & held]
        return readable


def build_exact(folder: Path) -> World:
    embedder, catalog = WordEmbedder(), Catalog(folder / "catalog.sqlite")
    return World(catalog, ExactVectors(catalog, embedder.identity), embedder, exact=True)


def build_chroma(folder: Path) -> World:
    embedder, catalog = WordEmbedder(), Catalog(folder / "catalog.sqlite")
    vectors = ChromaVectors(folder / "vectors", catalog, embedder.identity, pytest.fail)
    return World(catalog, vectors, embedder, exact=False)


def build_on_server(folder: Path, url: str) -> World:
    embedder, catalog = WordEmbedder(), Catalog(folder / "catalog.sqlite")
    server = ChromaServer(url, "", "CHROMA_TOKEN", 60.0)
    vectors = ServerVectors(server, uuid4().hex[:12], catalog, embedder.identity, pytest.fail)
    return World(catalog, vectors, embedder, exact=False)


def close(world: World) -> None:
    world.vectors.close()
    world.catalog.close()


def own_word(number: int) -> str:
    return f"k{number:04d}q"


def written(chance: random.Random, number: int) -> Published:
    """A document with its own word in the text, or with a text that others may have too."""
    word = own_word(number)
    words = chance.choices(COMMON, k=chance.randint(1, 5))
    own = chance.random() < 0.8
    text = " ".join([*words, word] if own else [*words, str(number // MOST_COPIES)])
    uri = "readme.md" if chance.random() < 0.02 else f"{word}.md"
    return Published("", uri, word, text, frozenset())


def some_audiences(chance: random.Random, count: int) -> list[frozenset[str]]:
    """Mostly narrow, so that most readers have a small share of a large index; one is open, one nobody's."""
    narrow = [frozenset(chance.sample(PRINCIPALS[1:], chance.randint(1, 2))) for _ in range(count - 2)]
    return [*narrow, frozenset({EVERYONE}), frozenset()]


def fill(world: World, seed: int) -> None:
    """Publish hundreds of documents, then word anew, open, close and remove some of them."""
    chance = random.Random(seed)
    audiences = some_audiences(chance, 40)
    written_ones = [written(chance, number) for number in range(DOCUMENTS)]
    first, later = written_ones[:-100], written_ones[-100:]
    for start in range(0, len(first), 10):
        some = {document.uri: document for document in first[start : start + 10]}
        world.publish(chance.choice(SOURCES), chance.choice(audiences), *some.values())
    for document, other in zip(chance.sample(list(world.documents.values()), 100), later, strict=True):
        changed = replace(other, uri=document.uri)
        world.publish(document.source, chance.choice(audiences), chance.choice((document, changed)))
    world.set_audience("people", chance.choice(audiences))
    for document in chance.sample(list(world.documents.values()), 40):
        world.remove(document.source, document.uri)


@dataclass(frozen=True)
class Case:
    """Someone asks something somewhere; `people` are all who will read the answer, by their principals."""

    reader: Reader
    people: tuple[frozenset[str], ...]
    question: str
    limit: int


FEW = ("group:board", "group:staff", EVERYONE)
hostile = st.sampled_from(('"', "^ *", "NEAR(", "AND", "OR NOT", "{title heading}:", "'; --", "audience_id"))
sources = st.sampled_from(SOURCES)
uris = st.sampled_from(("a.md", "b.md", "readme.md"))
audiences = st.frozensets(st.sampled_from(FEW))


def reader_of(asker: frozenset[str], there: tuple[frozenset[str], ...]) -> Reader:
    """As the engine makes it: of a place counts what all its people hold."""
    return Reader((asker, frozenset.intersection(*there)) if there else (asker,))


def cases_about(words: int, principals: Sequence[str]) -> st.SearchStrategy[Case]:
    """Cases with questions after the own words of the first so many documents, and after anything else."""
    people = st.frozensets(st.sampled_from(principals), max_size=4)
    own = st.integers(0, words - 1).map(own_word)
    questions = (
        st.lists(own | st.sampled_from(COMMON) | hostile, min_size=1, max_size=5).map(" ".join)
        | own.map("What is {}?".format)
        | st.sampled_from(COMMON)
        | st.text(max_size=30)
    )
    places = st.builds(
        lambda known_to_all, there: tuple(person | known_to_all for person in there),
        people,
        st.lists(people, max_size=3),
    )
    return st.builds(
        lambda asker, there, question, limit: Case(reader_of(asker, there), (asker, *there), question, limit),
        people,
        places,
        questions,
        st.integers(1, MOST_FOUND),
    )


early_cases = cases_about(12, FEW)


def traces(value: object) -> set[str]:
    """The own words of documents that stand anywhere in a value."""
    return set(OWN_WORDS.findall(repr(value)))


def check_nothing_leaks(
    world: World, case: Case, readable: Sequence[Published], found: Sequence[FoundPassage]
) -> None:
    for passage in found:
        audience = world.documents[passage.source, passage.uri].audience
        assert all(audience & person for person in case.people)
    assert traces(found) <= {name for d in readable for name in (d.word, d.uri.removesuffix(".md"))}
    # A rank beyond what the reader may see would tell that there is something else.
    assert all((p.dense_rank or 1) <= len(readable) for p in found)
    assert all((p.lexical_rank or 1) <= len(readable) for p in found)


def check_nothing_is_missing(
    world: World, case: Case, readable: Sequence[Published], found: Sequence[FoundPassage]
) -> None:
    """However much there is that others may read, it takes no place from what this reader may."""
    if not case.question.strip():
        assert found == ()
        return
    distinct = {document.text for document in readable}
    if world.exact:
        assert len(found) == min(case.limit, len(distinct))
    words = set(case.question.rstrip("?").split())
    asked = {*COMMON, *traces(case.question)} & words
    matching = {document.word for document in readable if asked & document.words}
    if len(matching) <= LEXICAL_DEPTH:
        assert traces([p.title for p in found if p.lexical_rank is None]).isdisjoint(matching)
    plain = words <= asked | {"What", "is"}  # nothing that could draw the search by meaning elsewhere
    wanted = {d.word for d in readable if plain and asked == {d.word} and d.text.endswith(d.word)}
    assert wanted <= traces(found[0:1])


def check(world: World, case: Case) -> None:
    found = world.search.find(case.question, case.reader, case.limit)
    readable = world.readable(case.reader)
    check_nothing_leaks(world, case, readable, found)
    check_nothing_is_missing(world, case, readable, found)


@pytest.fixture(scope="module", params=SEEDS)
def exact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = build_exact(tmp_path_factory.mktemp("exact"))
    fill(world, request.param)
    yield world
    close(world)


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = build_chroma(tmp_path_factory.mktemp("chroma"))
    fill(world, 0)
    world.vectors.catch_up()
    # Few enough that the snapshot is brought up to date and not built anew.
    for document in list(world.documents.values())[::10]:
        world.publish(document.source, frozenset(), document)
    world.vectors.catch_up()
    yield world
    close(world)


@pytest.fixture(scope="module")
def on_server(chroma_process: ChromaProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = build_on_server(tmp_path_factory.mktemp("on-server"), chroma_process.url)
    fill(world, 0)
    world.vectors.catch_up()
    for document in list(world.documents.values())[::10]:
        world.publish(document.source, frozenset(), document)
    world.vectors.catch_up()
    yield world
    world.vectors.discard()
    close(world)


@settings(max_examples=EXACT_CASES // len(SEEDS), deadline=None)
@given(case=cases_about(DOCUMENTS, PRINCIPALS))
def test_a_search_shows_what_all_its_readers_may_see_and_misses_none_of_it(exact: World, case: Case) -> None:
    check(exact, case)


@settings(max_examples=CHROMA_CASES, deadline=None)
@given(case=cases_about(DOCUMENTS, PRINCIPALS))
def test_a_search_by_chroma_shows_what_all_its_readers_may_see(chroma: World, case: Case) -> None:
    check(chroma, case)


@pytest.mark.slow
@settings(max_examples=SERVER_CASES, deadline=None)
@given(case=cases_about(DOCUMENTS, PRINCIPALS))
def test_a_search_on_a_server_shows_what_all_its_readers_may_see(on_server: World, case: Case) -> None:
    check(on_server, case)
    assert isinstance(on_server.vectors, ServerVectors)
    assert on_server.vectors.searches.exact == 0


class ClosingMeanwhile:
    """A vector index that has found something when a source is closed to everyone."""

    def __init__(self, world: World, source: str) -> None:
        self._world = world
        self._source = source

    def query(self, vector: np.ndarray, limit: int, audiences: Sequence[int]) -> list[tuple[int, float]]:
        found = self._world.vectors.query(vector, limit, audiences)
        assert found
        self._world.set_audience(self._source, frozenset())
        return found


def test_a_source_that_is_closed_while_a_search_runs_is_not_shown(tmp_path: Path) -> None:
    world = build_exact(tmp_path)
    everyone = frozenset({EVERYONE})
    world.publish("wiki", everyone, *(written(random.Random(n), n) for n in range(5)))
    search = Search(world.catalog, ClosingMeanwhile(world, "wiki"), world.embedder)
    assert search.find("payroll", Reader((everyone,))) == ()
    close(world)


@settings(max_examples=200, deadline=None)
@given(
    case=cases_about(DOCUMENTS, PRINCIPALS),
    sets=st.lists(st.just(frozenset(PRINCIPALS)), max_size=2).map(tuple),
)
def test_a_reader_without_principals_is_shown_nothing(
    exact: World, case: Case, sets: tuple[frozenset[str], ...]
) -> None:
    assert exact.search.find(case.question, Reader(()), case.limit) == ()
    assert exact.search.find(case.question, Reader((*sets, frozenset())), case.limit) == ()


class ChangingLibrary(RuleBasedStateMachine):
    """Documents come, change, go, are opened to some and closed to others; after every step someone asks."""

    build = staticmethod(build_exact)

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = self.build(Path(self.folder.name))
        self.numbers = count()

    def teardown(self) -> None:
        close(self.world)
        self.folder.cleanup()

    @rule(source=sources, uri=uris, audience=audiences, case=early_cases)
    def publish(self, source: str, uri: str, audience: frozenset[str], case: Case) -> None:
        word = own_word(next(self.numbers))
        self.world.publish(source, audience, Published("", uri, word, f"{' '.join(COMMON)} {word}", audience))
        check(self.world, case)

    @precondition(lambda self: self.world.documents)
    @rule(data=st.data(), audience=audiences, case=early_cases)
    def publish_the_same_for_others(self, data: st.DataObject, audience: frozenset[str], case: Case) -> None:
        document = data.draw(st.sampled_from(list(self.world.documents.values())))
        self.world.publish(document.source, audience, document)
        check(self.world, case)

    @rule(source=sources, audience=audiences, case=early_cases)
    def set_audience(self, source: str, audience: frozenset[str], case: Case) -> None:
        self.world.set_audience(source, audience)
        check(self.world, case)

    @precondition(lambda self: self.world.documents)
    @rule(data=st.data(), case=early_cases)
    def remove(self, data: st.DataObject, case: Case) -> None:
        self.world.remove(*data.draw(st.sampled_from(list(self.world.documents))))
        check(self.world, case)

    @rule(source=sources, case=early_cases)
    def forget(self, source: str, case: Case) -> None:
        self.world.forget(source)
        check(self.world, case)

    @rule(case=early_cases)
    def catch_up(self, case: Case) -> None:
        self.world.vectors.catch_up()
        check(self.world, case)


class ChangingLibraryInChroma(ChangingLibrary):
    build = staticmethod(build_chroma)


TestChangingLibrary = ChangingLibrary.TestCase
TestChangingLibrary.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
TestChangingLibraryInChroma = ChangingLibraryInChroma.TestCase
TestChangingLibraryInChroma.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
