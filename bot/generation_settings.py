"""The tables of the settings about the language model that answers: where, in whose voice, at what cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from bot.source_settings import VARIABLE_PATTERN, Table

Fallback = Literal["local", "quote"]
PublishingMode = Literal["examples", "folder", "load", "named", "llama.cpp"]


ServerUrl = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]


class ServerTable(Table):
    """A table that names a model on a server with the OpenAI-compatible API; `url` ends before `/chat/…`."""

    url: ServerUrl | None = None
    model: str | None = None
    key_env: str = Field(default="OPENAI_API_KEY", pattern=VARIABLE_PATTERN)

    @model_validator(mode="after")
    def _names_a_server(self) -> Self:
        if (self.url is None) != (self.model is None):
            raise ValueError("'url' and 'model' belong together; give both or neither")
        refuse_password(self.url)
        return self


def refuse_password(url: str | None) -> None:
    """Raise `ValueError` for a URL that holds a password, which would stand in logs."""
    if url and "@" in urlsplit(url).netloc:
        raise ValueError("a URL with a password ends up in logs; let a variable hold the key (see 'key_env')")


class GenerationSettings(ServerTable):
    """`[generation]`: how the language model runs; `adapter` speaks where no other is chosen.

    With a `url`, a server with the OpenAI-compatible API answers, and the model of `[models]` when that fails
    (`fallback` "local"), or nobody, so that the evidence is quoted. `whole_passages` lets the model read
    passages instead of the sentences in them.
    """

    adapter: str = "auto"
    adapters: Path | None = None
    max_new_tokens: int = Field(default=120, ge=16, le=4096)
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    threads: int = Field(default=0, ge=0)
    fallback: Fallback = "local"
    connect_seconds: float = Field(default=5.0, gt=0, le=60)
    first_token_seconds: float = Field(default=30.0, gt=0, le=600)
    idle_seconds: float = Field(default=15.0, gt=0, le=600)
    retries: int = Field(default=2, ge=0, le=10)
    whole_passages: bool = False

    @model_validator(mode="after")
    def _reads_much_on_a_server(self) -> Self:
        if self.whole_passages and self.url is None:
            raise ValueError("'whole_passages' is for a large model; name its server with 'url' and 'model'")
        return self


class PublishingSettings(Table):
    """`[publishing]`: how voices reach the server of `[generation]`; see `bot.generators`.

    `folder` is where adapters are put for it, `seen_as` the same folder as the server sees it, and `load_url`
    where it loads them. At most `most` are kept there.
    """

    mode: PublishingMode = "examples"
    folder: Path | None = None
    seen_as: str | None = None
    load_url: ServerUrl | None = None
    load_key_env: str = Field(default="LOAD_API_KEY", pattern=VARIABLE_PATTERN)
    most: int = Field(default=8, ge=1, le=1000)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode in ("folder", "load") and self.folder is None:
            raise ValueError(
                f"'mode' is {self.mode!r}, which needs 'folder', from where the server reads them"
            )
        if self.mode == "load" and self.load_url is None:
            raise ValueError("'mode' is 'load', which needs 'load_url': where the server loads adapters")
        refuse_password(self.load_url)
        return self


class SpendingSettings(Table):
    """`[spending]`: what the server of `[generation]` may cost in a day (UTC).

    Without a limit nothing is counted. Prices are for a million tokens, in the currency of `money_a_day`.
    """

    tokens_a_day: int | None = Field(default=None, ge=0)
    money_a_day: float | None = Field(default=None, ge=0)
    prompt_price: float = Field(default=0.0, ge=0)
    reply_price: float = Field(default=0.0, ge=0)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self.in_words)

    @property
    def in_words(self) -> str:
        """The limits of a day, "" for none."""
        tokens = f"{self.tokens_a_day:,} tokens" if self.tokens_a_day is not None else ""
        money = f"{self.money_a_day:,.2f} of money" if self.money_a_day is not None else ""
        return " and ".join(part for part in (tokens, money) if part)

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.money_a_day is not None and not (self.prompt_price or self.reply_price):
            raise ValueError("'money_a_day' needs 'prompt_price' and 'reply_price', for a million tokens")
        return self
