"""Conversion in child processes, so that a hostile file cannot take the bot's time or memory."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import PurePosixPath
from typing import Any

from knowledge.documents import KnowledgeError, MarkdownDocument, RawDocument, UnreadableError

# What is only decoded and cleaned, in time and memory that grow with its length, needs no child.
_PLAIN_TEXT = frozenset((".md", ".markdown", ".txt"))
_SECONDS_TO_START = 120.0
_MOST_CALLS = 500
_READY, _DONE, _TOO_MUCH_MEMORY, _FAILED = b"r", b"d", b"m", b"f"


class ChildError(KnowledgeError):
    """A child process did not come to an end; the message says why, in words that follow a file's name."""


class _EndedError(ChildError):
    """A child ended by itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take: seconds, and bytes of address space (where the system can limit it).

    A megabyte of argument gives more seconds, up to `most_seconds`: a page of text in a PDF is about a
    kilobyte, and takes a tenth of a second and more.
    """

    seconds: float = 60.0
    memory_bytes: int = 1024**3
    seconds_a_megabyte: float = 300.0
    most_seconds: float = 600.0

    def seconds_for(self, size: int) -> float:
        """Give the seconds for an argument of so many bytes."""
        return max(self.seconds, min(self.seconds + self.seconds_a_megabyte * size / 1e6, self.most_seconds))


@dataclass(frozen=True, slots=True)
class _Child:
    process: Any
    connection: Connection
    calls: int = 0


