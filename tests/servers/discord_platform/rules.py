"""What Discord refuses (https://docs.discord.com/developers/topics/opcodes-and-status-codes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 2, 1 << 5, 1 << 6, 1 << 7, 1 << 15
ROW, BUTTON, TEXT_INPUT, SECTION, TEXT, CONTAINER, LABEL = 1, 2, 4, 9, 10, 17, 18
SELECTS = (3, 5, 6, 7, 8)
ONLY_V2 = (SECTION, TEXT, 11, 12, 13, 14, CONTAINER)
ERRORS: dict[int, tuple[int, str]] = {
    0: (401, "401: Unauthorized"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    10066: (404, "Unknown application command permissions"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    160004: (400, "A thread has already been created for this message"),
}


class RefusedError(Exception):
    """The answer to a request that breaks a rule."""

    def __init__(self, code: int, detail: str = "", status: int = 0) -> None:
        known = ERRORS.get(code, (400, "Refused"))
        self.status = status or known[0]
        self.body: Json = {"code": code, "message": known[1]}
        if detail:
            errors = [{"code": "INVALID", "message": detail}]
            self.body["errors"] = {"_errors": errors}
        super().__init__(f"{known[1]} {detail}".strip())


def require(condition: object, code: int, detail: str = "") -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise RefusedError(code, detail)


def within(value: Any, most: int, what: str, least: int = 0) -> None:
    """Refuse a text that is too short or too long."""
    size = len(value or "")
    require(least <= size <= most, 50035, f"{what}: must be between {least} and {most} in length, is {size}")


def every(components: Any) -> Iterator[Json]:
    """All components of a message or a modal, nested ones included."""
    for each in components or ():
        yield each
        yield from every(each.get("components"))
        yield from every([each[key] for key in ("accessory", "component") if each.get(key)])


def check_message(message: Json) -> None:
    """Refuse a message (as it would be stored) that Discord would not take.

    Raises:
        RefusedError: with the code of Discord's own answer.
    """
    content, embeds = message.get("content") or "", message.get("embeds") or []
    components = message.get("components") or []
    if message.get("flags", 0) & COMPONENTS_V2:
        alone = not (content or embeds or message.get("poll"))
        require(alone, 50035, "components v2 do not go together with content, embeds or polls")
        require(components, 50006)
        _check_layout(components)
    else:
        within(content, 2_000, "content")
        has_file = message.get("attachments") or message.get("sticker_ids")
        require(content or embeds or components or has_file, 50006)
        require(len(components) <= 5, 50035, "components: 5 rows at most")
        for each in every(components):
            require(each["type"] not in ONLY_V2, 50035, f"component type {each['type']} needs components v2")
        require(all(each["type"] == ROW for each in components), 50035, "components: must be action rows")
    _check_embeds(embeds)
    _check_interactive(components)


def _check_layout(components: list[Json]) -> None:
    found = list(every(components))
    require(len(found) <= 40, 50035, f"components: 40 at most, there are {len(found)}")
    for each in found:
        if each["type"] == TEXT:
            within(each.get("content"), 4_000, "text display", 1)
        if each["type"] == SECTION:
            require(1 <= len(each["components"]) <= 3, 50035, "section: 1 to 3 texts")
            require(each.get("accessory"), 50035, "section: needs an accessory")
        if each["type"] == CONTAINER:
            require(each.get("components"), 50035, "container: must not be empty")
    total = sum(len(each["content"]) for each in found if each["type"] == TEXT)
    require(total <= 4_000, 50035, f"components: 4000 characters at most, there are {total}")
    top = all(each["type"] in (ROW, *ONLY_V2) for each in components)
    require(top, 50035, "components: buttons and selects belong in a row or a section")


def _check_interactive(components: list[Json]) -> None:
    found = list(every(components))
    for row in (each for each in found if each["type"] == ROW):
        inside = [each["type"] for each in row["components"]]
        fits = inside and (len(inside) == 1 or (set(inside) == {BUTTON} and len(inside) <= 5))
        require(fits, 50035, "row: one select or 1 to 5 buttons")
    for each in found:
        if each["type"] == BUTTON:
            within(each.get("label"), 80, "label", 0 if each.get("emoji") else 1)
            is_link = each["style"] == 5
            require(is_link == bool(each.get("url")), 50035, "button: a url if and only if it is a link")
            require(is_link != bool(each.get("custom_id")), 50035, "button: a custom_id unless it is a link")
            within(each.get("url"), 512, "url")
        if each["type"] in SELECTS:
            within(each.get("placeholder"), 150, "placeholder")
            require(each["type"] != 3 or 1 <= len(each["options"]) <= 25, 50035, "select: 1 to 25 options")
            for option in each.get("options", ()):
                within(option["label"], 100, "option label", 1)
                within(option["value"], 100, "option value", 1)
    ids = [each["custom_id"] for each in found if each.get("custom_id")]
    for each_id in ids:
        within(each_id, 100, "custom_id", 1)
    require(len(ids) == len(set(ids)), 50035, "custom_id: cannot be duplicated")


def _check_embeds(embeds: list[Json]) -> None:
    require(len(embeds) <= 10, 50035, "embeds: 10 at most")
    total = 0
    for embed in embeds:
        fields = embed.get("fields", [])
        within(embed.get("title"), 256, "embed title")
        within(embed.get("description"), 4_096, "embed description")
        require(len(fields) <= 25, 50035, "embed fields: 25 at most")
        texts = [embed.get("title"), embed.get("description")]
        texts += [part for field in fields for part in (field["name"], field["value"])]
        texts += [embed.get("footer", {}).get("text"), embed.get("author", {}).get("name")]
        for field in fields:
            within(field["name"], 256, "field name", 1)
            within(field["value"], 1_024, "field value", 1)
        total += sum(len(text or "") for text in texts)
    require(total <= 6_000, 50035, "embeds: 6000 characters at most together")


def check_modal(modal: Json) -> None:
    """Refuse a modal that Discord would not open."""
    within(modal.get("title"), 45, "title", 1)
    within(modal.get("custom_id"), 100, "custom_id", 1)
    require(1 <= len(modal["components"]) <= 5, 50035, "modal: 1 to 5 components")
    for each in every(modal["components"]):
        if each["type"] == TEXT_INPUT:
            within(each.get("custom_id"), 100, "custom_id", 1)
            within(each.get("placeholder"), 100, "placeholder")
            within(each.get("value"), min(4_000, each.get("max_length") or 4_000), "value")
        if each["type"] in (TEXT_INPUT, LABEL):
            within(each.get("label"), 45, "label")
        if each["type"] == LABEL:
            within(each.get("description"), 100, "description")
