"""Asks the model's server once, to say what is wrong with it before a question does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.generation import BASE, GenerationError
from adapters.remote.failover import FailoverGenerator
from bot.generators import voices_in_words

if TYPE_CHECKING:
    from bot.assembly import Assembly


@dataclass(frozen=True, slots=True)
class CheckedServer:
    """What was found: `problem` is "" when the untouched model answers, `refused` why voices cannot speak.

    `meanwhile` says what questions get that the server does not answer.
    """

    problem: str
    voices: str
    refused: Mapping[str, str]
    meanwhile: str


async def check_server(assembly: Assembly, voices: Sequence[str]) -> CheckedServer:
    """Let the model on a server write one token, and one in each of these voices."""
    generator = assembly.generator
    assert isinstance(generator, FailoverGenerator)
    is_local = assembly.settings.generation.fallback == "local"
    meanwhile = "the local model answers meanwhile" if is_local else "evidence is quoted meanwhile"
    refused, problem = {}, ""
    for reference in dict.fromkeys((BASE, *voices)):
        try:
            await generator.remote.check(reference)
        except GenerationError as error:
            if reference == BASE:
                problem = str(error)
                break
            refused[reference] = str(error)
    await generator.remote.close()
    return CheckedServer(problem, voices_in_words(assembly.settings), refused, meanwhile)
