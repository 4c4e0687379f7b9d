"""Small windows: what is wrong with an answer, and whether a command is meant.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from connectors.commands import Confirmation
from connectors.ports import Fault, Judgement
from connectors.slack import names
from connectors.slack.blocks import MOST_SECTION, Json, plain_text
from connectors.wording import (
    BETTER_QUESTION,
    CANCEL,
    FAULT_QUESTION,
    FAULTS,
    JUDGEMENT_TITLE,
    MOST_BETTER,
    cut,
)

_FAULT, _BETTER = "fault", "better"
_ANSWER = "answer"


def judgement_modal(answer_id: str, context: Mapping[str, str] | None = None) -> Json:
    """Ask what is wrong with an answer, and for a better one; both may stay empty.

    `context` comes back with `read_context`: 3,000 characters of JSON at most.
    """
    options: list[Json] = [{"text": plain_text(text, 75), "value": fault} for fault, text in FAULTS.items()]
    return {
        **_modal(names.JUDGE, JUDGEMENT_TITLE, "Send", {**(context or {}), _ANSWER: answer_id}),
        "blocks": [
            _optional(_FAULT, FAULT_QUESTION, {"type": "radio_buttons", "options": options}),
            _optional(
                _BETTER,
                BETTER_QUESTION,
                {"type": "plain_text_input", "multiline": True, "max_length": MOST_BETTER},
            ),
        ],
    }


def read_judgement(view: Mapping[str, Any]) -> tuple[str, Judgement]:
    """The answer's id and the judgement, of a `view_submission`'s view."""
    values = view.get("state", {}).get("values", {})
    chosen = (_state(values, _FAULT).get("selected_option") or {}).get("value")
    fault = next((fault for fault in get_args(Fault) if fault == chosen), None)
    better = (_state(values, _BETTER).get("value") or "").strip()[:MOST_BETTER]
    return read_context(view).get(_ANSWER, ""), Judgement(False, fault, better)


def confirmation_modal(confirmation: Confirmation, context: Mapping[str, str]) -> Json:
    """Ask whether a command is meant that cannot be undone; `context` as in `judgement_modal`."""
    # Not neutralised, for an address must be read as it was typed: a plain text calls and links nothing.
    text = {"type": "plain_text", "text": cut(confirmation.text, MOST_SECTION), "emoji": False}
    return {
        **_modal(names.CONFIRM, confirmation.title, confirmation.button, context),
        "blocks": [{"type": "section", "text": text}],
    }


def read_context(view: Mapping[str, Any]) -> dict[str, str]:
    """What a modal was given as its context; empty if it is not readable."""
    try:
        context = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in context.items()} if isinstance(context, dict) else {}


def _modal(callback: str, title: str, submit: str, context: Mapping[str, str]) -> Json:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": json.dumps(dict(context), ensure_ascii=False),
        "title": plain_text(title, 24),
        "submit": plain_text(submit, 24),
        "close": plain_text(CANCEL, 24),
    }


def _optional(name: str, label: str, element: Json) -> Json:
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": plain_text(label),
        "element": {**element, "action_id": name},
    }


def _state(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = values.get(name, {}).get(name, {})
    return found
