"""Asks a company with the attacks in it, and keeps all that leaves the engine and the platforms' builders."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.generation import GenerationRequest, Generator
from benchmarks.injection.attacks import Attack
from benchmarks.injection.company import question
from benchmarks.injection.models import Obedient, Overheard
from bot.assembly import Assembly
from bot.assistant import Assistant
from connectors.conversation import Answer, Answered, AnswerEvent, QuestionRefusedError, TextDelta
from connectors.discord.answer_view import answer_views
from connectors.discord.passages_view import passages_views
from connectors.safe_links import allowed_links
from connectors.slack.answer_view import answer_messages
from connectors.slack.passages_view import passages_view
from connectors.slack.progress_view import working_chunks
from connectors.slack.safe_text import SafeStream as SlackStream

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_ACTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "os.remove")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attack: the answer, all that a platform was given to show, and what the model read.

    `refused` is what the person was told instead of an answer. `acts` are programs that were started,
    connections that were opened, and files that were removed, meanwhile.
    """

    attack: Attack
    answer: Answer | None
    refused: str
    shown: Mapping[str, Any]
    requests: tuple[GenerationRequest, ...]
    said: tuple[str, ...]
    acts: tuple[str, ...]


class Watch:
    """Notes what audit hooks report (PEP 578) while it looks; a hook stays for the life of the process."""

    def __init__(self) -> None:
        self._looking = False
        self._seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextmanager
    def looking(self) -> Iterator[list[str]]:
        """What happens in the block."""
        self._seen, self._looking = [], True
        try:
            yield self._seen
        finally:
            self._looking = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._looking and event in _ACTS:
            self._seen.append(event)


class Trial:
    """One company and one model, asked attack by attack."""

    def __init__(self, assembly: Assembly, model: Generator, watch: Watch) -> None:
        """An `Obedient` is told before each question what it is to say."""
        self._model = model
        self._heard = Overheard(model)
        self._watch = watch
        assembly.__dict__["generator"] = self._heard
        self.assistant: Assistant = assembly.assistant(assembly.voices.adapter_at)

    async def attack(self, attack: Attack, home: str) -> Outcome:
        """Ask the attack's question; `home` is where the settings say that the index lies."""
        if isinstance(self._model, Obedient):
            self._model.says = attack.says.replace("{home}", home)
        self._heard.requests, self._heard.said = [], []
        events: list[AnswerEvent] = []
        refused = ""
        with self._watch.looking() as acts:
            try:
                events.extend([event async for event in self.assistant.answer(question(attack))])
            except QuestionRefusedError as error:
                refused = str(error)
        answer = next((event.answer for event in events if isinstance(event, Answered)), None)
        return Outcome(
            attack,
            answer,
            refused,
            shown_by_platforms(answer, events) if answer else {},
            tuple(self._heard.requests),
            tuple(self._heard.said),
            tuple(acts),
        )


def shown_by_platforms(answer: Answer, events: list[AnswerEvent]) -> dict[str, Any]:
    """Everything that both platforms are given of an answer: progress, stream, message, passages."""
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    reading = [event for event in events if not isinstance(event, TextDelta | Answered)]
    links = allowed_links(answer.citations)
    slack = SlackStream(links)
    return {
        "slack progress": [working_chunks(event) for event in reading],
        "slack stream": "".join([*map(slack.push, deltas), slack.finish()]),
        "slack messages": [(message.text, message.blocks) for message in answer_messages(answer, NOW)],
        "slack passages": passages_view(answer),
        "discord messages": [view.to_components() for view in answer_views(answer, NOW)],
        "discord passages": [view.to_components() for view in passages_views(answer)],
    }
