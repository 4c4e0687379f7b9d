import base64
import logging
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mcp_resources import Described, command, requests, serving, write_resources

from knowledge.conversion import to_markdown
from knowledge.documents import EVERYONE, KnowledgeError, Listed, UnreadableError, VanishedError
from knowledge.sources.mcp import McpSource
from knowledge.sources.mcp_connection import Patience
from knowledge.sources.mcp_http import http_connection
from knowledge.sources.mcp_stdio import stdio_connection

PATIENT = Patience(connect=60.0, call=60.0, idle=60.0)
IMPATIENT = Patience(connect=60.0, call=2.0, idle=60.0)
SECRET = "s3cr3t-token"
TIME = "2023-11-14T22:13:20Z"
A, B, C = (Described(f"wiki://pages/{name}", f"# Page {name}\n\nText of {name}.") for name in "abc")

SourceOf = Callable[..., McpSource]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A server over HTTP: the folder that it serves, and its URL."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder) as url:
        yield folder, url


@pytest.fixture
def folder(served: tuple[Path, str]) -> Path:
    """The folder of the server over HTTP, in which nothing has happened yet."""
    (served[0] / "asked.txt").unlink(missing_ok=True)
    return served[0]


@pytest.fixture
def source_of(served: tuple[Path, str], folder: Path) -> Iterator[SourceOf]:
    """Makes sources of a server over HTTP, and closes them."""
    made: list[McpSource] = []

    def build(*described: Described, patience: Patience = PATIENT, **further: object) -> McpSource:
        write_resources(folder, *described)
        most = int(str(further.get("max_bytes", 1_000_000)))
        connection = http_connection(served[1], SECRET, most, allow_private=True, patience=patience)
        made.append(McpSource("wiki", frozenset({EVERYONE}), connection, **further))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for source in made:
        source.close()


@pytest.fixture
def stdio(tmp_path: Path) -> Iterator[SourceOf]:
    """Makes sources of a server over stdio, and closes them."""
    made: list[McpSource] = []

    def build(
        *described: Described,
        program: Sequence[str] | None = None,
        patience: Patience = PATIENT,
        **further: object,
    ) -> McpSource:
        write_resources(tmp_path, *described)
        most = int(str(further.get("max_bytes", 1_000_000)))
        environment = {"WIKI_TOKEN": SECRET}
        connection = stdio_connection(program or command(tmp_path), environment, most, patience)
        made.append(McpSource("wiki", frozenset({EVERYONE}), connection, **further))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for source in made:
        source.close()


def listing(source: McpSource) -> list[Listed]:
    return [listed for listed in source.list() if listed is not None]


def reads(folder: Path) -> list[str]:
    return [line for line in requests(folder) if line.startswith("read")]


def processes(folder: Path) -> list[int]:
    return [int(line.split()[1]) for line in requests(folder) if line.startswith("start")]


def wait_until_ended(process: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"process {process} still runs")


def test_each_resource_of_all_pages_is_a_document(source_of: SourceOf) -> None:
    assert [listed.uri for listed in listing(source_of(A, B, C))] == [A.uri, B.uri, C.uri]


def test_a_server_over_http_is_read_as_one_over_stdio(tmp_path: Path) -> None:
    write_resources(tmp_path, A, B, C)
    with serving(tmp_path, SECRET) as url:
        connection = http_connection(url, SECRET, allow_private=True)
        source = McpSource("wiki", frozenset({EVERYONE}), connection)
        try:
            assert [listed.uri for listed in listing(source)] == [A.uri, B.uri, C.uri]
            assert source.read(B.uri).content == B.text.encode()
        finally:
            source.close()


def test_a_listing_can_be_left_between_two_pages(source_of: SourceOf) -> None:
    found = list(source_of(A, B, C).list())
    assert [listed and listed.uri for listed in found] == [A.uri, B.uri, None, C.uri, None]


def test_the_servers_time_is_the_version_and_nothing_is_read_for_it(
    folder: Path, source_of: SourceOf
) -> None:
    source = source_of(Described(A.uri, "Text", modified=TIME))
    assert [listed.version for listed in listing(source)] == [f"{TIME}-4"]
    assert reads(folder) == []


def test_without_a_time_the_content_makes_the_version(folder: Path, source_of: SourceOf) -> None:
    source = source_of(A)
    before = listing(source)
    assert listing(source) == before
    write_resources(folder, Described(A.uri, A.text.replace("Text", "Word")))
    assert listing(source) != before


def test_what_the_listing_has_read_is_not_asked_for_again(folder: Path, source_of: SourceOf) -> None:
    source = source_of(A)
    listing(source)
    assert source.read(A.uri).content == A.text.encode()
    assert reads(folder) == [f"read {A.uri}"]


