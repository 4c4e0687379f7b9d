import io
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from docx import Document

from knowledge.conversion import to_markdown
from knowledge.documents import RawDocument, UnreadableError
from knowledge.isolation import ChildError, IsolatedConverter, IsolatedFunction, Limits

MEMORY = 512_000_000
Make = Callable[..., IsolatedFunction]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[IsolatedFunction] = []

    def function(seconds: float = 60.0, idle_seconds: float = 60.0) -> IsolatedFunction:
        made.append(IsolatedFunction("isolation_standins:hostile", Limits(seconds, MEMORY), idle_seconds))
        return made[-1]

    yield function
    for each in made:
        each.close()


@pytest.fixture
def converter() -> Iterator[IsolatedConverter]:
    isolated = IsolatedConverter(Limits(seconds=30.0))
    yield isolated
    isolated.close()


def children() -> set[int]:
    return {
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline())
    }


def ended(pid: int) -> bool:
    for _ in range(600):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_a_call_is_answered_in_another_process_which_is_kept_for_the_next(make: Make) -> None:
    call = make()
    first, second = call(b""), call(b"")
    assert first == second != str(os.getpid()).encode()


def test_a_child_that_loops_is_ended_and_said_to_have_taken_too_long(make: Make) -> None:
    call = make(seconds=1.0)
    pid = int(call(b""))
    with pytest.raises(ChildError, match="took more than 1 s to convert"):
        call(b"loop")
    assert ended(pid)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX can limit memory")
def test_a_child_that_takes_too_much_memory_is_said_to_have(make: Make) -> None:
    with pytest.raises(ChildError, match="took more than 512 MB of memory to convert"):
        make()(b"allocate")


def test_a_child_that_crashes_is_said_to_have(make: Make) -> None:
    with pytest.raises(ChildError, match="crashed the program that reads it"):
        make()(b"crash")


@pytest.mark.parametrize(("argument", "name"), [(b"raise", "ZeroDivisionError"), (b"exit", "SystemExit")])
def test_what_a_child_raises_is_named(make: Make, argument: bytes, name: str) -> None:
    with pytest.raises(ChildError, match=f"it may be damaged \\({name}\\)"):
        make()(argument)


@pytest.mark.parametrize("argument", [b"crash", b"raise", b"loop"])
def test_the_call_after_a_failure_is_answered(make: Make, argument: bytes) -> None:
    call = make(seconds=5.0)
    with pytest.raises(ChildError):
        call(argument)
    assert call(b"").isdigit()


def test_a_child_without_calls_ends_by_itself_and_the_next_call_is_answered_by_another(make: Make) -> None:
    call = make(idle_seconds=0.2)
    pid = int(call(b""))
    assert ended(pid)
    assert int(call(b"")) != pid


def test_calls_of_several_threads_run_in_several_children(make: Make) -> None:
    call = make()
    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(call, [b"sleep"] * 2))) == 2


def test_closing_ends_the_children(make: Make) -> None:
    call = make()
    pid = int(call(b""))
    call.close()
    assert ended(pid)


def test_a_function_that_does_not_exist_is_an_error_not_a_hang() -> None:
    with pytest.raises(ChildError, match="does not start"):
        IsolatedFunction("isolation_standins:missing")(b"")


def test_a_longer_argument_has_more_time_up_to_a_limit() -> None:
    limits = Limits(seconds=60.0, seconds_a_megabyte=300.0, most_seconds=600.0)
    assert [limits.seconds_for(size) for size in (0, 1_000_000, 50_000_000)] == [60.0, 360.0, 600.0]


# --- documents


def word_file() -> bytes:
    document, content = Document(), io.BytesIO()
    document.add_paragraph("We close at six.")
    document.save(content)
    return content.getvalue()


def test_a_document_is_converted_as_without_isolation(converter: IsolatedConverter) -> None:
    raw = RawDocument("docs/hours.docx", "hours.docx", word_file(), "https://wiki.example/hours")
    assert converter(raw) == to_markdown(raw)


def test_plain_text_needs_no_child(converter: IsolatedConverter) -> None:
    before = children()
    assert converter(RawDocument("a.md", "a.md", b"# Hours\ntext")).title == "Hours"
    assert children() == before


def test_what_cannot_be_read_is_refused_in_the_same_words(converter: IsolatedConverter) -> None:
    for name, content in (("a.docx", b"PK"), ("a.json", b"{"), ("a.zip", b"x"), ("a.pdf", b"")):
        raw = RawDocument(name, name, content)
        with pytest.raises(UnreadableError) as plain:
            to_markdown(raw)
        with pytest.raises(UnreadableError) as isolated:
            converter(raw)
        assert str(isolated.value) == str(plain.value)


def pdf_bomb(inflated: int) -> bytes:
    """A page whose content is as many blanks, twice compressed."""
    stream = zlib.compress(zlib.compress(bytes(inflated), 9), 9)
    filters = b"/Filter [/FlateDecode /FlateDecode]"
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>endobj\n"
        b"4 0 obj<<" + filters + b"/Length %d>>stream\n" % len(stream) + stream + b"\nendstream endobj\n"
        b"trailer<</Root 1 0 R>>\n"
    )


def test_a_pdf_that_inflates_without_end_is_refused_and_the_next_file_converted() -> None:
    converter = IsolatedConverter(Limits(seconds=20.0, memory_bytes=MEMORY))
    bomb = pdf_bomb(2_000_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(UnreadableError, match=r"^a\.pdf took more than .* to convert\.$"):
        converter(RawDocument("a.pdf", "a.pdf", bomb))
    assert converter(RawDocument("a.docx", "a.docx", word_file())).markdown == "We close at six."
    converter.close()


@pytest.mark.slow
def test_a_child_whose_parent_was_killed_ends() -> None:
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from knowledge.isolation import IsolatedFunction\n"
        "call = IsolatedFunction('isolation_standins:hostile')\n"
        "print(int(call(b'')), flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert ended(pid)
