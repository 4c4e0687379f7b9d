"""Keeps secrets out of what is written: those of the environment, and tokens that are known by their form."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import quote

from bot.settings import Settings

HIDDEN = "[secret]"

# Shorter values are words or numbers that lines hold for other reasons.
_SHORTEST = 8

_SECRET_NAME = re.compile(r"(?:^|_)(?:TOKEN|SECRET|PASS|PASSWD|KEY|CREDENTIALS?)(?:_|$)|PASSWORD", re.I)

# The settings' keys that name a variable with a secret, in whichever table.
_NAMING_KEYS = ("key_env", "load_key_env", "token_variable")

# Slack's tokens, which installations bring at run time, and passwords inside addresses.
_KNOWN_SHAPES = (r"xox[a-z]-[\w-]{6,}", r"xapp-[\w-]{6,}", r"(?<=://)[^/\s:@\"']*:[^/\s@\"']+(?=@)")


class Redaction:
    """Replaces secrets in lines by `[secret]`."""

    def __init__(self, secrets: Collection[str]) -> None:
        """`secrets` are hidden as they are, and as JSON, `repr` and URLs write them."""
        written = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        longest_first = sorted(written, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, longest_first), *_KNOWN_SHAPES]))

    def clean(self, line: str) -> str:
        """The line without secrets."""
        return self._pattern.sub(HIDDEN, line)


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the variables that the settings name for secrets, and of those whose names tell."""
    tables = [getattr(settings, name) for name in Settings.model_fields]
    named: set[str | None] = set()
    for table in (*tables, *settings.sources):
        named |= {getattr(table, key, None) for key in _NAMING_KEYS} | set(getattr(table, "variables", ()))
    found = (name for name in environment if name in named or _SECRET_NAME.search(name))
    return tuple(environment[name].strip() for name in found)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield quote(secret, safe="")
