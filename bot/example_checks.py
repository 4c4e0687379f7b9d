"""Whether examples teach what a voice may learn: each row's facts stand in its prompt, and nothing leaks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.chat import ChatTokenizer
from adapters.dataset import Example, Fault, normal
from adapters.disclosures import disclosures
from adapters.lesson import encode_lesson
from bot.citations import parse_markers
from bot.facts import Fact, hard_facts, missing_facts
from bot.lessons import lesson_of
from bot.sentences import sentences
from knowledge.terms import tokens

# Several times what the engine puts before a small model; longer rows take memory and time for nothing.
MOST_TOKENS = 1024

# A name may be an ordinary word at the beginning of a sentence, so names are no proof of invention.
_UNCERTAIN = frozenset({"name"})
_TIMES = {"once": "1", "twice": "2", "thrice": "3"}


def find_faults(path: Path, examples: Sequence[Example], tokenizer: ChatTokenizer) -> tuple[Fault, ...]:
    """The faults of the examples that were read from `path`, by line, each with the way to mend it."""
    faults = [*_repetitions(path, examples)]
    given_away = disclosures(["\n".join(example.texts) for example in examples])
    for example, kinds in zip(examples, given_away, strict=True):
        messages = [*_wrong_in(example), *_too_long(example, tokenizer)]
        messages += [f"it holds {kind}; put an invented one in its place" for kind in kinds]
        faults += [Fault(path, example.line, message) for message in messages]
    return tuple(sorted(faults, key=lambda fault: fault.line))


def _wrong_in(example: Example) -> Iterator[str]:
    bare, markers = parse_markers(example.answer)
    count = len(example.evidence)
    beyond = [f"[{marker}]" for marker in markers if not 1 <= marker <= count]
    if beyond:
        has = f"has {count} piece{'s' if count > 1 else ''} of evidence" if count else "has no evidence"
        yield f"the answer cites {', '.join(beyond)}, but the row {has}; correct the number, or take it out"
    prompt = " ".join(text for text in example.texts[:-1])
    if invented := _missing(bare, prompt):
        yield (
            f"the answer says {_listed(invented)}, which stands neither in its evidence nor in the question; "
            "correct the answer, or add the evidence"
        )
    elif not beyond:
        yield from _misplaced(example)


def _misplaced(example: Example) -> Iterator[str]:
    """Facts of a sentence that stand in other evidence than the sentence cites."""
    for sentence in sentences(example.answer):
        bare, markers = parse_markers(sentence)
        if not markers:
            continue
        cited = " ".join(" ".join(example.evidence[marker - 1]) for marker in markers)
        if elsewhere := _missing(bare, f"{example.question} {cited}"):
            named = "".join(f"[{marker}]" for marker in markers)
            yield (
                f"the answer cites {named} for {_listed(elsewhere)}, which stands in other evidence; "
                "correct the number"
            )


def _missing(said: str, source: str) -> list[Fact]:
    """The numbers, dates, links and addresses of a text that its source does not hold."""
    facts = frozenset(fact for fact in hard_facts(said) if fact.kind not in _UNCERTAIN)
    numbers = {*re.findall(r"\d+", source), *(_TIMES[word] for word in tokens(source) if word in _TIMES)}

    def stands_there(fact: Fact) -> bool:
        """Whether a bare number is there, though written otherwise: under 8, under 8s; twice, two times."""
        bare = fact.kind in {"amount", "code"} and not fact.unit
        return bare and numbers.issuperset(re.findall(r"\d+", fact.value))

    return [fact for fact in missing_facts(facts, hard_facts(source), source) if not stands_there(fact)]


def _listed(facts: Sequence[Fact]) -> str:
    return ", ".join(f"'{fact}'" for fact in facts)


def _too_long(example: Example, tokenizer: ChatTokenizer) -> Iterator[str]:
    length = len(encode_lesson(lesson_of(example), tokenizer).tokens)
    if length > MOST_TOKENS:
        yield (
            f"prompt and answer are {length:,} tokens long and may be {MOST_TOKENS:,}; keep the sentences "
            "that are evidence"
        )


def _repetitions(path: Path, examples: Sequence[Example]) -> Iterator[Fault]:
    """Rows that say again what another says, or something else to the same question and evidence."""
    alike: dict[tuple[str, frozenset[str]], list[Example]] = defaultdict(list)
    for example in examples:
        evidence = frozenset(normal(" ".join(pair)) for pair in example.evidence)
        earlier = alike[normal(example.question), evidence]
        for other in earlier:
            if message := _conflict(other, example):
                yield Fault(path, example.line, message)
                break
        earlier.append(example)


def _conflict(earlier: Example, later: Example) -> str:
    """What is wrong with two answers to the same question on the same evidence; "" when both may stand."""
    if normal(earlier.answer) == normal(later.answer):
        return f"the same as line {earlier.line}; delete one of the two"
    contradiction = f"it contradicts line {earlier.line}, the same question on the same evidence"
    if _declines(earlier) != _declines(later):
        return f"{contradiction}: one of the two declines; keep the one that is right"
    if difference := _difference(earlier, later):
        return f"{contradiction}: {difference}; keep the one that is right"
    return ""


def _declines(example: Example) -> bool:
    """Whether the answer says that the evidence does not hold it."""
    return bool(example.evidence) and not parse_markers(example.answer)[1]


def _difference(one: Example, other: Example) -> str:
    """What each of two answers says and the other does not; "" when one only says more."""
    said, heard = parse_markers(one.answer)[0], parse_markers(other.answer)[0]
    only_said, only_heard = _missing(said, heard), _missing(heard, said)
    return f"{_listed(only_said)} there, {_listed(only_heard)} here" if only_said and only_heard else ""
