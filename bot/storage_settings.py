"""The tables of `lorebot.toml` on what is kept: the index, its vectors, the journal."""

from __future__ import annotations

from typing import Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, model_validator

from bot.generation_settings import (
    ServerUrl,
    refuse_password,
)
from bot.source_settings import VARIABLE_PATTERN, Table


class SyncSettings(Table):
    """`[sync]`: how the index follows its sources."""

    max_deletion_share: float = Field(default=0.3, ge=0.0, le=1.0)
    max_documents: int = Field(default=200_000, ge=1)
    passage_words: int = Field(default=200, ge=40, le=400)
    chroma_from: int = Field(default=200_000, ge=0)


class ChromaSettings(Table):
    """`[chroma]`: a Chroma server that has the vectors, of however many passages, instead of the home.

    A question waits for it at most `timeout_seconds`; `key_env` names the variable that holds its key.
    """

    url: ServerUrl | None = None
    key_env: str = Field(default="CHROMA_TOKEN", pattern=VARIABLE_PATTERN)
    timeout_seconds: float = Field(default=2.0, gt=0, le=60)

    @model_validator(mode="after")
    def _keeps_no_password(self) -> Self:
        refuse_password(self.url)
        return self


class CatalogSettings(Table):
    """`[catalog]`: where the index is kept; files in the home without a URL.

    In Postgres several processes share it: all answer, and one keeps it current.
    """

    url: str | None = Field(default=None, pattern=r"^postgres(ql)?(\+psycopg)?://")

    @model_validator(mode="after")
    def _keeps_no_password(self) -> Self:
        parts = urlsplit(self.url or "")
        if ":" in parts.netloc.rpartition("@")[0] or "password" in parse_qs(parts.query):
            raise ValueError("a URL with a password ends up in logs; let PGPASSWORD or ~/.pgpass hold it")
        return self


class JournalSettings(Table):
    """`[journal]`: where it is kept what was done and by whom; a file in the home without a URL.

    What was asked, answered and thought of it is kept for `keep_days`, what was administered for good.
    """

    url: str | None = Field(default=None, pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://")
    keep_days: int = Field(default=90, ge=1, le=36_500)
