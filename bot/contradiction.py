"""Whether a sentence turns what its source says: a negation, a limit or an opposite that the other lacks."""

from __future__ import annotations

import re
from functools import cache

from knowledge.terms import STOP_WORDS, content_stems, stem, stems, tokens

_NEGATORS = frozenset(
    ("not", "never", "no", "none", "nobody", "nothing", "neither", "nor", "without", "cannot")
)
_LIMITS = frozenset(("only", "except", "unless", "excluding", "solely", "exclusively"))
_REFUSALS = re.compile(
    r"\b(?:prohibit|forbid|ban(?:s|ned)?\b|exclud|refus|den(?:y|ied|ies)|unable|impossible|unavailable|closed|fail"
    r"|reject|void|ineligible|invalid|non-?\w+|instead|rather|stop|ends?\b|cease|only|separate|lack)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:.!?()–—]|\b(?:but|and|while|although|though|whereas|because|however|if|when|so)\b")
_SCOPE = 3
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

_OPPOSITES = """
    increase rise rose grow grew up / decrease fall fell shrink drop down
    before / after
    allow permit / forbid forbidden prohibit ban disallow
    minimum least / maximum most
    open / close
    include inclusive / exclude exclusive
    above over / below under
    first / last
    earlier earliest / later latest
    start begin began begun / end stop finish
    enable / disable
    import / export
    accept approve / reject decline refuse
    always / never
    all every everyone / none nobody
    left / right
    north northern / south southern
    east eastern / west western
    high higher highest / low lower lowest
    large larger largest big bigger biggest / small smaller smallest
    long longer longest / short shorter shortest
    more greater / less fewer
    better best / worse worst
    win won / lose lost
    buy bought / sell sold
    internal / external
    public / private
    required mandatory compulsory obligatory / optional voluntary
    available / unavailable
    valid / invalid
    eligible / ineligible
    refundable / nonrefundable
    weekday / weekend
    hourly / daily / weekly / monthly / yearly annually
    send sent / receive
    upload / download
    encrypt / decrypt
    front / back
    paid / free unpaid
    same / different
    hot hotter hottest warm / cold colder coldest cool
    old older oldest / young younger youngest
    male men / female women
    add / remove delete
    success succeed successful / failure fail unsuccessful
    inside indoor indoors / outside outdoor outdoors
    domestic / international
    full / empty
    must / may might
    with / without
"""


def contradiction(sentence: str, source: str) -> str:
    """Return how the sentence turns the source round, in a few words, or "" when it does not."""
    return _negation(sentence, source) or _opposite(sentence, source)


def _negation(sentence: str, source: str) -> str:
    body, particle = _without_particle(sentence)
    denied, plain = _polarity(body)
    source_denied, source_plain = _polarity(source)
    if particle == "yes" and denied and not plain - denied:
        return "yes and no in one sentence"
    if particle == "no" and not source_denied and not _REFUSALS.search(source):
        return "the source does not deny it"
    if denied and not _refused_alike(denied, source_denied, source):
        return "the source does not say not"
    # What the source only denies must not come out as said.
    turned = (source_denied - source_plain) & (plain - denied)
    if turned and not denied:
        return "the source says not"
    limits = _limits(body)
    if limits - _limits(source):
        return "the source does not say only"
    if _limits(source) - limits and _same_matter(body, source):
        return "the source limits it"
    return ""


def _refused_alike(denied: set[str], source_denied: set[str], source: str) -> bool:
    return bool(denied & source_denied) or (not source_denied and bool(_REFUSALS.search(source)))


def _without_particle(sentence: str) -> tuple[str, str]:
    match = re.match(r"\W*(yes|no|nope|yep|yeah)\b\s*[,.!:;–—-]+\s*", sentence, re.IGNORECASE)
    if match is None:
        return sentence, ""
    return sentence[match.end() :], "no" if match[1].lower().startswith("n") else "yes"


def _polarity(text: str) -> tuple[set[str], set[str]]:
    """Stems that a negation governs, and those that stand free of one, clause by clause."""
    denied: set[str] = set()
    plain: set[str] = set()
    text = re.sub(
        r"\bnot only\b|\bno\.? ?(?=\d)|\bno (?:later|earlier|more|less|fewer) than\b|\bwhether or not\b",
        " ",
        text,
        flags=re.I,
    )
    for clause in _CLAUSE.split(text.lower()):
        words = [word.replace("’", "'") for word in _WORD.findall(clause)]
        at = [i for i, word in enumerate(words) if word.replace("'", "") in _NEGATORS or word.endswith("n't")]
        governed: set[int] = set()
        for i in at:
            after = [j for j in range(i + 1, len(words)) if _bears(words[j]) and j not in at][:_SCOPE]
            before = [j for j in range(i - 1, -1, -1) if _bears(words[j]) and j not in at][:2]
            governed.update(after or before)
        for j, word in enumerate(words):
            if _bears(word) and j not in at:
                (denied if j in governed else plain).update(stem([word.replace("'s", "")]))
    return denied, plain


def _bears(word: str) -> bool:
    return word not in STOP_WORDS and not word.endswith("n't")


def _limits(text: str) -> set[str]:
    words = set(tokens(re.sub(r"\bnot only\b", " ", text, flags=re.IGNORECASE)))
    return {"limit"} if words & _LIMITS else set()


def _same_matter(sentence: str, source: str) -> bool:
    """Whether the sentence retells the clause that the source limits, not another part of it."""
    mine = set(content_stems(sentence))
    for clause in re.split(r"[;.!?]\s", source):
        words = set(content_stems(clause))
        if _limits(clause) and words and len(mine & words) >= 0.6 * len(mine):
            return True
    return False


def _opposite(sentence: str, source: str) -> str:
    mine, theirs = set(stems(sentence)), set(stems(source))
    for sides in _opposite_sides():
        for side in sides:
            if not mine & side or theirs & side:
                continue
            if any(theirs & other for other in sides if other is not side):
                return f"the source says the opposite of {min(mine & side)}"
    return ""


@cache
def _opposite_sides() -> tuple[tuple[frozenset[str], ...], ...]:
    return tuple(
        tuple(frozenset(stems(side)) for side in line.split("/"))
        for line in _OPPOSITES.splitlines()
        if line.strip()
    )
