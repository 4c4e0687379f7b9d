"""The JSON that `--json` prints: stable names for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bot.adapter_library import AdapterView
from bot.indexing import SourceOutcome
from bot.library import View
from bot.status import Status
from bot.voice_comparison import Comparison
from connectors.conversation import Answer, Citation
from connectors.freshness import freshness
from knowledge.documents import FoundPassage


def answer_as_json(answer: Answer) -> str:
    """The contract of `lorebot ask --json`; `freshness` tells each source's dates in words."""
    now = datetime.now(UTC)
    return _dump(
        {
            "id": answer.id,
            "question": answer.question,
            "standalone_question": answer.standalone_question,
            "answer": answer.text,
            "route": answer.route,
            "abstained": answer.abstained,
            "confidence": round(answer.confidence, 3),
            "citations": [_cited(citation, now) for citation in answer.citations],
            "nearest": [asdict(document) for document in answer.nearest],
            "sentences": [asdict(sentence) for sentence in answer.sentences],
            "adapter": asdict(answer.voice),
            "model": answer.model,
            "index_generation": answer.index_generation,
            "timings": {name: round(seconds, 4) for name, seconds in asdict(answer.timings).items()},
        }
    )


def outcomes_as_json(outcomes: Sequence[SourceOutcome]) -> str:
    """The contract of `lorebot sync --json`: counts over all sources; a source that failed is in `failed`."""
    reports = [outcome.report for outcome in outcomes if outcome.report is not None]
    failed = [{"uri": failure.uri, "error": failure.error} for report in reports for failure in report.failed]
    failed += [{"uri": outcome.source, "error": outcome.error} for outcome in outcomes if not outcome.report]
    return _dump(
        {
            "added": sum(len(report.added) for report in reports),
            "changed": sum(len(report.changed) for report in reports),
            "removed": sum(len(report.removed) for report in reports),
            "unchanged": sum(report.unchanged for report in reports),
            "failed": failed,
            "still_failing": sum(report.still_failing for report in reports),
            "passages_embedded": sum(report.passages_embedded for report in reports),
            "passages_live": max((report.passages_live for report in reports), default=0),
            "seconds": round(sum(report.seconds for report in reports), 4),
            "index_generation": max((report.index_generation for report in reports), default=0),
            "cancelled": any(report.cancelled for report in reports),
        }
    )


def passages_as_json(passages: Sequence[FoundPassage]) -> str:
    """The contract of `lorebot search --json`."""
    return _dump({"passages": [asdict(passage) for passage in passages]})


def status_as_json(status: Status) -> str:
    """The contract of `lorebot status --json`."""
    name, version, digest = status.adapter
    return _dump({**asdict(status), "adapter": {"name": name, "version": version, "hash": digest}})


def view_as_json(view: View | AdapterView | Comparison) -> str:
    """The contract of `sources`, `documents`, `passages` and `adapters` with `--json`.

    These are the fields of `bot.library`, `bot.adapter_library` and `bot.voice_comparison`.
    """
    return _dump(asdict(view))


def _cited(citation: Citation, now: datetime) -> dict[str, Any]:
    return {**asdict(citation), "freshness": freshness(citation, now)}


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
