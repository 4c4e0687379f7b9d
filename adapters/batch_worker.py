"""The one thread that owns the model, and the queue of requests before it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from adapters.base_model import LoadedBase
from adapters.batch import Batch, Row
from adapters.decoding import PREFILL_TOKENS, AnswerText
from adapters.generation import GenerationError, GenerationRequest, GeneratorBusyError, Message
from adapters.lora import LoadedAdapters
from adapters.openings import Openings
from adapters.registry import InstalledAdapter

logger = logging.getLogger(__name__)

OPENINGS_BYTES = 64 * 2**20

_ANYTHING = Message("user", "?")


@dataclass(eq=False, slots=True)
class Job:
    """One request on its way through the worker; without a request it only wants the model in memory.

    `deliver` is called in the worker's thread with each piece of text. `end` is done when no more will
    come; it holds the error, if there was one.
    """

    request: GenerationRequest | None = None
    adapter: InstalledAdapter | None = None
    deliver: Callable[[str], None] = lambda _: None
    left: threading.Event = field(default_factory=threading.Event)
    end: Future[None] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The base model in memory, its adapters, and how both answer."""

    base: LoadedBase
    adapters: LoadedAdapters
    batch: Batch

    @classmethod
    def around(cls, base: LoadedBase, max_loaded: int) -> LoadedModel:
        """Give a base model room for adapters."""
        adapters = LoadedAdapters(base, max_loaded)
        return cls(base, adapters, Batch(base, adapters, Openings(OPENINGS_BYTES)))


@dataclass(frozen=True, slots=True)
class _Speaking:
    """A request that is being answered."""

    job: Job
    row: Row
    answer: AnswerText


