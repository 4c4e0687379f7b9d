"""An answer in the making: sentences are added one by one, and citations are numbered as they appear."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from connectors.conversation import AnswerSentence, Citation, SentenceAction
from knowledge.documents import FoundPassage


@dataclass
class Draft:
    """The sentences and citations so far. Markers are numbered from 1 in the order of first use."""

    sentences: list[AnswerSentence] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    _marker_of: dict[int, int] = field(default_factory=dict)
    _text: str = ""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def text(self) -> str:
        """The text so far, which is every delta that was returned, joined."""
        return self._text

    @property
    def words(self) -> int:
        """How many words the text has so far."""
        return len(self._text.split())

    def say(
        self, sentence: str, passages: tuple[FoundPassage, ...], support: float, action: SentenceAction
    ) -> str:
        """Add a sentence that rests on `passages` and return the delta with which the text grows."""
        markers = tuple(sorted({self._cite(passage, sentence) for passage in passages}))
        self.sentences.append(AnswerSentence(sentence, markers, support, action))
        said = _with_markers(sentence, markers)
        block = "\n" in said or "\n" in self._text[-200:].rsplit("\n\n", 1)[-1]
        delta = said if not self._text else ("\n\n" if block else " ") + said
        self._text += delta
        return delta

    def drop(self, sentence: str, support: float) -> None:
        """Remember a sentence that was not said because nothing supports it."""
        self.sentences.append(AnswerSentence(sentence, (), support, "dropped"))

    def cites(self, passage: FoundPassage) -> bool:
        """Whether a sentence so far rests on the passage."""
        return passage.passage_id in self._marker_of

    def _cite(self, passage: FoundPassage, sentence: str) -> int:
        marker = self._marker_of.get(passage.passage_id)
        if marker is None:
            marker = self._marker_of[passage.passage_id] = next(self._numbers)
            self.citations.append(
                Citation(
                    marker=marker,
                    title=passage.title,
                    heading=passage.heading,
                    uri=passage.uri,
                    url=passage.url,
                    excerpt=passage.text,
                    version=passage.version,
                    indexed_at=passage.indexed_at,
                    modified_at=passage.modified_at,
                    source=passage.source,
                )
            )
        return marker


def _with_markers(sentence: str, markers: tuple[int, ...]) -> str:
    written = "".join(f"[{marker}]" for marker in markers)
    if not written:
        return sentence
    if sentence.endswith("```"):
        return f"{sentence}\n{written}"
    if sentence and sentence[-1] in ".!?":
        return f"{sentence[:-1]} {written}{sentence[-1]}"
    return f"{sentence} {written}"