def test_a_document_carries_the_resources_title_type_and_time(source_of: SourceOf) -> None:
    source = source_of(Described("wiki://p/1", "Some text.", title="Travel / 2024", modified=TIME))
    listing(source)
    raw = source.read("wiki://p/1")
    assert (raw.name, raw.url) == ("Travel 2024.txt", None)
    assert raw.modified_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert to_markdown(raw).title == "Travel 2024"


def test_a_resource_on_the_web_leads_there(source_of: SourceOf) -> None:
    source = source_of(Described("https://wiki.example/p?id=1", "Text"))
    listing(source)
    assert source.read("https://wiki.example/p?id=1").url == "https://wiki.example/p?id=1"


@pytest.mark.parametrize(
    ("uri", "mime_type", "suffix"),
    [
        ("wiki://p/1", None, ".txt"),
        ("wiki://p/1", "text/markdown", ".md"),
        ("wiki://p/1", "text/html; charset=utf-8", ".html"),
        ("wiki://p/1", "application/json", ".json"),
        ("file:///notes/plan.md", "text/plain", ".md"),
        ("file:///src/tool.py", "text/x-whatever", ".py"),
        ("wiki://p/1", "text/x-whatever", ".txt"),
    ],
)
def test_the_type_is_told_by_the_server_or_else_by_the_name(
    source_of: SourceOf, uri: str, mime_type: str | None, suffix: str
) -> None:
    source = source_of(Described(uri, "Text", mime_type=mime_type, name="Plan"))
    listing(source)
    assert source.read(uri).name == f"Plan{suffix}"


def test_a_file_comes_as_the_bytes_that_it_is(source_of: SourceOf) -> None:
    content = base64.b64encode(b"a,b\n1,2\n").decode()
    source = source_of(Described("wiki://p/table", blob=content, mime_type="text/csv"))
    listing(source)
    raw = source.read("wiki://p/table")
    assert (raw.name, raw.content) == ("resource.csv", b"a,b\n1,2\n")


def test_patterns_choose_by_the_uri(folder: Path, source_of: SourceOf) -> None:
    source = source_of(A, B, C, include=("wiki://pages/*",), exclude=("**/b",))
    assert [listed.uri for listed in listing(source)] == [A.uri, C.uri]
    assert f"read {B.uri}" not in requests(folder)


