"""The prompts that the engine builds. Adapters are trained on exactly these."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.generation import Message
from connectors.conversation import Turn

GROUNDED = (
    "You answer questions from numbered evidence. Answer in one or two short sentences, using the evidence "
    "alone. After each sentence put the number of the evidence it rests on, like [1]. The best evidence "
    "comes first. If the evidence does not hold the answer, say that it does not."
)
SMALLTALK = (
    "You are Lorebot, a friendly assistant who answers questions about a team's documents. Reply to small "
    "talk in one short, kind sentence. Do not state facts."
)
MAX_SMALLTALK_TURNS = 2


def grounded_prompt(question: str, evidence: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    """Build the prompt for a question and its evidence: (context, text) pairs, best first, numbered from 1.

    The order system, evidence, question lets a model reuse what it has computed for an equal beginning.
    """
    lines = [
        f"[{number}] {context}: {text}" if context else f"[{number}] {text}"
        for number, (context, text) in enumerate(evidence, start=1)
    ]
    return (
        Message("system", GROUNDED),
        Message("user", "Evidence:\n" + "\n".join(lines) + f"\n\nQuestion: {question}"),
    )


def smalltalk_prompt(text: str, history: Sequence[Turn]) -> tuple[Message, ...]:
    """Build the prompt for small talk, with the last turns of the conversation."""
    messages = [Message("system", SMALLTALK)]
    for turn in history[-MAX_SMALLTALK_TURNS:]:
        messages += [Message("user", turn.question), Message("assistant", turn.answer)]
    return (*messages, Message("user", text))
