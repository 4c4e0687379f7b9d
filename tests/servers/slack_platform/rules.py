"""What Slack refuses in texts, blocks and views (https://docs.slack.dev/reference/block-kit)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

MARKDOWN, SECTION, BLOCKS, VIEW_BLOCKS, ALL_BLOCKS = 12_000, 3_000, 50, 100, 13_000
LAYOUT = {"actions", "container", "context", "context_actions", "divider", "header", "input", "section"}
CONTENT = {"alert", "card", "carousel", "file", "image", "markdown", "plan", "rich_text", "table", "video"}
BLOCK_TYPES = LAYOUT | CONTENT | {"task_card"}
STATUSES = frozenset(["pending", "in_progress", "complete", "error"])


class RefusedError(Exception):
    """A call that Slack refuses with an error code."""

    def __init__(self, error: str, *messages: str, **fields: Any) -> None:
        super().__init__(error, *messages)
        self.reply: Json = {"ok": False, "error": error, **fields}
        if messages:
            self.reply["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in messages]}


def require(condition: object, error: str, *messages: str, **fields: Any) -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise RefusedError(error, *messages, **fields)


def check_blocks(blocks: Any, most: int = BLOCKS, error: str = "invalid_blocks") -> None:
    """Refuse blocks that Slack would not draw; the message says which and why."""
    require(isinstance(blocks, list), "invalid_blocks_format")
    require(len(blocks) <= most, error, f"no more than {most} items allowed [json-pointer:/blocks]")
    names: set[str] = set()
    for place, block in enumerate(blocks):
        where = f"[json-pointer:/blocks/{place}]"
        require(
            isinstance(block, dict) and block.get("type") in BLOCK_TYPES, error, f"unsupported type {where}"
        )
        name = block.get("block_id")
        if name is not None:
            require(
                isinstance(name, str) and 0 < len(name) <= 255,
                error,
                f"block_id must be 1 to 255 long {where}",
            )
            require(name not in names, error, f"block_id {name} is not unique {where}")
            names.add(name)
        CHECKS.get(block["type"], _unchecked)(block, error, where)
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    require(
        markdown <= MARKDOWN, error, f"markdown blocks hold {MARKDOWN} characters together, these {markdown}"
    )


def check_message(parameters: Json, text_limit: int | None = None) -> None:
    """Refuse a message without content or beyond the limits."""
    content = [parameters.get(key) for key in ("text", "blocks", "attachments", "markdown_text")]
    require(any(content), "no_text")
    if text_limit is not None:
        require(
            len(parameters.get("text") or "") <= text_limit,
            "msg_too_long",
            f"text is limited to {text_limit}",
        )
    markdown = parameters.get("markdown_text")
    if markdown:
        require(len(markdown) <= MARKDOWN, "msg_too_long", f"markdown_text is limited to {MARKDOWN}")
        require(not (parameters.get("text") or parameters.get("blocks")), "markdown_text_conflict")
    if parameters.get("blocks"):
        check_blocks(parameters["blocks"])
        together = _characters(parameters["blocks"])
        require(together <= ALL_BLOCKS, "msg_blocks_too_long", f"the blocks hold {together} characters")


def check_view(view: Any) -> None:
    """Refuse a view that Slack would not open."""
    error = "invalid_arguments"
    require(
        isinstance(view, dict) and view.get("type") in ("modal", "home"), error, "a view is a modal or a home"
    )
    check_blocks(view.get("blocks"), VIEW_BLOCKS, error)
    for key, most in (("private_metadata", 3_000), ("callback_id", 255)):
        require(len(view.get(key) or "") <= most, error, f"must be {most} at most [json-pointer:/view/{key}]")
    if view["type"] == "modal":
        for key in ("title", "submit", "close"):
            if key == "title" or key in view:
                _text(view.get(key), 24, error, f"[json-pointer:/view/{key}]", "plain_text")
        has_input = any(block["type"] == "input" for block in view["blocks"])
        require(
            not has_input or "submit" in view, error, "missing required field: submit [json-pointer:/view]"
        )


def check_chunk(chunk: Any) -> None:
    """Refuse a chunk of a stream that Slack would not take."""
    error = "invalid_chunks"
    require(isinstance(chunk, dict), error, "a chunk is an object")
    kind = chunk.get("type")
    if kind == "markdown_text":
        text = chunk.get("text")
        require(isinstance(text, str) and text, error, "markdown_text needs text")
        require(len(text) <= MARKDOWN, "msg_too_long", f"a chunk is limited to {MARKDOWN}")
    elif kind in ("task_update", "plan_update"):
        title = chunk.get("title")
        require(
            isinstance(title, str) and 0 < len(title) <= 256, error, f"{kind} needs a title of 256 at most"
        )
        if kind == "task_update":
            require(
                chunk.get("id") and chunk.get("status") in STATUSES, error, "task_update needs id and status"
            )
            _sources(chunk.get("sources"), error, "task_update")
    elif kind == "blocks":
        check_blocks(chunk.get("blocks"))
    else:
        raise RefusedError(error, f"unknown chunk type {kind}")


def _characters(node: Any) -> int:
    if isinstance(node, dict):
        own = len(node["text"]) if isinstance(node.get("text"), str) else 0
        return own + sum(_characters(value) for value in node.values())
    return sum(map(_characters, node)) if isinstance(node, list) else 0


def _text(text: Any, most: int, error: str, where: str, kind: str | None = None) -> None:
    right = isinstance(text, dict) and text.get("type") in ((kind,) if kind else ("plain_text", "mrkdwn"))
    require(right, error, f"must be a text object {where}")
    size = len(text.get("text") or "")
    require(0 < size <= most, error, f"must be 1 to {most} characters, is {size} {where}")


def _url(url: Any, error: str, where: str) -> None:
    right = isinstance(url, str) and len(url) <= 3_000 and re.match(r"(https?|mailto|slack):", url)
    require(right, error, f"must be a URL of 3000 at most {where}")


def _sources(sources: Any, error: str, where: str) -> None:
    for source in sources or ():
        require(
            source.get("type") == "url" and source.get("text"), error, f"a source is a url with text {where}"
        )
        _url(source.get("url"), error, where)


def _element(element: Any, error: str, where: str) -> None:
    require(isinstance(element, dict) and "type" in element, error, f"missing element {where}")
    require(len(element.get("action_id") or "") <= 255, error, f"action_id is longer than 255 {where}")
    if element["type"] == "button":
        _text(element.get("text"), 75, error, where, "plain_text")
        require(len(element.get("value") or "") <= 2_000, error, f"value is longer than 2000 {where}")
        require(element.get("style") in (None, "primary", "danger"), error, f"unknown style {where}")
        if element.get("url"):
            _url(element["url"], error, where)
    if element["type"] == "feedback_buttons":
        for side in ("positive_button", "negative_button"):
            button = element.get(side) or {}
            _text(button.get("text"), 75, error, where, "plain_text")
            require(
                0 < len(button.get("value") or "") <= 2_000,
                error,
                f"{side} needs a value of 2000 at most {where}",
            )
    if element["type"] == "image":
        require(element.get("alt_text"), error, f"missing required field: alt_text {where}")
    for option in element.get("options") or ():
        _text(option.get("text"), 75, error, where)
        require(0 < len(option.get("value") or "") <= 150, error, f"an option's value is 150 at most {where}")
    require(len(element.get("options") or ()) <= 100, error, f"100 options at most {where}")


def _unchecked(block: Json, error: str, where: str) -> None:
    pass


def _section(block: Json, error: str, where: str) -> None:
    require(block.get("text") or block.get("fields"), error, f"missing required field: text {where}")
    if "text" in block:
        _text(block["text"], SECTION, error, where)
    require(len(block.get("fields", ())) <= 10, error, f"10 fields at most {where}")
    for item in block.get("fields", ()):
        _text(item, 2_000, error, where)
    if "accessory" in block:
        _element(block["accessory"], error, where)


def _markdown(block: Json, error: str, where: str) -> None:
    text = block.get("text")
    require(isinstance(text, str) and text, error, f"missing required field: text {where}")
    require(len(str(text)) <= MARKDOWN, error, f"must be {MARKDOWN} at most {where}")


def _header(block: Json, error: str, where: str) -> None:
    _text(block.get("text"), 150, error, where, "plain_text")


def _elements(block: Json, error: str, where: str) -> None:
    kind, elements = block["type"], block.get("elements")
    most = {"context": 10, "actions": 25, "context_actions": 5}[kind]
    require(isinstance(elements, list) and 0 < len(elements) <= most, error, f"1 to {most} elements {where}")
    for element in elements or ():
        if kind == "context" and element.get("type") != "image":
            _text(element, SECTION, error, where)
            continue
        for_context = element.get("type") in ("feedback_buttons", "icon_button")
        require(
            for_context == (kind == "context_actions"),
            error,
            f"{element.get('type')} not allowed here {where}",
        )
        _element(element, error, where)
    names = [element["action_id"] for element in elements or () if "action_id" in element]
    require(len(names) == len(set(names)), error, f"action_id is not unique {where}")


def _input(block: Json, error: str, where: str) -> None:
    _text(block.get("label"), 2_000, error, where, "plain_text")
    _element(block.get("element"), error, where)


def _table(block: Json, error: str, where: str) -> None:
    rows = block.get("rows") or ()
    require(
        0 < len(rows) <= 100 and all(0 < len(row) <= 20 for row in rows),
        error,
        f"100 rows of 20 cells {where}",
    )


def _task_card(block: Json, error: str, where: str) -> None:
    require(
        block.get("task_id") and block.get("title"),
        error,
        f"missing required field: task_id or title {where}",
    )
    require(block.get("status", "pending") in STATUSES, error, f"unknown status {where}")
    _sources(block.get("sources"), error, where)


def _image(block: Json, error: str, where: str) -> None:
    require(block.get("alt_text"), error, f"missing required field: alt_text {where}")


Check = Callable[[Json, str, str], None]
CHECKS: dict[str, Check] = {
    **{"section": _section, "markdown": _markdown, "header": _header, "input": _input, "table": _table},
    **{"context": _elements, "actions": _elements, "context_actions": _elements, "task_card": _task_card},
    "image": _image,
}
