"""Whether a voice really speaks on a server: some answer from the base, without a word, when none does."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.generation import Message
from adapters.manifest import AdapterError
from adapters.remote.chat import ChatRequest, ChatServer
from adapters.remote.voices import Spoken

# Numbers that rounding alone may change, as on a server that answers several requests at once.
_LEAST = 1e-3
_TIMES_NOISE = 5.0

_SYSTEM = "Answer from the numbered evidence alone, in one or two short sentences, each with its number."
PROMPTS = (
    (
        Message("system", _SYSTEM),
        Message(
            "user",
            "Evidence:\n[1] Opening hours: The shop is open from 9 to 17 on weekdays.\n\n"
            "Question: When does the shop open?",
        ),
    ),
    (
        Message("system", _SYSTEM),
        Message("user", "Evidence:\n[1] Parking: Visitors park behind the house.\n\nQuestion: Who pays?"),
    ),
    (Message("user", "Good morning!"),),
)


async def probe(server: ChatServer, base: Spoken, voice: Spoken, name: str) -> None:
    """Compare what the base and a voice find probable as the first token of fixed answers.

    The base is asked twice: a voice must differ from it by more than it differs from itself. Raises
    `AdapterError` when it does not, and `ServerError`.
    """
    noise = difference = 0.0
    for messages in PROMPTS:
        asked = [ChatRequest(one.model, messages, 1, extra=one.extra) for one in (base, voice, base)]
        before, spoken, after = [await server.first_token(request) for request in asked]
        noise = max(noise, distance(before, after))
        difference = max(difference, distance(before, spoken))
    if difference <= max(_LEAST, _TIMES_NOISE * noise):
        raise AdapterError(
            f"{server.endpoint.url} answers as {name} exactly as the base model does, so the adapter is not "
            "applied there; see whether its server runs with adapters, and this one is loaded."
        )


def distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """The largest difference, in nats, of a token's log-probability.

    A token that one side does not list is at most as probable there as the least that it lists.
    """
    lows = min(first.values()), min(second.values())
    return max(abs(first.get(token, lows[0]) - second.get(token, lows[1])) for token in {*first, *second})
