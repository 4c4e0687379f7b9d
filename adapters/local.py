"""Generation in this process: transformers and PEFT on the CPU, one worker thread that owns the model."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from adapters.base_model import LoadedBase, ModelLocation, Precision, load_base, prepare_base
from adapters.chat import ChatTokenizer
from adapters.decoding import AnswerText, greedy_tokens
from adapters.generation import BASE, AdapterVersion, GenerationError, GenerationRequest, Message
from adapters.lora import LoadedAdapters
from adapters.registry import AdapterRegistry, InstalledAdapter

logger = logging.getLogger(__name__)


class GeneratorBusyError(GenerationError):
    """Too many requests wait already."""


class LocalGenerator:
    """A `Generator` that answers one request at a time, in the order they come.

    Adapters change only between requests, for a model that is shared while it runs gives wrong text. The
    model is loaded at the first request or by `start()`, and never on the event loop's thread.
    """

    def __init__(
        self,
        location: ModelLocation,
        registry: AdapterRegistry,
        cache_folder: Path,
        threads: int,
        dtype: Precision = "auto",
        max_loaded: int = 4,
        max_waiting: int = 32,
    ) -> None:
        self._location = location
        self._registry = registry
        self._cache_folder = cache_folder
        self._threads = threads
        self._dtype = dtype
        self._max_loaded = max_loaded
        self._max_waiting = max_waiting
        self._places = threading.BoundedSemaphore(max_waiting)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lorebot-model")
        self._closing = threading.Event()
        self._tokenizer: ChatTokenizer | None = None
        self._tokenizer_lock = threading.Lock()
        self._model: tuple[LoadedBase, LoadedAdapters] | None = None

    @property
    def model(self) -> str:
        """The base model's name."""
        return self._location.name

    @property
    def ready(self) -> bool:
        """Whether the model is in memory."""
        return self._model is not None

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version that `adapter` names now. Raises `AdapterError` when there is none."""
        installed = self._installed(adapter)
        return AdapterVersion(BASE, "", "") if installed is None else installed.version

    async def start(self) -> None:
        """Load the model now, so that the first answer need not wait. Raises `GenerationError`."""
        await asyncio.wrap_future(self._submit(self._load))

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield the answer in pieces that end at word boundaries, without special tokens or stop strings.

        Closing the iterator stops the model within one token. Raises `GeneratorBusyError` at once when
        `max_waiting` requests wait, and `GenerationError` when the adapter is unknown or refused, the prompt
        too long, or the model cannot be loaded or run.
        """
        adapter = await asyncio.to_thread(self._installed, request.adapter)
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        left = threading.Event()

        def deliver(piece: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody listens
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def cancelled() -> bool:
            return left.is_set() or self._closing.is_set()

        work = self._submit(lambda: self._generate(request, adapter, deliver, cancelled))
        work.add_done_callback(lambda _: deliver(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            with suppress(CancelledError):
                work.result()
            if self._closing.is_set():
                raise GenerationError("The generator was closed before the answer was complete.")
        finally:
            left.set()
            work.cancel()

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """How many tokens the prompt takes. Needs only the tokenizer; safe in any thread.

        The first call may convert the model, which takes seconds. Raises `GenerationError`.
        """
        return len(self._chat().encode(messages))

    async def close(self) -> None:
        """Stop the running request, refuse the waiting ones and wait for the worker to end."""
        self._closing.set()
        await asyncio.to_thread(self._worker.shutdown, wait=True, cancel_futures=True)
        self._model = None

    def _installed(self, adapter: str) -> InstalledAdapter | None:
        return None if adapter == BASE else self._registry.resolve(adapter)

    def _submit(self, work: Callable[[], None]) -> Future[None]:
        if self._closing.is_set():
            raise GenerationError("The generator is closed.")
        if not self._places.acquire(blocking=False):
            raise GeneratorBusyError(
                f"{self._max_waiting} answers are being written or wait before this one; "
                "ask again in a minute."
            )
        try:
            future = self._worker.submit(self._guarded, work)
        except RuntimeError as error:
            self._places.release()
            raise GenerationError("The generator is closed.") from error
        future.add_done_callback(lambda _: self._places.release())
        return future

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except GenerationError:
            raise
        except Exception as error:
            # Nothing is known of the state it left behind: the next request loads the model afresh.
            self._model = None
            logger.exception("The model failed in one request")
            raise GenerationError(f"The model failed: {type(error).__name__}: {error}") from error

    def _generate(
        self,
        request: GenerationRequest,
        adapter: InstalledAdapter | None,
        deliver: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> None:
        if cancelled():
            return
        base, adapters = self._loaded()
        prompt = base.tokenizer.encode(request.messages)
        if len(prompt) + request.max_new_tokens > base.prepared.context_length:
            raise GenerationError(
                f"The prompt takes {len(prompt):,} tokens and the answer up to {request.max_new_tokens:,}, "
                f"but {self.model} reads {base.prepared.context_length:,} at most; give it less text."
            )
        answer = AnswerText(base.tokenizer.decoding(), request.stop)
        with adapters.speaking_as(adapter) as model:
            for token in greedy_tokens(model, prompt, request.max_new_tokens, base.tokenizer.ends, cancelled):
                if piece := answer.push(token):
                    deliver(piece)
                if answer.stopped:
                    return
        if piece := answer.finish():
            deliver(piece)

    def _loaded(self) -> tuple[LoadedBase, LoadedAdapters]:
        if self._model is None:
            base = load_base(self._location, self._cache_folder, self._dtype, self._threads)
            self._model = (base, LoadedAdapters(base, self._max_loaded))
        return self._model

    def _load(self) -> None:
        self._loaded()

    def _chat(self) -> ChatTokenizer:
        with self._tokenizer_lock:
            if self._tokenizer is None:
                prepared = prepare_base(self._location, self._cache_folder)
                self._tokenizer = ChatTokenizer.from_folder(prepared.folder)
            return self._tokenizer
