"""Builds the models that answer: the local one, one on a server, and the way from the one to the other.

How a voice reaches a server is `[publishing] mode`:

- "examples": the model takes no adapters; the voice's best examples stand in the prompt.
- "folder": vLLM looks for adapters in a folder, into which they are put.
- "load": vLLM is told to load them, on an address that nobody else reaches.
- "named": the server was told of them by their names, as Ollama and TGI are.
- "llama.cpp": its server was started with them, and each request chooses one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.settings import Settings

if TYPE_CHECKING:
    from adapters.registry import AdapterRegistry
    from adapters.remote.budget import Budget, Ledger
    from adapters.remote.chat import ChatServer
    from adapters.remote.endpoint import Endpoint
    from adapters.remote.events import Listener
    from adapters.remote.generator import RemoteGenerator
    from adapters.remote.publishing import Publisher
    from adapters.remote.voices import VoicePath
    from bot.generation_settings import PublishingSettings

_WHAT_VOICES_BECOME = {
    "examples": "as examples in the prompt: no adapters are on the server",
    "folder": "published in a folder",
    "load": "published by loading",
    "named": "known to the server by their names",
    "llama.cpp": "chosen among those that the server was started with",
}


def takes_examples(settings: Settings) -> bool:
    """Whether a model on a server answers that takes no adapters."""
    return settings.generation.url is not None and settings.publishing.mode == "examples"


def voices_in_words(settings: Settings) -> str:
    """How voices reach the server, for people."""
    return _WHAT_VOICES_BECOME[settings.publishing.mode]


def generation_endpoint(settings: Settings) -> Endpoint | None:
    """The server that answers, where the settings name one."""
    from adapters.remote.endpoint import Endpoint, Timeouts

    generation = settings.generation
    if generation.url is None or generation.model is None:
        return None
    return Endpoint(
        generation.url,
        generation.model,
        os.environ.get(generation.key_env),
        Timeouts(generation.connect_seconds, generation.first_token_seconds, generation.idle_seconds),
        generation.retries,
    )


def build_answering(
    settings: Settings,
    endpoint: Endpoint,
    registry: AdapterRegistry,
    ledger: Callable[[], Ledger],
    listener: Listener,
) -> RemoteGenerator:
    """The model on a server that answers; `ledger` is opened only when a day's costs are limited."""
    from adapters.remote.breaker import CircuitBreaker
    from adapters.remote.chat import ChatServer
    from adapters.remote.generator import RemoteGenerator

    server = ChatServer(endpoint, CircuitBreaker(), listener)
    voices = _voices(settings, server, registry, listener)
    return RemoteGenerator(server, voices, listener, _budget(settings, endpoint.model, ledger, listener))


def build_rewriting(
    settings: Settings, ledger: Callable[[], Ledger], listener: Listener
) -> RemoteGenerator | None:
    """The model on a server that rewrites questions, where the settings name one.

    It counts against the day's limit when it is on the same server as the model that answers.
    """
    from adapters.remote.breaker import CircuitBreaker
    from adapters.remote.budget import NoLimit
    from adapters.remote.chat import ChatServer
    from adapters.remote.endpoint import Endpoint, Timeouts
    from adapters.remote.generator import RemoteGenerator
    from adapters.remote.voices import NoVoices

    remote = settings.rewriting
    if remote.url is None or remote.model is None:
        return None
    seconds = remote.timeout_seconds
    endpoint = Endpoint(
        remote.url, remote.model, os.environ.get(remote.key_env), Timeouts(seconds, seconds, seconds), 1
    )
    is_shared = remote.url == settings.generation.url
    budget = _budget(settings, remote.model, ledger, listener) if is_shared else NoLimit()
    server = ChatServer(endpoint, CircuitBreaker(), listener)
    return RemoteGenerator(server, NoVoices(remote.model), listener, budget)


def _voices(
    settings: Settings, server: ChatServer, registry: AdapterRegistry, listener: Listener
) -> VoicePath:
    from adapters.remote.published import PublishedVoices
    from adapters.remote.voices import ExampleVoices
    from bot.voice_examples import examples_of

    publishing = settings.publishing
    if publishing.mode == "examples":
        return ExampleVoices(server.endpoint.model, registry, partial(examples_of, registry))
    publisher = _publisher(publishing, server.endpoint)
    return PublishedVoices(registry, server, publisher, listener, publishing.most)


def _publisher(publishing: PublishingSettings, endpoint: Endpoint) -> Publisher:
    from adapters.remote.llama_cpp import LlamaCppVoices
    from adapters.remote.publishing import LoadEndpoint, NamedVoices, ResolverFolder

    folder = publishing.folder or Path()
    match publishing.mode:
        case "folder":
            return ResolverFolder(endpoint, folder)
        case "load":
            key = os.environ.get(publishing.load_key_env)
            seen_as = publishing.seen_as or str(folder)
            return LoadEndpoint(endpoint, folder, seen_as, publishing.load_url or "", key)
        case "llama.cpp":
            return LlamaCppVoices(endpoint)
        case _:
            return NamedVoices(endpoint)


def _budget(settings: Settings, model: str, ledger: Callable[[], Ledger], listener: Listener) -> Budget:
    from adapters.remote.budget import DailyBudget, Limits, NoLimit
    from adapters.remote.events import ServerEvent

    spending = settings.spending
    if not spending.is_limited:
        return NoLimit()
    limits = Limits(spending.tokens_a_day, spending.money_a_day, spending.prompt_price, spending.reply_price)

    def tell(reason: str) -> None:
        listener(ServerEvent("limit reached", model, reason))

    return DailyBudget(limits, ledger(), tell)
