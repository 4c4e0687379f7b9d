"""The names of a workspace's people, remembered for a week."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.sources.conversations import person_name
from knowledge.sources.memoryfile import open_memory

if TYPE_CHECKING:
    from knowledge.sources.slack_api import SlackApi

_SCHEMA = "CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL)"
_FORMAT = 1
_GOOD_FOR_SECONDS = 7 * 86_400.0
_UNKNOWN = "Someone"
_LONGEST_ID = 40


class SlackPeople:
    """Asks for a person's name when it is first needed (users.info), and again after a week."""

    def __init__(self, file: Path, api: SlackApi) -> None:
        self._api = api
        self._connection = open_memory(file, _SCHEMA, _FORMAT)
        found = self._connection.execute("SELECT id, name, at FROM person")
        self._names: dict[str, tuple[str, float]] = {id_: (name, at) for id_, name, at in found}

    def name(self, person_id: str) -> str:
        """Give a person's display name; "Someone" for an id that Slack does not know.

        Raises `KnowledgeError` when Slack cannot be asked.
        """
        name, at = self._names.get(person_id, ("", 0.0))
        if time.time() - at < _GOOD_FOR_SECONDS:
            return name
        if not person_id.isalnum() or len(person_id) > _LONGEST_ID:
            return _UNKNOWN
        asked, now = self._asked(person_id), time.time()
        self._connection.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?)", (person_id, asked, now))
        self._names[person_id] = asked, now
        return asked

    def _asked(self, person_id: str) -> str:
        from knowledge.sources.slack_api import SlackAnswerError

        try:
            user = self._api.call("users.info", user=person_id).get("user")
        except SlackAnswerError as error:
            if error.code not in ("user_not_found", "user_not_visible", "users_not_found"):
                raise
            return _UNKNOWN
        if not isinstance(user, dict):
            return _UNKNOWN
        profile = user.get("profile")
        told = profile if isinstance(profile, dict) else {}
        names = (told.get("display_name"), told.get("real_name"), user.get("real_name"), user.get("name"))
        return person_name(next((name for name in names if isinstance(name, str) and name.strip()), _UNKNOWN))
