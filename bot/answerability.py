"""Whether the evidence holds an answer at all: the decision to answer or to say that nothing was found."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from bot.evidence import Evidence, coverage, covered, question_weights
from bot.expectation import AnswerKind, expected, offers
from knowledge.documents import FoundPassage
from knowledge.terms import content_stems, stems

# At or above this the bot answers. Chosen so that, on average over three sets and on the halves that the
# weights were not fitted on, nine of ten questions whose passages are there are answered.
ANSWERABLE = 0.25

# Below this a trained adapter may decline, and the answer says so; from here on it is asked for an answer.
CERTAINLY_ANSWERABLE = 0.5

# A logistic regression on questions of three sets whose passages were kept, taken out, or exchanged for
# another subject's; `benchmarks/answerability.py --fit` makes it again. In order: best coverage of a piece of
# evidence, coverage by the best passage, best cosine of a piece, shares of the question's names and of its
# numbers that the best passage lacks, no offer of the kind of thing asked for, best cosine of a passage, how
# far the best passage's score stands out.
INTERCEPT = -4.66
WEIGHTS = (1.17, 0.62, 3.19, -0.90, -0.93, -0.65, 1.63, 1.97)

_NAME = re.compile(r"(?<!^)\b[A-Z][\w-]+|\b[A-Z]{2,}\b")
_NUMBER = re.compile(r"\d+")


def answerability(
    question: str,
    evidence: Sequence[Evidence],
    passages: Sequence[FoundPassage],
    term_weights: Mapping[str, float],
) -> float:
    """Return the probability, 0 to 1, that the evidence holds the answer; 0 without evidence.

    Evidence comes best first, as `EvidenceSelector` ranks it from `passages`. A question word that no
    document knows weighs most: the subject is probably absent.
    """
    if not evidence or not passages:
        return 0.0
    values = features(question, evidence, passages, term_weights)
    logit = INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True))
    return 1.0 / (1.0 + math.exp(-logit))


def features(
    question: str,
    evidence: Sequence[Evidence],
    passages: Sequence[FoundPassage],
    term_weights: Mapping[str, float],
) -> tuple[float, ...]:
    """Return what the decision looks at, in the order of `WEIGHTS`."""
    weights = question_weights(question, term_weights)
    best = evidence[0].passage
    text = f"{best.title} {best.heading} {best.text}"
    words = stems(text)
    names = [stem for name in _NAME.findall(question) for stem in content_stems(name)]
    kind = expected(question)
    offered = kind is AnswerKind.OTHER or any(offers(kind, entry.text, question) for entry in evidence[:2])
    scores = [passage.score for passage in passages]
    return (
        max(entry.coverage for entry in evidence),
        coverage(weights, covered(weights, words)),
        max(entry.cosine for entry in evidence),
        _missing(names, words),
        _missing(_NUMBER.findall(question), _NUMBER.findall(text)),
        float(not offered),
        max(passage.dense_score for passage in passages),
        max(scores) - sum(scores) / len(scores),
    )


def _missing(wanted: Sequence[str], present: Sequence[str]) -> float:
    known = set(present)
    return sum(word not in known for word in wanted) / len(wanted) if wanted else 0.0
