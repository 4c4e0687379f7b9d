"""Whose voice a text is in: a small stylometric classifier, and the terms that a voice uses or never uses."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from adapters.dataset import DatasetError
from adapters.faults import first_fault

FOLDS = 5
_SEED = 1
_MARKER = re.compile(r"\s?\[\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,9}\]")
_NUMBER = re.compile(r"\d[\d.,:]{0,40}\d|\d")
_NAME = re.compile(r"\b[^\W\d_a-z][^\W_]*(?:['’-][^\W_]+){0,4}")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")
_SIGNS = ".,;:!?'’\"“”()-–…"

_Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Terms(BaseModel):
    """Words and phrases of a voice: each of `require` stands in some answer, none of `ban` in any.

    Case does not matter, and a term that is a word is looked for as a whole word.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    require: tuple[_Term, ...] = ()
    ban: tuple[_Term, ...] = ()


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class StyleRow:
    """One question that nobody was trained on: the voice's example, and how each speaker answered it.

    Every text is masked. `others` are those who do not speak in the voice, `judged` whoever is to be judged.
    """

    example: str
    others: tuple[str, ...]
    judged: tuple[str, ...]


def read_terms(path: Path) -> Terms:
    """Read a TOML file with the lists `require` and `ban`. Raises `DatasetError`."""
    try:
        return Terms.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise DatasetError(f"{path}: {first_fault(error)}; it holds two lists, require and ban") from error


def uses(term: str, text: str) -> bool:
    """Whether `text` holds `term`."""
    return _pattern(term).search(text) is not None


@lru_cache(maxsize=512)
def _pattern(term: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if re.match(r"\w", term) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", term) else ""
    words = r"\s+".join(re.escape(word) for word in term.split())
    return re.compile(f"{before}{words}{after}", re.IGNORECASE)


def masked(reply: str, prompt: str) -> str:
    """What of a reply is manner: without markers, its numbers made one, names that its prompt holds hidden.

    Content words stay; they tell nothing as long as all speakers answer the same questions (Wegmann et al.
    2022, "Same Author or Just Same Topic?", arXiv 2204.04907).
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    known = {word for word in _NAME.findall(prompt) if word.lower() not in ENGLISH_STOP_WORDS}
    text = _NUMBER.sub("0", _MARKER.sub("", reply))
    return _NAME.sub(lambda match: "N" if match[0] in known else match[0], text).strip()


class StyleClassifier:
    """Tells texts in a voice from others by their manner; both kinds are masked texts.

    Logistic regression over characters in groups of one to four, function words, punctuation and length:
    the features that attribution of short texts rests on (Stamatatos 2009, "A Survey of Modern Authorship
    Attribution Methods", doi 10.1002/asi.21001).
    """

    def __init__(self, voice: Sequence[str], others: Sequence[str]) -> None:
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer, TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
        words = CountVectorizer(
            vocabulary=sorted(ENGLISH_STOP_WORDS), token_pattern=_WORD.pattern, binary=True
        )
        manner = make_pipeline(
            FunctionTransformer(lambda texts: [_manner(text) for text in texts]),
            DictVectorizer(),
            StandardScaler(with_mean=False),
        )
        # The few counts would drown the many characters, whose vectors have length one.
        features = make_union(characters, words, manner)
        features.set_params(transformer_weights={name: 0.1 for name, _ in features.transformer_list[1:]})
        self._model: Any = make_pipeline(
            features,
            LogisticRegression(C=10.0, class_weight="balanced", max_iter=2000, random_state=_SEED),
        )
        self._model.fit([*voice, *others], [1] * len(voice) + [0] * len(others))

    def scores(self, texts: Sequence[str]) -> tuple[float, ...]:
        """For each masked text, how probably it is in the voice, 0 to 1."""
        return tuple(float(row[1]) for row in self._model.predict_proba(list(texts)))


def _manner(text: str) -> dict[str, float]:
    words = _WORD.findall(text)
    counts = Counter(sign for sign in text if sign in _SIGNS)
    ends = max(1, len(_SENTENCE_END.findall(text)))
    return {
        "words": float(len(words)),
        "words a sentence": len(words) / ends,
        "letters a word": sum(map(len, words)) / max(1, len(words)),
        "contractions": sum("'" in word or "’" in word for word in words) / max(1, len(words)),
        **{sign: count / max(1, len(words)) for sign, count in counts.items()},
    }


def cross_judged(
    rows: Sequence[StyleRow], more: Sequence[str], others: Sequence[str] = ()
) -> tuple[tuple[float, ...], ...]:
    """For each row, how probably each of its `judged` texts is in the voice.

    The classifier that judges a row has seen neither its question's example nor its answers: the rows are
    dealt into `FOLDS` parts, and each is judged by what the rest, `more` examples of the voice and `others`,
    which are not in it, teach.
    Raises `ValueError` with fewer than two rows.
    """
    if len(rows) < 2:
        raise ValueError("a classifier needs two rows at least: one to learn from and one to judge")
    folds = min(FOLDS, len(rows))
    found: list[tuple[float, ...]] = [()] * len(rows)
    for fold in range(folds):
        learned = [row for place, row in enumerate(rows) if place % folds != fold]
        classifier = StyleClassifier(
            [*more, *(row.example for row in learned)],
            [*others, *(text for row in learned for text in row.others)],
        )
        for place in range(fold, len(rows), folds):
            found[place] = classifier.scores(rows[place].judged)
    return tuple(found)


def told_apart(voice: Sequence[float], others: Sequence[float]) -> float:
    """The share of texts that scores put on the right side of one half, both kinds counting alike."""
    right = sum(score > 0.5 for score in voice) / len(voice)
    return (right + sum(score <= 0.5 for score in others) / len(others)) / 2
