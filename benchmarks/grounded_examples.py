"""The examples that the adapter `grounded` is trained on, and those on which its skill is measured.

    python -m benchmarks.grounded_examples ../shared/eval FOLDER
    lorebot adapters train grounded --examples FOLDER/training.jsonl --from base --epochs 2.5

Training rows come from the invented teams in `examples/grounded`, from invented tables, from two of three
encyclopaedia articles of `xquad-a` and from `long-documents`; held-out rows from the third of the
articles, indexed by themselves. Each question is put to the real index, and the evidence is what the engine
would show to the model. The answer is the reply that was written for the question, or else the sentence of
the evidence that holds the answer, without the clauses nobody asked for. Questions whose passages are
withheld, and those that the documents leave open, get the sentence that declines. FOLDER/articles gets the
held-out articles with their questions, for `lorebot eval`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.table_rows import table_rows
from bot.assembly import Assembly
from bot.disagreement import settle
from bot.evaluation import QuestionRow, meets, read_questions
from bot.evidence import Evidence, EvidenceSelector, read_by_model, shown
from bot.settings import Settings
from bot.source_settings import FolderSettings
from bot.trial import READER, index_everything
from knowledge.documents import FoundPassage
from knowledge.terms import content_stems

# Its first word begins no answer, so that declining is one decision of the model.
DECLINE = "Not found: the evidence does not hold the answer."
PASSAGES = 8
PIECES = 5
HELD_OUT_EVERY = 3
WITHHELD = 120
MOST_DECLINES = 500
MOST_OF_LONG_DOCUMENTS = 120
TABLE_ANSWERS, TABLE_DECLINES = 330, 60
SEED = 7

_OPENING = re.compile(
    r"^(?:However|In addition|Additionally|Moreover|Furthermore|Therefore|Thus|Also|Meanwhile|Consequently"
    r"|As a result|For example|For instance|In fact|Indeed|Similarly|Finally|Nevertheless|Nonetheless"
    r"|On the other hand|In contrast|Specifically|Notably|Conversely),\s+"
)
_CLAUSE = re.compile(
    r"(?:;|,| [–—-])(?= (?:which|while|whereas|and|but|although|though|where|who|with|including|such as|since"
    r"|because|so|then|or)\b)|;(?= )| [–—](?= )"
)
_LONG = 22


@dataclass(frozen=True)
class Row:
    """One example; `answers` are the strings that make a reply right, and `gold` where they stand."""

    question: str
    evidence: list[tuple[str, str]]
    answer: str
    answers: tuple[str, ...] = ()
    gold: tuple[int, ...] = ()


@dataclass(frozen=True)
class Put:
    """A question as the engine sees it: the evidence with its passages there, and with them withheld."""

    row: QuestionRow
    evidence: tuple[Evidence, ...]
    without: tuple[Evidence, ...]


def put_all(docs: Path, rows: Sequence[QuestionRow]) -> list[Put]:
    """Index a folder in a scratch home and select the evidence for every question."""
    models = Settings().home / "models"
    with tempfile.TemporaryDirectory() as scratch:
        source = FolderSettings(name="docs", kind="folder", path=docs)
        settings = Settings().model_copy(update={"home": Path(scratch), "sources": (source,)})
        assembly = Assembly(settings, lambda line: None, models=models)
        index_everything(assembly)
        selector = EvidenceSelector(assembly.kept_vectors.embed)

        with assembly.search.reading() as index:

            def read(question: str, passages: Sequence[FoundPassage]) -> tuple[Evidence, ...]:
                weights = index.term_weights(question)
                evidence = selector.select(question, passages[:PASSAGES], weights, PIECES)
                return read_by_model(settle(question, evidence).evidence)

            found = []
            for row in rows:
                passages = index.find(row.question, READER, PASSAGES + len(row.relevant))
                rest = [p for p in passages if not any(meets(entry, p) for entry in row.relevant)]
                found.append(Put(row, read(row.question, passages), read(row.question, rest)))
        asyncio.run(assembly.close())
        return found


def _holds(answers: Sequence[str], text: str) -> bool:
    return any(answer.casefold() in text.casefold() for answer in answers)


def _cited(say: str, number: int) -> str:
    end = say[-1] if say[-1] in ".!?" else "."
    return f"{say.rstrip(' .,;:!?')} [{number}]{end}"


def condensed(question: str, text: str, keep: Callable[[str], bool]) -> str:
    """A sentence without its opening word, and without the last clauses when what was asked stands before."""
    opened = _OPENING.sub("", text)
    shorter = opened[:1].upper() + opened[1:]
    if len(shorter.split()) <= _LONG:
        return shorter
    asked = set(content_stems(question))
    wanted = asked & set(content_stems(shorter))
    for match in _CLAUSE.finditer(shorter):
        part = shorter[: match.start()]
        balanced = part.count("(") == part.count(")") and part.count('"') % 2 == 0
        if keep(part) and balanced and len(part.split()) >= 6 and wanted <= set(content_stems(part)):
            return part
    return shorter


def from_articles(puts: Sequence[Put], withheld: int) -> Iterator[Row]:
    """Rows of a set whose questions have short answers, and rows whose passages were taken away."""
    for put in puts:
        answers = put.row.answers
        gold = [
            number
            for number, entry in enumerate(put.evidence, start=1)
            if _holds(answers, entry.text) and any(meets(place, entry.passage) for place in put.row.relevant)
        ]
        if gold:
            text = put.evidence[gold[0] - 1].text
            said = condensed(put.row.question, text, partial(_holds, answers))
            yield Row(put.row.question, shown(put.evidence), _cited(said, gold[0]), answers, tuple(gold))
    without = [
        put
        for put in puts
        if put.without and not any(_holds(put.row.answers, e.text + e.context) for e in put.without)
    ]
    for put in random.Random(SEED).sample(without, min(withheld, len(without))):
        yield Row(put.row.question, shown(put.without), DECLINE)


def from_sentences(puts: Sequence[Put]) -> Iterator[Row]:
    """Rows of a set that names the sentences which hold the answer."""
    for put in puts:
        gold = [set(content_stems(sentence)) for sentence in put.row.evidence]
        for number, entry in enumerate(put.evidence, start=1):
            words, length = set(content_stems(entry.text)), len(entry.text.split())
            if (
                len(words) >= 4
                and any(len(words & stems) >= 0.8 * len(words) for stems in gold)
                and 5 <= length <= 45
                and entry.text[0].isupper()
            ):
                end = " ".join(entry.text.split()[-4:])
                said = condensed(put.row.question, entry.text, partial(_holds, (end,)))
                yield Row(put.row.question, shown(put.evidence), _cited(said, number))
                break


def from_teams(puts: Sequence[Put], replies: dict[str, list[dict[str, str]]]) -> Iterator[Row]:
    """Rows of the invented teams, whose replies were written with the place that each sentence rests on."""
    for number, put in enumerate(puts):
        row = put.row
        said, gold = [], []
        for sentence in replies[row.id]:
            at = next((n for n, e in enumerate(put.evidence, 1) if _is_there(sentence["rests_on"], e)), None)
            if at is not None:
                said.append(_cited(sentence["say"], at))
                gold.append(at)
        answer = " ".join(said)
        if answer and _holds(row.answers, answer):
            yield Row(row.question, shown(put.evidence), answer, row.answers, tuple(gold))
        elif not row.answerable and put.evidence:
            yield Row(row.question, shown(put.evidence), DECLINE)
        # Every sixth question is asked once more with its passages withheld.
        if row.answerable and number % 6 == 0 and put.without:
            texts = " ".join(entry.text + entry.context for entry in put.without)
            if not _holds(row.answers, texts):
                yield Row(row.question, shown(put.without), DECLINE)


def _is_there(rests_on: str, entry: Evidence) -> bool:
    wanted = set(re.findall(r"\w+", rests_on.casefold()))
    there = set(re.findall(r"\w+", f"{entry.lead} {entry.text}".casefold()))
    return len(wanted & there) >= 0.9 * len(wanted)


def articles_of(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the articles to train on, and of those that are held out."""
    names = sorted(path.name for path in (folder / "docs").glob("*.md"))
    held_out = [name for place, name in enumerate(names) if place % HELD_OUT_EVERY == 1]
    return [name for name in names if name not in held_out], held_out


