"""The prompts that the engine builds. Adapters are trained on exactly these."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.generation import Message
from connectors.conversation import Turn

GROUNDED = (
    "Answer from the numbered evidence alone, the best of which comes first, in one or two short sentences, "
    "each with its number, like [1]."
)
MAY_DECLINE = f"{GROUNDED} If the evidence does not hold the answer, say so."
SMALLTALK = (
    "You are Lorebot, a friendly assistant who answers questions about a team's documents. Reply to small "
    "talk in one short, kind sentence. Do not state facts."
)
MAX_SMALLTALK_TURNS = 2


def grounded_prompt(question: str, evidence: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    """Build the prompt for a question and its evidence: (context, text) pairs, best first, numbered from 1.

    It leaves the model the choice to decline. The order system, evidence, question lets a model reuse what it
    has computed for an equal beginning.
    """
    return _prompt(MAY_DECLINE, question, evidence)


def answering_prompt(question: str, evidence: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    """Build the prompt as `grounded_prompt` does where it is known that the evidence holds the answer."""
    return _prompt(GROUNDED, question, evidence)


def _prompt(system: str, question: str, evidence: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    lines = [
        f"[{number}] {context}: {text}" if context else f"[{number}] {text}"
        for number, (context, text) in enumerate(evidence, start=1)
    ]
    return (
        Message("system", system),
        Message("user", "Evidence:\n" + "\n".join(lines) + f"\n\nQuestion: {question}"),
    )


def smalltalk_prompt(text: str, history: Sequence[Turn]) -> tuple[Message, ...]:
    """Build the prompt for small talk, with the last turns of the conversation."""
    messages = [Message("system", SMALLTALK)]
    for turn in history[-MAX_SMALLTALK_TURNS:]:
        messages += [Message("user", turn.question), Message("assistant", turn.answer)]
    return (*messages, Message("user", text))