def test_a_resource_that_is_listed_twice_is_one_document(
    source_of: SourceOf, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert [listed.uri for listed in listing(source_of(A, B, A, C))] == [A.uri, B.uri, C.uri]
    assert "lists 1 resources twice" in caplog.text


def test_resources_of_a_type_that_cannot_be_read_are_listed_by_their_type(
    folder: Path, source_of: SourceOf
) -> None:
    picture = Described("wiki://p/logo", blob="AAAA", mime_type="image/png")
    found = listing(source_of(picture, A))
    assert [(listed.uri, listed.unreadable) for listed in found] == [
        (A.uri, ""),
        ("image/png", "1 file of a kind that Lorebot cannot read."),
    ]
    assert reads(folder) == [f"read {A.uri}"]


def test_what_is_no_uri_is_left_out(source_of: SourceOf) -> None:
    assert [listed.uri for listed in listing(source_of(A, Described("no uri")))] == [A.uri]


def test_a_listing_in_a_circle_is_refused(source_of: SourceOf) -> None:
    source = source_of(A, B, Described(C.uri, does="loop listing"))
    with pytest.raises(KnowledgeError, match="MCP server of source 'wiki' lists the same resources again"):
        listing(source)


def test_a_server_that_ends_in_the_middle_of_a_listing_has_listed_nothing(stdio: SourceOf) -> None:
    source = stdio(A, B, Described(C.uri, does="end listing"))
    with pytest.raises(KnowledgeError, match="source 'wiki' has closed the connection"):
        listing(source)


def test_a_server_that_hangs_in_a_listing_is_left_and_ended(tmp_path: Path, stdio: SourceOf) -> None:
    source = stdio(A, B, Described(C.uri, does="hang listing"), patience=IMPATIENT)
    with pytest.raises(KnowledgeError, match="source 'wiki' does not answer within 2 s"):
        listing(source)
    wait_until_ended(processes(tmp_path)[0])


def test_a_resource_that_hangs_does_not_keep_the_others_from_being_read(source_of: SourceOf) -> None:
    source = source_of(Described(A.uri, does="hang"), B, patience=IMPATIENT)
    assert [listed.uri for listed in listing(source)] == [A.uri, B.uri]
    with pytest.raises(UnreadableError, match="cannot be read: the server does not answer within 2 s"):
        source.read(A.uri)
    assert source.read(B.uri).content == B.text.encode()


def test_a_resource_that_ends_the_server_does_not_keep_the_others_from_being_read(stdio: SourceOf) -> None:
    source = stdio(A, Described(B.uri, does="die"), C)
    assert [listed.uri for listed in listing(source)] == [A.uri, B.uri, C.uri]
    with pytest.raises(UnreadableError, match="closed the connection: ValueError: out of ideas"):
        source.read(B.uri)
    assert source.read(C.uri).content == C.text.encode()


def test_a_server_that_never_answers_is_not_asked_for_every_resource(
    folder: Path, source_of: SourceOf
) -> None:
    hanging = (Described(f"wiki://p/{number}", does="hang") for number in range(6))
    source = source_of(*hanging, patience=Patience(connect=60.0, call=0.5, idle=60.0))
    assert len(listing(source)) == 6
    assert len(reads(folder)) == 3
    with pytest.raises(UnreadableError, match="has failed 3 times in a row"):
        source.read("wiki://p/5")


def test_an_unversioned_resource_that_cannot_be_read_is_tried_again_in_the_next_listing(
    folder: Path, source_of: SourceOf
) -> None:
    source = source_of(Described(A.uri, does="refuse"))
    listing(source)
    write_resources(folder, A)
    listing(source)
    assert source.read(A.uri).content == A.text.encode()


def test_what_the_server_says_is_told_in_one_line_without_secrets(source_of: SourceOf) -> None:
    source = source_of(Described(A.uri, SECRET, does="refuse", modified=TIME))
    listing(source)
    with pytest.raises(UnreadableError) as caught:
        source.read(A.uri)
    assert (
        str(caught.value) == f"{A.uri} cannot be read: the server answers with an error: not for you [31m…."
    )


def test_a_resource_that_is_gone_has_vanished(folder: Path, source_of: SourceOf) -> None:
    source = source_of(Described(A.uri, modified=TIME), B)
    listing(source)
    write_resources(folder, B)
    with pytest.raises(VanishedError):
        source.read(A.uri)


def test_what_was_not_listed_is_not_read(source_of: SourceOf) -> None:
    source = source_of(A)
    listing(source)
    with pytest.raises(VanishedError):
        source.read("file:///etc/passwd")


def test_a_resource_over_the_limit_is_refused(source_of: SourceOf) -> None:
    source = source_of(Described(A.uri, "x" * 2_000, modified=TIME), max_bytes=1_000)
    listing(source)
    with pytest.raises(UnreadableError, match="limit is 1 KB"):
        source.read(A.uri)


def test_an_endless_message_is_not_held_in_memory(tmp_path: Path, stdio: SourceOf) -> None:
    source = stdio(Described(A.uri, does="swell", modified=TIME), Described(B.uri, "Text", modified=TIME))
    listing(source)
    with pytest.raises(UnreadableError, match="sends a message of more than 3 MB"):
        source.read(A.uri)
    assert source.read(B.uri).content == b"Text"
    assert len(processes(tmp_path)) == 2


def test_an_endless_answer_over_http_is_not_held_in_memory(tmp_path: Path) -> None:
    write_resources(tmp_path, Described(A.uri, does="swell", modified=TIME))
    with serving(tmp_path) as url:
        connection = http_connection(url, max_bytes=1_000_000, allow_private=True)
        source = McpSource("wiki", frozenset({EVERYONE}), connection)
        try:
            listing(source)
            with pytest.raises(UnreadableError, match="sends an answer of more than 3 MB"):
                source.read(A.uri)
        finally:
            source.close()


def test_bad_base64_is_told(source_of: SourceOf) -> None:
    source = source_of(Described(A.uri, blob="AAAAA", mime_type="text/csv"))
    listing(source)
    with pytest.raises(UnreadableError, match="base64"):
        source.read(A.uri)


def test_a_program_that_is_not_there_is_named(stdio: SourceOf) -> None:
    source = stdio(program=("no-such-program-of-mcp",))
    with pytest.raises(KnowledgeError, match="cannot be started with 'no-such-program-of-mcp': it is not"):
        listing(source)


def test_a_program_that_ends_at_once_is_told_with_its_last_words(stdio: SourceOf) -> None:
    says = f"import sys; sys.exit('lacks a key for {SECRET}')"
    with pytest.raises(KnowledgeError, match="has closed the connection: lacks a key for …"):
        listing(stdio(program=(sys.executable, "-c", says)))


def test_a_program_that_does_not_speak_mcp_is_left(stdio: SourceOf) -> None:
    babbles = "while True: print('hello')"
    with pytest.raises(KnowledgeError, match="writes to its standard output what is not MCP"):
        listing(stdio(program=(sys.executable, "-c", babbles)))


def test_a_program_that_never_ends_its_line_is_left(stdio: SourceOf) -> None:
    babbles = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with pytest.raises(KnowledgeError, match="sends a message of more than 3 MB"):
        listing(stdio(program=(sys.executable, "-c", babbles)))


def test_a_program_that_says_nothing_is_left_and_ended(tmp_path: Path, stdio: SourceOf) -> None:
    sleeps = textwrap.dedent(
        f"""
        import os, pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({str(tmp_path / "asked.txt")!r}).write_text(f"start {{os.getpid()}}\\n")
        time.sleep(3600)
        """
    )
    source = stdio(program=(sys.executable, "-c", sleeps), patience=Patience(2.0, 2.0, 60.0))
    with pytest.raises(KnowledgeError, match="does not answer within 2 s"):
        listing(source)
    wait_until_ended(processes(tmp_path)[0])


def test_the_program_gets_the_variables_that_are_named_and_no_others(
    tmp_path: Path, stdio: SourceOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOTHER_TOKEN", "x")
    writes = f"import os; open({str(tmp_path / 'env')!r}, 'w').write(' '.join(os.environ))"
    with pytest.raises(KnowledgeError):
        listing(stdio(program=(sys.executable, "-c", writes)))
    names = (tmp_path / "env").read_text().split()
    assert "WIKI_TOKEN" in names
    assert "ANOTHER_TOKEN" not in names


def test_one_process_serves_a_whole_run(tmp_path: Path, stdio: SourceOf) -> None:
    source = stdio(*(Described(d.uri, d.text, modified=TIME) for d in (A, B, C)))
    for listed in listing(source):
        source.read(listed.uri)
    assert len(processes(tmp_path)) == 1


def test_the_process_ends_with_the_source(tmp_path: Path, stdio: SourceOf) -> None:
    source = stdio(A)
    listing(source)
    source.close()
    wait_until_ended(processes(tmp_path)[0])


def test_an_idle_process_is_ended_and_started_again_when_needed(tmp_path: Path, stdio: SourceOf) -> None:
    source = stdio(Described(A.uri, "Text", modified=TIME), patience=Patience(60.0, 60.0, 0.1))
    listing(source)
    wait_until_ended(processes(tmp_path)[0])
    assert source.read(A.uri).content == b"Text"


def test_a_process_that_was_ended_meanwhile_is_started_again(tmp_path: Path, stdio: SourceOf) -> None:
    source = stdio(Described(A.uri, "Text", modified=TIME))
    listing(source)
    os.kill(processes(tmp_path)[0], 9)
    assert source.read(A.uri).content == b"Text"


def test_the_process_ends_with_the_interpreter(tmp_path: Path) -> None:
    import subprocess

    write_resources(tmp_path, A)
    program = textwrap.dedent(
        f"""
        from knowledge.sources.mcp import McpSource
        from knowledge.sources.mcp_stdio import stdio_connection
        source = McpSource("wiki", frozenset(), stdio_connection({command(tmp_path)!r}, {{}}))
        print(sum(listed is not None for listed in source.list()))
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
    wait_until_ended(processes(tmp_path)[0])


def test_without_its_token_a_server_is_told_to_want_one(tmp_path: Path) -> None:
    write_resources(tmp_path, A)
    with serving(tmp_path, SECRET) as url:
        source = McpSource("wiki", frozenset({EVERYONE}), http_connection(url, None, allow_private=True))
        with pytest.raises(KnowledgeError, match=r"answers with status 401; it wants a token"):
            listing(source)


def test_a_private_address_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    write_resources(tmp_path, A)
    with serving(tmp_path) as url:
        source = McpSource("wiki", frozenset({EVERYONE}), http_connection(url))
        with pytest.raises(KnowledgeError, match=r"not a public address.*allow_private"):
            listing(source)
    assert requests(tmp_path) == []


def test_a_server_that_is_down_is_told(tmp_path: Path) -> None:
    write_resources(tmp_path, A)
    with serving(tmp_path) as url:
        pass
    source = McpSource("wiki", frozenset({EVERYONE}), http_connection(url, allow_private=True))
    with pytest.raises(KnowledgeError, match="source 'wiki' cannot be reached"):
        listing(source)


@pytest.mark.parametrize("url", ["ftp://wiki.example", "wiki", "http://user:word@wiki.example/mcp"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(KnowledgeError, match="no http or https URL"):
        http_connection(url)


def test_a_token_is_not_sent_in_clear() -> None:
    with pytest.raises(KnowledgeError, match="would show its token"):
        http_connection("http://wiki.example/mcp", SECRET)


def test_a_variable_that_is_not_set_is_named(source_of: SourceOf) -> None:
    with pytest.raises(KnowledgeError, match="needs the environment variable WIKI_TOKEN, which is not set"):
        listing(source_of(A, lacking=("WIKI_TOKEN",)))