class BatchWorker:
    """Answers the requests that wait together, at most `max_together` at a time, oldest first.

    A new request joins between two runs of the model. Its prompt is read in pieces, one piece between two
    runs, so that a long prompt does not silence the others.
    """

    def __init__(self, load: Callable[[], LoadedModel], max_together: int, max_waiting: int) -> None:
        self._load = load
        self._max_together = max_together
        self._max_waiting = max_waiting
        self._queue: deque[Job] = deque()
        self._joining: Job | None = None
        self._speaking: list[_Speaking] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.model: LoadedModel | None = None
        self.generated_tokens = 0

    @property
    def waiting(self) -> int:
        """How many requests are being answered or wait."""
        return len(self._queue) + (self._joining is not None) + len(self._speaking)

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def submit(self, job: Job) -> None:
        """Put a request in the queue. Raises `GeneratorBusyError` or `GenerationError`."""
        with self._changed:
            if self._closing:
                raise GenerationError("The generator is closed.")
            if self.waiting >= self._max_waiting:
                raise GeneratorBusyError(
                    f"The model is busy: yours would be question number {self.waiting + 1}; "
                    "ask again in a minute."
                )
            self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lorebot-model", daemon=True)
                self._thread.start()
            self._changed.notify()

    def leave(self, job: Job) -> None:
        """Nobody listens any more: give its place to another, at the end of the present run at the latest."""
        job.left.set()
        with self._changed, suppress(ValueError):
            self._queue.remove(job)

    def close(self) -> None:
        """End every request and wait for the thread to end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.model = None

    def _run(self) -> None:
        while self._await_work():
            self._drop_abandoned()
            self._admit()
            self._advance()
        closed = GenerationError("The generator was closed before the answer was complete.")
        self._fail([*(speaking.job for speaking in self._speaking), *self._queue], closed)

    def _await_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self.waiting)
            return not self._closing

    def _drop_abandoned(self) -> None:
        for speaking in list(self._speaking):
            if speaking.job.left.is_set():
                self._end(speaking)

    def _admit(self) -> None:
        """Let requests join, as many as there is room for."""
        while len(self._speaking) < self._max_together:
            with self._changed:
                if not self._queue:
                    return
                job = self._joining = self._queue.popleft()
            speaking = self._prepared(job)
            with self._changed:
                self._joining = None
                if speaking is not None:
                    self._speaking.append(speaking)
            if speaking is None and not job.end.done():
                job.end.set_result(None)

    def _prepared(self, job: Job) -> _Speaking | None:
        """Make a request ready to speak; None where it fails, or has nothing to say."""
        if job.left.is_set():
            return None
        try:
            if self.model is None:
                self.model = self._load()
            return None if job.request is None else _prepare(self.model, job, job.request, self._in_use)
        except Exception as error:
            self._fail([job], error)
            return None

    @property
    def _in_use(self) -> set[str]:
        return {speaking.row.adapter for speaking in self._speaking}

    def _advance(self) -> None:
        """Read one round of prompts, then write each answer's next tokens in one run."""
        if self.model is None:
            return
        try:
            self._read_prompts(self.model.batch)
            writing = [speaking for speaking in self._speaking if not speaking.row.unread]
            if writing:
                written = self.model.batch.step([speaking.row for speaking in writing])
                for speaking, tokens in zip(writing, written, strict=True):
                    self._say(speaking, tokens)
            self.model.adapters.make_room(self._in_use)
        except Exception as error:
            # Nothing is known of the state it left behind: the next request loads the model afresh.
            self.model = None
            jobs = [speaking.job for speaking in self._speaking]
            self._speaking.clear()
            self._fail(jobs, error)

    def _read_prompts(self, batch: Batch) -> None:
        """Read prompts in the order they came, as many tokens as one round allows."""
        budget = PREFILL_TOKENS
        for speaking in list(self._speaking):
            while speaking.row.unread and budget > 0 and not speaking.job.left.is_set():
                unread = speaking.row.unread
                tokens = batch.read_prompt(speaking.row)
                budget -= unread - speaking.row.unread
                self._say(speaking, tokens)

    def _say(self, speaking: _Speaking, tokens: list[int]) -> None:
        self.generated_tokens += len(tokens)
        for token in tokens:
            if piece := speaking.answer.push(token):
                speaking.job.deliver(piece)
            if speaking.answer.stopped:
                self._end(speaking)
                return
        if speaking.row.done:
            if piece := speaking.answer.finish():
                speaking.job.deliver(piece)
            self._end(speaking)

    def _end(self, speaking: _Speaking) -> None:
        self._speaking.remove(speaking)
        speaking.job.end.set_result(None)

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        if not isinstance(error, GenerationError):
            logger.error("The model failed", exc_info=error)
            error = GenerationError(f"The model failed: {type(error).__name__}: {error}")
        for job in jobs:
            job.end.set_exception(error)


def _prepare(model: LoadedModel, job: Job, request: GenerationRequest, in_use: set[str]) -> _Speaking:
    base = model.base
    prompt = base.tokenizer.encode(request.messages)
    if len(prompt) + request.max_new_tokens > base.prepared.context_length:
        raise GenerationError(
            f"The prompt takes {len(prompt):,} tokens and the answer up to {request.max_new_tokens:,}, "
            f"but {base.prepared.name} reads {base.prepared.context_length:,} at most; give it less text."
        )
    if job.adapter is not None:
        model.adapters.load(job.adapter, in_use)
    row = Row(
        adapter="" if job.adapter is None else job.adapter.manifest.hash,
        prompt=prompt,
        opening=_opening(base, request.messages, prompt),
        max_new_tokens=request.max_new_tokens,
        ends=base.tokenizer.ends,
    )
    return _Speaking(job, row, AnswerText(base.tokenizer.decoding(), request.stop))


def _opening(base: LoadedBase, messages: tuple[Message, ...], prompt: list[int]) -> int:
    """How many tokens the prompt shares with any other that has the same system message."""
    system = messages[:1] if messages[0].role == "system" else ()
    other = base.tokenizer.encode((*system, _ANYTHING))
    shared = 0
    for own, foreign in zip(prompt[:-1], other, strict=False):
        if own != foreign:
            break
        shared += 1
    return shared
