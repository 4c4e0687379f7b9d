"""What admins read in a chat: short Markdown in which nothing from outside is a link or a mention."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bot.adapter_library import AdapterCard, AdapterList, VoiceChanged
from bot.indexing import SourceOutcome
from bot.journal import Entry
from bot.library import Change
from bot.places import EVERYWHERE
from bot.reindexing import Reindexed
from bot.status import SourceStatus, Status
from connectors.ports import Mode
from knowledge.sync_report import SyncReport

MOST_LINES = 10
_LONGEST = 200
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_MODES: dict[Mode, str] = {
    "mention": "when I am mentioned",
    "auto": "when I am mentioned, and of myself when I am sure",
    "off": "never",
}


def code(text: str) -> str:
    """Text from outside as code in one line, in which nothing is a link or a mention."""
    plain = _NOT_SHOWN.sub(" ", text.replace("`", "'")).strip()
    return f"`{plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + '…'}`"


def sources_text(sources: Sequence[SourceStatus]) -> str:
    """A line for each source, and its documents that cannot be read."""
    if not sources:
        return "There is no source that you may read."
    return "\n".join(line for source in sources for line in _source_lines(source))


def status_text(status: Status, sources: Sequence[SourceStatus], prefix: str) -> str:
    """The sources, the index, the models and the voices."""
    lines = [line for source in sources for line in _source_lines(source)]
    if not status.serving:
        lines.append("- **No process keeps the index current**; `lorebot serve` does")
    lines += [
        f"- **Index**: {status.documents:,} documents, {status.passages:,} passages, "
        f"generation {status.index_generation}",
        f"- **Models**: {status.generation_model}, {status.embedding_model}",
    ]
    if status.rebuilding is not None:
        done, total = status.rebuilding.documents, status.rebuilding.total
        lines.append(f"- **Rebuilding**: {done:,} of about {total:,} documents")
    lines += [f"- **Voice** in {voice.place}: {code(voice.speaks)}" for voice in status.voices]
    lines += [f"- **Cannot speak**: {code(voice.problem)}" for voice in status.voices if voice.problem]
    return "\n".join(lines) + f"\n\n`{prefix} sources` and `{prefix} adapter list` say more."


def short_status_text(passages: int, sources: Sequence[SourceStatus], voice: str) -> str:
    """What somebody who is no admin may know."""
    current = sum(source.condition in ("current", "running") for source in sources)
    return (
        f"- **Sources**: {len(sources)} that you may read, {current} of them current\n"
        f"- **Index**: {passages:,} passages that you may read\n"
        f"- **Voice** here: {code(voice)}"
    )


def reindexed_text(reindexed: Reindexed, prefix: str) -> str:
    """What a run did to each source."""
    lines = [line for outcome in reindexed.outcomes for line in _outcome_lines(outcome, prefix)]
    lines += [f"- **{name}** is paused and was left out" for name in reindexed.paused]
    return "\n".join(lines) or "There was nothing to do."


def forgotten_text(changes: Sequence[Change]) -> str:
    """What was removed, and how to undo it."""
    return "\n".join(
        f"- {code(change.uri)} of **{change.source}** is forgotten: "
        f"{_counted(change.passages_removed, 'passage')} removed. It stays out until "
        "`lorebot documents restore` lifts that."
        for change in changes
    )


def adapters_text(adapters: AdapterList) -> str:
    """A line for each version, then one for each place."""
    lines = [f"- {code(adapter.reference)}: {adapter.standing}" for adapter in adapters.adapters]
    lines = lines or ["- No adapter is installed; the base model speaks"]
    for voice in adapters.voices:
        problem = f"; {code(voice.problem)}" if voice.problem else ""
        lines.append(f"- **{voice.place}**: {code(voice.speaks)}{problem}")
    return "\n".join(lines)


def adapter_text(card: AdapterCard) -> str:
    """Where one version comes from, and what was measured."""
    summary, manifest = card.summary, card.manifest
    facts = {
        "Evaluation": summary.standing,
        "Speaks in": ", ".join(summary.places) or "no place",
        "Parent": summary.parent,
        "Base model": str(manifest["base_model"]),
        "Trained": f"{summary.created_at:%Y-%m-%d} by {summary.created_by}",
        "Data": str(manifest["data_licence"] or ""),
        "Notes": str(manifest["notes"] or ""),
    }
    lines = [f"**{code(summary.reference)}**"]
    lines += [f"- **{name}**: {code(value)}" for name, value in facts.items() if value]
    lines += [f"- {code(reason)}" for reason in (card.verdict or {}).get("reasons", ())]
    return "\n".join(lines)


def voice_text(changed: VoiceChanged, prefix: str) -> str:
    """Who speaks where from now on, and how to undo it."""
    change = changed.change
    where = "" if change.place == EVERYWHERE else f" in **{change.place}**"
    if not change.changed:
        return f"{code(change.speaks)} speaks{where} already."
    instead = f" in place of {code(change.before)}" if change.before else ""
    if change.now:
        here = " here" if "/" in change.place else ""
        text = f"{code(change.now)} speaks{where} from the next question on{instead}."
        text += f" `{prefix} adapter rollback{here}` undoes that."
    else:
        text = f"{code(change.before)} is taken back{where}: {code(change.speaks)} speaks, as before."
    kept = [f"\n- **{voice.place}** keeps its own voice, {code(voice.speaks)}" for voice in changed.elsewhere]
    return text + "".join(kept)


def mode_text(mode: Mode) -> str:
    """When the bot answers in a channel."""
    return f"I answer in this channel {_MODES[mode]}."


def audit_text(entries: Sequence[Entry]) -> str:
    """A line for each act, the newest first; how it ended where that came later."""
    ends = {entry.details["ends"]: str(entry.details["outcome"]) for entry in entries if _ends(entry)}
    lines = [
        f"- {entry.at:%Y-%m-%d %H:%M} UTC · {code(entry.who)} · {_deed(entry)}"
        + (f": {code(ends[entry.id])}" if entry.id in ends else "")
        for entry in entries
        if not _ends(entry)
    ]
    return "\n".join(lines[:MOST_LINES]) or "Nothing was administered yet."


def outcome_words(reindexed: Reindexed) -> str:
    """What a run did, in the few words of an audit."""
    return "; ".join(
        f"{outcome.source} {_counts(outcome.report) if outcome.report else outcome.error}"
        for outcome in reindexed.outcomes
    )


def _ends(entry: Entry) -> bool:
    return "ends" in entry.details


def _deed(entry: Entry) -> str:
    details = entry.details
    match entry.kind:
        case "voice":
            now, before = details["adapter"] or "no voice of its own", details["before"] or "none"
            return f"voice of {code(entry.subject)}: {code(before)} → {code(now)}"
        case "mode":
            return f"mode of {code(entry.subject)}: {details['mode']}"
        case "quiet":
            return f"{'quiet' if details['quiet'] else 'awake'} in {code(entry.subject)}"
        case "adapter":
            return f"{code(entry.subject)} {details['done']}"
        case _:
            return code(entry.subject)


def _source_lines(source: SourceStatus) -> Iterator[str]:
    health = code(source.health) if source.condition == "failing" else source.health
    left = "" if source.configured else " (no longer configured)"
    yield (
        f"- **{source.name}**{left}: {_counted(source.documents, 'document')}, "
        f"{_counted(source.passages, 'passage')}; {health}"
    )
    yield from _some([f"cannot be read: {code(failing)}" for failing in source.failing])


def _outcome_lines(outcome: SourceOutcome, prefix: str) -> Iterator[str]:
    report = outcome.report
    if report is None:
        yield f"- **{outcome.source}** was not synced: {code(outcome.error)}"
        return
    words = "was stopped; the next run goes on from there" if report.cancelled else "is up to date"
    yield f"- **{outcome.source}** {words}: {_counts(report)} ({report.seconds:.1f} s)"
    yield from _some([f"{code(failure.uri)}: {code(failure.error)}" for failure in report.failed])
    if any("onfirm the deletions" in failure.error for failure in report.failed):
        yield f"  - `{prefix} reindex {outcome.source} --confirm-deletions` deletes them all the same"


def _counts(report: SyncReport) -> str:
    counts = {
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "failed": len(report.failed) + report.still_failing,
    }
    some = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return some or f"nothing new in {_counted(report.unchanged, 'document')}"


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  - {line}" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"  - … and {len(lines) - MOST_LINES:,} more"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
