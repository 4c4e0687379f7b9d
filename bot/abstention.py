"""What the bot says instead of an answer, and the documents that it offers."""

from __future__ import annotations

from collections.abc import Sequence

from bot.titles import plain_title
from connectors.conversation import NearDocument, Question
from knowledge.documents import FoundPassage

NEAREST_DOCUMENTS = 3


def nothing_found(nearest: Sequence[NearDocument], ask_instead: str | None) -> str:
    """Say that the documents do not hold the answer, which lie nearest, and who may know."""
    text = "I could not find that in the documents."
    if nearest:
        text += " The nearest I have: " + "; ".join(plain_title(document.title) for document in nearest) + "."
    if ask_instead:
        text += f" {ask_instead} may know."
    return text


def nothing_to_read(question: Question, generation: int) -> str:
    """Say why nothing can be searched: the index is empty, or not for everybody who reads the answer."""
    if generation == 0:
        return "I have no documents to answer from yet. An admin can fill the index with `lorebot sync`."
    text = "I have no documents that everybody here may read."
    return text if question.place.principals is None else f"{text} Ask me in a direct message."


def nearest_documents(passages: Sequence[FoundPassage]) -> tuple[NearDocument, ...]:
    """The documents of the best passages, best first, each once."""
    documents = {(p.source, p.uri): NearDocument(p.title, p.uri, p.url) for p in reversed(passages)}
    best_first = [documents[key] for key in dict.fromkeys((p.source, p.uri) for p in passages)]
    return tuple(best_first[:NEAREST_DOCUMENTS])
