"""What is wrong with an answer, and whether a command is meant.

https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-response-object-modal
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from discord import SelectOption, TextStyle
from discord.ui import Label, LayoutView, Modal, Select, TextInput

from connectors.commands import Confirmation
from connectors.discord.buttons import ConfirmButton, command_text
from connectors.discord.layout import WARNING, boxed, row, text, view
from connectors.discord.names import JUDGE
from connectors.discord.safe_text import words
from connectors.ports import Fault, Judgement
from connectors.wording import BETTER_QUESTION, FAULT_QUESTION, FAULTS, JUDGEMENT_TITLE, MOST_BETTER

_FAULT, _BETTER = "fault", "better"
# discord.py keeps a form until it is sent, or so long; what is sent later is read all the same.
_KEPT_SECONDS = 900.0

Json = Mapping[str, Any]


def judgement_modal(answer_id: str) -> Modal:
    """Ask what is wrong with an answer, and for a better one; both may stay empty."""
    modal = Modal(title=JUDGEMENT_TITLE, custom_id=f"{JUDGE}{answer_id}", timeout=_KEPT_SECONDS)
    options = [SelectOption(label=meaning, value=fault) for fault, meaning in FAULTS.items()]
    choice: Select[Any] = Select(custom_id=_FAULT, options=options, required=False, min_values=0)
    better: TextInput[Any] = TextInput(
        custom_id=_BETTER, style=TextStyle.paragraph, required=False, max_length=MOST_BETTER
    )
    modal.add_item(Label(text=FAULT_QUESTION, component=choice))
    modal.add_item(Label(text=BETTER_QUESTION, component=better))
    return modal


def read_judgement(data: Json) -> tuple[str, Judgement] | None:
    """The answer's id and the judgement, of the data of a form that was sent; None if it is another form.

    It needs nothing but the data, so that a form is read that was opened before a restart.
    """
    name = str(data.get("custom_id") or "")
    if not name.startswith(JUDGE):
        return None
    fields = {field.get("custom_id"): field for field in _fields(data)}
    chosen = fields.get(_FAULT, {}).get("values") or []
    fault = next((fault for fault in get_args(Fault) if fault in chosen), None)
    better = str(fields.get(_BETTER, {}).get("value") or "").strip()[:MOST_BETTER]
    return name.removeprefix(JUDGE), Judgement(False, fault, better)


def confirmation_view(confirmation: Confirmation, command: str, key: str) -> LayoutView:
    """Ask whether a command is meant that cannot be undone, for the eyes of the person who gave it.

    `command`, as `connectors.commands.written` writes it, stands there as it will be done.
    """
    asked = f"### {words(confirmation.title)}\n{words(confirmation.text)}"
    button = ConfirmButton(key, confirmation.button)
    return view(boxed(text(asked), text(command_text(command)), row([button]), colour=WARNING))


def _fields(item: Json) -> Iterator[Json]:
    """The fields of a form, which stand in labels or in rows."""
    inner = [item["component"]] if "component" in item else item.get("components") or []
    for one in inner:
        yield one
        yield from _fields(one)
