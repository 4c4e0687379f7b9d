"""Generation in this process: transformers on the CPU, one worker thread that owns the model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from adapters.base_model import ModelLocation, Precision, load_base, prepare_base
from adapters.batch_worker import BatchWorker, Job, LoadedModel
from adapters.chat import ChatTokenizer
from adapters.generation import BASE, AdapterVersion, GenerationRequest, Message
from adapters.registry import AdapterRegistry, InstalledAdapter


class LocalGenerator:
    """A `Generator` that answers up to `max_together` requests at once, each in its own voice.

    A request that finds `max_waiting` others is refused. At most `max_loaded` adapters stay in memory, or
    as many as speak at once. The model is loaded at the first request or by `start()`, and never on the
    event loop's thread.
    """

    def __init__(
        self,
        location: ModelLocation,
        registry: AdapterRegistry,
        cache_folder: Path,
        threads: int,
        dtype: Precision = "auto",
        max_loaded: int = 4,
        max_together: int = 8,
        max_waiting: int = 32,
    ) -> None:
        self._location = location
        self._registry = registry
        self._cache_folder = cache_folder
        self._threads = threads
        self._dtype = dtype
        self._max_loaded = max_loaded
        self._max_together = max_together
        self._worker = BatchWorker(self._load, max_together, max_waiting)
        self._tokenizer: ChatTokenizer | None = None
        self._tokenizer_lock = threading.Lock()

    @property
    def model(self) -> str:
        """The base model's name."""
        return self._location.name

    @property
    def ready(self) -> bool:
        """Whether the model is in memory."""
        return self._worker.model is not None

    @property
    def waiting(self) -> int:
        """How many requests are being answered or wait."""
        return self._worker.waiting

    @property
    def generated_tokens(self) -> int:
        """How many tokens the model has written so far."""
        return self._worker.generated_tokens

    @property
    def queue_number(self) -> int:
        """The number that a new request would have in the queue; 0 when it begins at once."""
        return max(0, self._worker.waiting + 1 - self._max_together)

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version that `adapter` names now. Raises `AdapterError` when there is none."""
        return self._registry.speaker(adapter)

    async def start(self) -> None:
        """Load the model now, so that the first answer need not wait. Raises `GenerationError`."""
        job = Job()
        self._worker.submit(job)
        await asyncio.wrap_future(job.end)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield the answer in pieces that end at word boundaries, without special tokens or stop strings.

        Closing the iterator ends the model's work on it within one run. Raises `GeneratorBusyError` at once
        when `max_waiting` requests wait, and `GenerationError` when the adapter is unknown or refused, the
        prompt too long, or the model cannot be loaded or run.
        """
        adapter = await asyncio.to_thread(self._installed, request.adapter)
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def deliver(piece: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody listens
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        job = Job(request, adapter, deliver)
        job.end.add_done_callback(lambda _: deliver(None))
        self._worker.submit(job)
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            job.end.result()
        finally:
            self._worker.leave(job)

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """How many tokens the prompt takes. Needs only the tokenizer; safe in any thread.

        The first call may convert the model, which takes seconds. Raises `GenerationError`.
        """
        return len(self._chat().encode(messages))

    async def close(self) -> None:
        """Stop the running requests, refuse the waiting ones and wait for the worker to end."""
        await asyncio.to_thread(self._worker.close)

    def _installed(self, adapter: str) -> InstalledAdapter | None:
        return None if adapter == BASE else self._registry.resolve(adapter)

    def _load(self) -> LoadedModel:
        base = load_base(self._location, self._cache_folder, self._dtype, self._threads)
        return LoadedModel.around(base, self._max_loaded)

    def _chat(self) -> ChatTokenizer:
        with self._tokenizer_lock:
            if self._tokenizer is None:
                prepared = prepare_base(self._location, self._cache_folder)
                self._tokenizer = ChatTokenizer.from_folder(prepared.folder)
            return self._tokenizer