def copy_articles(folder: Path, names: Sequence[str], target: Path) -> list[QuestionRow]:
    """Copy some articles of a set, and the questions about them, which are returned."""
    (target / "docs").mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(folder / "docs" / name, target / "docs")
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    own = [line for line in lines if json.loads(line)["relevant"][0].partition("#")[0] in names]
    (target / "questions.jsonl").write_text("".join(own), encoding="utf-8")
    return read_questions(target / "questions.jsonl")


def put_articles(folder: Path, names: Sequence[str], target: Path) -> list[Put]:
    """The questions about some articles of a set, which are copied to `target` and indexed by themselves."""
    rows = copy_articles(folder, names, target)
    return put_all(target / "docs", rows)


def put_teams(folder: Path) -> tuple[list[Put], dict[str, list[dict[str, str]]]]:
    """The questions of the invented teams, and their replies by id."""
    rows: list[QuestionRow] = []
    replies: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        rows += read_questions(path)
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            replies[entry["id"]] = entry["reply"]
    return put_all(folder / "documents", rows), replies


def _numbered_declines(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """Each row with the number of rows before it that decline, for those that decline, else 0."""
    declined = 0
    for row in rows:
        yield declined if row.answer == DECLINE else 0, row
        declined += row.answer == DECLINE


def write(path: Path, rows: Sequence[Row], fields: Sequence[str]) -> None:
    """Write rows, with these fields alone, one JSON object a line."""
    lines = (json.dumps({name: asdict(row)[name] for name in fields}, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write both files and say how many rows of which kind they hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("evaluation_data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teams", type=Path, default=Path("examples/grounded"))
    options = parser.parse_args()
    articles = options.evaluation_data / "xquad-a"
    names, held_out = articles_of(articles)
    long = options.evaluation_data / "long-documents"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        sets = {
            "teams": list(from_teams(*put_teams(options.teams))),
            "articles": list(from_articles(put_articles(articles, names, scratch), WITHHELD)),
            "long documents": list(
                from_sentences(put_all(long / "docs", read_questions(long / "questions.jsonl")))
            )[:MOST_OF_LONG_DOCUMENTS],
        }
    sets["tables"] = [
        Row(row.question, list(row.evidence), row.reply or DECLINE)
        for row in table_rows(TABLE_ANSWERS, TABLE_DECLINES, SEED)
    ]
    distinct: dict[tuple[object, ...], Row] = {}
    for row in (row for rows in sets.values() for row in rows if not row.answer.endswith("?")):
        distinct.setdefault((row.question, *row.evidence), row)
    training = list(distinct.values())
    random.Random(SEED).shuffle(training)
    training = [row for place, row in _numbered_declines(training) if place < MOST_DECLINES]
    kept_out = list(from_articles(put_articles(articles, held_out, options.folder / "articles"), 10_000))
    options.folder.mkdir(parents=True, exist_ok=True)
    write(options.folder / "training.jsonl", training, ("question", "evidence", "answer"))
    fields = ("question", "evidence", "answer", "answers", "gold")
    write(options.folder / "held-out.jsonl", kept_out, fields)
    for name, rows in {**sets, "held out": kept_out}.items():
        counts = Counter("declines" if row.answer == DECLINE else "answers" for row in rows)
        print(f"{name}: {counts['answers']} answers, {counts['declines']} declines")


if __name__ == "__main__":
    main()
