"""The files that come with a question, as passages beside those of the index, for one answer alone."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Protocol

from connectors.conversation import Attachment
from knowledge.documents import FoundPassage, MarkdownDocument, Passage, RawDocument, UnreadableError
from knowledge.fusion import cosine_weight, question_terms, search_score, wording_scores
from knowledge.terms import content_stems, content_words

if TYPE_CHECKING:
    import numpy as np

    Embed = Callable[[Sequence[str]], np.ndarray]

MOST_FILES = 5
MOST_BYTES = 10_000_000
MOST_CHARACTERS = 300_000
MOST_SECONDS = 60.0
MOST_FOUND = 6

# So many passages, those with most of the question's words, are compared with it by their meaning.
_MOST_EMBEDDED = 64
_LONGEST_NAME = 100
_BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f]+")


class Splits(Protocol):
    """What makes passages of a document: a `Chunker`."""

    def split(self, document: MarkdownDocument) -> tuple[Passage, ...]:
        """Split a document. Raises `UnreadableError`."""
        ...

    def embedding_text(self, title: str, passage: Passage) -> str:
        """Give what is embedded of a passage."""
        ...


@dataclass(frozen=True, slots=True)
class Attached:
    """What bears on the question in the files, best first, and a line for each that was not read whole."""

    passages: tuple[FoundPassage, ...] = ()
    problems: tuple[str, ...] = ()


class AttachmentReader:
    """Reads attachments within bounds of number, size and time. Nothing of them is kept.

    `convert` raises `UnreadableError`, and is to bound its own time and memory for one file; `embed` maps n
    texts to (n, d) unit-length rows.
    """

    def __init__(
        self,
        convert: Callable[[RawDocument], MarkdownDocument],
        chunker: Splits,
        embed: Embed,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._convert = convert
        self._chunker = chunker
        self._embed = embed
        self._most_seconds = most_seconds

    def read(self, question: str, attachments: Sequence[Attachment]) -> Attached:
        """Return the passages of the files that bear on the question. Blocks.

        Their `score` is made as that of a search, so that the two can be put into one order; their ids are
        negative, `source` is "" and `uri` and `title` are the file's name.
        """
        until = time.monotonic() + self._most_seconds
        found: list[FoundPassage] = []
        problems: list[str] = []
        for attachment in attachments[:MOST_FILES]:
            name = _shown(attachment.name)
            try:
                if time.monotonic() > until:
                    raise UnreadableError("there was no time left for it.")
                passages, problem = self._passages(name, attachment)
            except UnreadableError as error:
                problems.append(f"I could not read {name}: {_reason(error, name)}")
            except Exception as error:
                # A file can be damaged in ways that no library foresees.
                problems.append(f"I could not read {name}: it may be damaged ({type(error).__name__}).")
            else:
                found += passages
                problems += [problem] if problem else []
        if len(attachments) > MOST_FILES:
            problems.append(f"I read {MOST_FILES} files and left out {len(attachments) - MOST_FILES}.")
        return Attached(self._best(question, found), tuple(problems))

    def _passages(self, name: str, attachment: Attachment) -> tuple[list[FoundPassage], str]:
        """The passages of one file, and what is to be said of it. Raises `UnreadableError`."""
        if len(attachment.content) > MOST_BYTES:
            raise UnreadableError(f"it is larger than {MOST_BYTES // 1_000_000} MB.")
        document = self._convert(RawDocument(name, name, attachment.content))
        problem = ""
        if len(document.markdown) > MOST_CHARACTERS:
            document = MarkdownDocument(document.title, document.markdown[:MOST_CHARACTERS])
            problem = f"I read the first {MOST_CHARACTERS:,} characters of {name}."
        version = hashlib.sha256(attachment.content).hexdigest()[:16]
        now = datetime.now(UTC)
        passages = [
            FoundPassage(
                passage_id=0,
                source="",
                uri=name,
                url=None,
                title=name,
                heading=passage.heading,
                text=passage.text,
                version=version,
                indexed_at=now,
                modified_at=None,
                dense_rank=None,
                lexical_rank=None,
                dense_score=0.0,
                lexical_score=0.0,
                score=0.0,
            )
            for passage in self._chunker.split(document)
        ]
        return passages, problem

    def _best(self, question: str, passages: Sequence[FoundPassage]) -> tuple[FoundPassage, ...]:
        """Those that bear most on the question, scored as `knowledge.search` does it."""
        terms = question_terms(content_words(question), {}, 1)
        shares = [_share(terms.weights.keys(), passage) for passage in passages]
        order = sorted(range(len(passages)), key=lambda place: -shares[place])[:_MOST_EMBEDDED]
        if not order:
            return ()
        read = [passages[place] for place in order]
        vectors = self._embed([question, *map(self._text_to_embed, read)])
        cosines = (vectors[1:] @ vectors[0]).tolist()
        lexical = [shares[place] * terms.worth for place in order]
        weight = cosine_weight(terms, max(lexical))
        wordings = wording_scores(terms, [passage.text for passage in read])
        scored = [
            replace(
                passage,
                dense_score=cosine,
                lexical_score=bm25,
                score=search_score(terms, weight, cosine, bm25) + wording,
            )
            for passage, cosine, bm25, wording in zip(read, cosines, lexical, wordings, strict=True)
        ]
        best = sorted(scored, key=lambda passage: -passage.score)[:MOST_FOUND]
        return tuple(replace(passage, passage_id=-number) for passage, number in zip(best, count(1)))

    def _text_to_embed(self, passage: FoundPassage) -> str:
        piece = Passage(passage.heading, passage.text, 0, len(passage.text))
        return self._chunker.embedding_text(passage.title, piece)


def _share(wanted: Collection[str], passage: FoundPassage) -> float:
    """The share of the question's stems that a passage has."""
    held = set(content_stems(f"{passage.heading} {passage.text}"))
    return len(held.intersection(wanted)) / len(wanted) if wanted else 0.0


def _shown(name: str) -> str:
    """A file's name as it is said and cited: one short line, without folders."""
    plain = _BLANKS.sub(" ", re.split(r"[/\\]", name)[-1]).strip() or "a file without a name"
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME // 2]}…{plain[-20:]}"


def _reason(error: UnreadableError, name: str) -> str:
    """What is wrong with a file, of which the name was said already."""
    reason = " ".join(str(error).split())
    return f"it {reason.removeprefix(name).strip()}" if reason.startswith(f"{name} ") else reason
