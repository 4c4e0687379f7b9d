"""JSON (.json, https://www.rfc-editor.org/rfc/rfc8259) and lines of it (.jsonl)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knowledge.converters.markup import fence, heading, table
from knowledge.converters.text import decoded
from knowledge.documents import RawDocument, UnreadableError

_DEEPEST_HEADING = 6
_LONGEST_ITEM = 300
_NAMES = ("title", "name", "label", "id", "key")


def json_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write objects as sections, arrays of flat objects as tables, other arrays as lists.

    Raises `UnreadableError` with the line and the reason when it is not valid JSON.
    """
    value = parsed_json(raw.name, decoded(raw))
    title = value.get("title") if isinstance(value, dict) else None
    return (title if isinstance(title, str) else None), "\n\n".join(_blocks(value, 2))


def jsonl_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write lines of JSON as one array. Raises `UnreadableError` with the line that is not valid."""
    values = [
        parsed_json(raw.name, line, number)
        for number, line in enumerate(decoded(raw).split("\n"), 1)
        if line.strip()
    ]
    return None, "\n\n".join(_blocks(values, 2))


def parsed_json(name: str, text: str, line: int = 1) -> Any:
    """Parse JSON that begins in a line. Raises `UnreadableError` with the line and the reason."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {line + error.lineno - 1}, column {error.colno}"
        raise UnreadableError(f"{name} is not valid JSON in {where}: {error.msg}.") from error
    except RecursionError as error:
        raise UnreadableError(f"{name} is nested too deeply to be read.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise UnreadableError(f"{name} holds a number that is too long to be read.") from error


def _blocks(value: Any, level: int) -> Iterator[str]:
    """Yield the Markdown of a value whose own parts get headings of this level."""
    if level > _DEEPEST_HEADING and isinstance(value, dict | list):
        yield fence(json.dumps(value, ensure_ascii=False, indent=1), "json")
    elif isinstance(value, dict):
        yield from _object(value, level)
    elif isinstance(value, list):
        yield from _array(value, level)
    else:
        yield _scalar(value)


def _object(value: Mapping[str, Any], level: int) -> Iterator[str]:
    short = {key: inner for key, inner in value.items() if _is_short(inner)}
    if short:
        yield "\n".join(f"- {_line(key)}: {_line(_scalar(inner))}" for key, inner in short.items())
    for key, inner in value.items():
        if key not in short and inner not in ([], {}):
            yield heading(level, key)
            yield from _blocks(inner, level + 1)


def _array(values: Sequence[Any], level: int) -> Iterator[str]:
    if values and all(isinstance(value, dict) for value in values):
        if all(_is_flat(inner) for value in values for inner in value.values()):
            keys = list(dict.fromkeys(key for value in values for key in value))
            yield table([keys, *([_cell(value.get(key)) for key in keys] for value in values)])
            return
        for number, value in enumerate(values, 1):
            name = next((value[key] for key in _NAMES if isinstance(value.get(key), str | int)), None)
            yield heading(level, str(name) if name not in (None, "") else f"Item {number}")
            yield from _object(value, level + 1) if level < _DEEPEST_HEADING else _blocks(value, level + 1)
    elif all(_is_flat(value) for value in values):
        yield "\n".join(f"- {_cell(value)}" for value in values)
    else:
        for number, value in enumerate(values, 1):
            yield heading(level, f"Item {number}")
            yield from _blocks(value, level + 1)


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_ITEM and "\n" not in value.strip()
    return not isinstance(value, dict | list) or (_is_flat(value) and value not in ([], {}))


def _is_flat(value: Any) -> bool:
    """Whether a value can stand in a table's cell: a short text, a number, or a few of them."""
    if isinstance(value, list):
        return len(value) <= 20 and not any(
            isinstance(inner, dict | list) or not _is_flat(inner) for inner in value
        )
    return not isinstance(value, dict) and len(_scalar(value)) <= _LONGEST_ITEM


def _cell(value: Any) -> str:
    return ", ".join(map(_scalar, value)) if isinstance(value, list) else _line(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return _cell(value)
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value)


def _line(text: str) -> str:
    return " ".join(text.split())