class IsolatedFunction:
    """Calls one function from bytes to bytes in child processes under limits, in each thread its own.

    `function` is named as `"module:name"`. A child starts with the first call, serves up to 500, and ends by
    itself after `idle_seconds` without one, or when its parent has gone. Only bytes travel, never pickles:
    what a child answers is not to be trusted (https://docs.python.org/3/library/pickle.html).
    """

    def __init__(self, function: str, limits: Limits = Limits(), idle_seconds: float = 60.0) -> None:
        self._function = function
        self._limits = limits
        self._idle_seconds = idle_seconds
        self._idle: list[_Child] = []
        self._lock = threading.Lock()

    def __call__(self, argument: bytes) -> bytes:
        """Call the function.

        Raises `ChildError` when it takes too long or too much memory, raises anything, or crashes.
        """
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        if idle is not None:
            try:
                return self._asked(idle, argument)
            except _EndedError:
                pass  # Idle for too long, it was about to go.
        return self._asked(self._started(), argument)

    def _asked(self, child: _Child, argument: bytes) -> bytes:
        try:
            answer = self._answer(child, argument)
        except BaseException:
            _end(child)
            raise
        kind, content = answer[:1], answer[1:]
        if kind == _DONE and child.calls < _MOST_CALLS:
            with self._lock:
                self._idle.append(replace(child, calls=child.calls + 1))
        else:
            _end(child)
        if kind == _TOO_MUCH_MEMORY:
            raise ChildError(self._too_much_memory())
        if kind != _DONE:
            reason = content.decode(errors="replace")[:200]
            raise ChildError(f"cannot be converted, it may be damaged ({reason})")
        return content

    def close(self) -> None:
        """End the children that wait; the next call starts a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            _end(child)

    def _started(self) -> _Child:
        # Not forked: a copy of a process with threads may hold their locks for ever.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        arguments = (there, self._function, self._limits, self._idle_seconds)
        process = context.Process(target=_serve, args=arguments, daemon=True, name="lorebot-conversion")
        process.start()
        there.close()
        child = _Child(process, here)
        try:
            if here.poll(_SECONDS_TO_START) and here.recv_bytes() == _READY:
                return child
        except EOFError:
            pass
        _end(child)
        raise ChildError("cannot be converted: the process for it does not start")

    def _answer(self, child: _Child, argument: bytes) -> bytes:
        seconds = self._limits.seconds_for(len(argument))
        try:
            child.connection.send_bytes(argument)
            if not child.connection.poll(seconds):
                raise ChildError(f"took more than {seconds:.0f} s to convert")
            return child.connection.recv_bytes()
        except (EOFError, ConnectionError):
            child.process.join(5)
            if child.process.exitcode == 0:
                raise _EndedError("cannot be converted: the process for it has ended") from None
            # The kernel kills with SIGKILL what takes the machine's memory.
            if child.process.exitcode == -getattr(signal, "SIGKILL", 9):
                raise ChildError(self._too_much_memory()) from None
            if child.process.exitcode == -getattr(signal, "SIGXCPU", 24):
                raise ChildError(f"took more than {seconds:.0f} s to convert") from None
            raise ChildError(
                f"crashed the program that reads it (exit {child.process.exitcode}), it may be damaged"
            ) from None

    def _too_much_memory(self) -> str:
        return f"took more than {self._limits.memory_bytes / 1e6:,.0f} MB of memory to convert"


class IsolatedConverter:
    """Converts as `knowledge.conversion.to_markdown` does, all but plain text in a child under limits.

    No child runs before the first document that needs one.
    """

    def __init__(self, limits: Limits = Limits(), idle_seconds: float = 60.0) -> None:
        self._convert = IsolatedFunction("knowledge.isolation:convert", limits, idle_seconds)

    def __call__(self, raw: RawDocument) -> MarkdownDocument:
        """Convert a document. Raises `UnreadableError` also when it took too long or too much memory."""
        from knowledge.conversion import READABLE_SUFFIXES, to_markdown

        suffix = PurePosixPath(raw.name).suffix.lower()
        if suffix in _PLAIN_TEXT or suffix not in READABLE_SUFFIXES:
            return to_markdown(raw)
        head = json.dumps({"uri": raw.uri, "name": raw.name, "url": raw.url}).encode()
        try:
            answer = json.loads(self._convert(head + b"\n" + raw.content))
        except ChildError as error:
            raise UnreadableError(f"{raw.name} {error}.") from error
        if "unreadable" in answer:
            raise UnreadableError(str(answer["unreadable"]))
        return MarkdownDocument(str(answer["title"]), str(answer["markdown"]))

    def close(self) -> None:
        """End the child processes that wait."""
        self._convert.close()


def convert(document: bytes) -> bytes:
    """Convert a document that is a line of JSON (uri, name, url) and its content; what a child runs."""
    from knowledge.conversion import to_markdown

    head, content = document.split(b"\n", 1)
    try:
        converted = to_markdown(RawDocument(**json.loads(head), content=content))
    except UnreadableError as error:
        if (lack := _lack_of_memory(error)) is not None:
            raise lack from None
        return json.dumps({"unreadable": str(error)}).encode()
    return json.dumps({"title": converted.title, "markdown": converted.markdown}).encode()


def _lack_of_memory(error: BaseException | None) -> MemoryError | None:
    """Find it below the errors that libraries make of it."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error


def _end(child: _Child) -> None:
    child.process.kill()
    child.process.join()
    child.process.close()
    child.connection.close()


def _serve(connection: Connection, function: str, limits: Limits, idle_seconds: float) -> None:
    """Answer calls until there is none for a while, or the parent has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent decides what Ctrl-C ends.
    module, _, name = function.partition(":")
    call: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
    _limit_memory(limits.memory_bytes)
    connection.send_bytes(_READY)
    code = 1
    try:
        while connection.poll(idle_seconds):
            argument = connection.recv_bytes()
            _limit_processor_time(limits.seconds_for(len(argument)))
            connection.send_bytes(_answered(call, argument))
        code = 0
    except (EOFError, ConnectionError):
        code = 0
    finally:
        connection.close()
        os._exit(code)  # What a library left behind need not be torn down.


def _answered(call: Callable[[bytes], bytes], argument: bytes) -> bytes:
    try:
        return _DONE + call(argument)
    except MemoryError:
        return _TOO_MUCH_MEMORY
    except BaseException as error:  # also SystemExit, which some library may raise
        return _FAILED + type(error).__name__.encode()


def _limit_memory(memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, hard))


def _limit_processor_time(seconds: float) -> None:
    """End the child by itself where its parent cannot, having been killed."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    # Several threads may work for one call.
    limit = int(used.ru_utime + used.ru_stime + 4 * seconds) + 10
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))
