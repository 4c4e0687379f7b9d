"""What can be pressed under an answer."""

from __future__ import annotations

from connectors.conversation import Answer
from connectors.slack import names
from connectors.slack.blocks import Json, button
from connectors.wording import ASK_PERSON, HELPFUL, NOT_HELPFUL, SHARE, SHOW_PASSAGES

_HELPFUL, _UNHELPFUL = "up:", "down:"


def answer_buttons(answer: Answer, expert: str | None) -> tuple[Json, ...]:
    """Buttons that carry the answer's id: what was read, if anything, and whom to ask, if one is known."""
    made = [button(SHOW_PASSAGES, names.SHOW_PASSAGES, answer.id)] if answer.read else []
    return (*made, *([button(ASK_PERSON, names.ASK_PERSON, answer.id)] if expert else []))


def share_button(answer_id: str) -> Json:
    """For an answer that one person alone sees."""
    return button(SHARE, names.SHARE, answer_id, "primary")


def feedback(answer_id: str) -> Json:
    """Slack's own thumbs.

    https://docs.slack.dev/reference/block-kit/block-elements/feedback-buttons-element
    """
    thumbs = {
        "type": "feedback_buttons",
        "action_id": names.FEEDBACK,
        "positive_button": _thumb(HELPFUL, "This answer helped", f"{_HELPFUL}{answer_id}"),
        "negative_button": _thumb(
            NOT_HELPFUL, "Say what is wrong with this answer", f"{_UNHELPFUL}{answer_id}"
        ),
    }
    return {"type": "context_actions", "elements": [thumbs]}


def read_feedback(value: str) -> tuple[str, bool]:
    """The answer's id and whether it helped, of a thumb that was pressed."""
    return value.removeprefix(_HELPFUL).removeprefix(_UNHELPFUL), value.startswith(_HELPFUL)


def _thumb(text: str, label: str, value: str) -> Json:
    return {"text": {"type": "plain_text", "text": text}, "accessibility_label": label, "value": value}
