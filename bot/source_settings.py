"""The `[[sources]]` tables of the settings, one class a kind, each of which builds its source.

A new kind is one file in `knowledge/sources/`, one class here, and its name in `AnySource` and `KINDS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge.documents import Source
from knowledge.sources.selection import EXCLUDED_BY_DEFAULT

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"


class Table(BaseModel):
    """A table of the settings: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceTable(Table):
    """What every kind of source can be told."""

    name: str = Field(pattern=NAME_PATTERN)
    audience: tuple[str, ...] = ("everyone",)
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    max_bytes: int = Field(default=50_000_000, gt=0)


class FolderSettings(SourceTable):
    """A folder with its subfolders."""

    kind: Literal["folder"]
    path: Path
    base_url: str | None = None

    def build(self, cache: Path) -> Source:
        """Make the source; `cache` is not needed."""
        from knowledge.sources.folder import FolderSource

        return FolderSource(
            name=self.name,
            path=self.path,
            audience=frozenset(self.audience),
            include=self.include,
            exclude=EXCLUDED_BY_DEFAULT + self.exclude,
            max_bytes=self.max_bytes,
            base_url=self.base_url,
        )


class GitSettings(SourceTable):
    """A branch of a git repository, at a URL or a local path."""

    kind: Literal["git"]
    url: str
    branch: str | None = None
    web_url: str | None = None

    def build(self, cache: Path) -> Source:
        """Make the source, which keeps its clone in `cache`."""
        from knowledge.sources.git import GitSource

        return GitSource(
            name=self.name,
            url=self.url,
            branch=self.branch,
            cache_folder=cache,
            audience=frozenset(self.audience),
            include=self.include,
            exclude=EXCLUDED_BY_DEFAULT + self.exclude,
            max_bytes=self.max_bytes,
            web_url=self.web_url,
        )


class WebsiteSettings(SourceTable):
    """The pages below a URL: those of its sitemap, or those a bounded crawl finds."""

    kind: Literal["website"]
    url: str
    max_pages: int = Field(default=2_000, gt=0)
    max_depth: int = Field(default=10, ge=0)
    max_bytes: int = Field(default=20_000_000, gt=0)
    allow_private: bool = False
    delay_seconds: float = Field(default=0.5, ge=0)

    def build(self, cache: Path) -> Source:
        """Make the source, which remembers in `cache` what it has seen of each page."""
        from knowledge.sources.website import WebsiteSource

        return WebsiteSource(
            name=self.name,
            start_url=self.url,
            audience=frozenset(self.audience),
            cache_folder=cache,
            include=self.include,
            exclude=self.exclude,
            max_pages=self.max_pages,
            max_depth=self.max_depth,
            max_bytes=self.max_bytes,
            allow_private=self.allow_private,
            delay_seconds=self.delay_seconds,
        )


class FeedSettings(SourceTable):
    """The entries of an RSS or Atom feed; those that fall off it are kept."""

    kind: Literal["feed"]
    url: str
    max_entries: int = Field(default=1_000, gt=0)
    max_bytes: int = Field(default=20_000_000, gt=0)
    allow_private: bool = False

    def build(self, cache: Path) -> Source:
        """Make the source, which keeps in `cache` what the feed has shown."""
        from knowledge.sources.feed import FeedSource

        return FeedSource(
            name=self.name,
            url=self.url,
            audience=frozenset(self.audience),
            cache_folder=cache,
            max_entries=self.max_entries,
            max_bytes=self.max_bytes,
            allow_private=self.allow_private,
        )


class ObjectsSettings(SourceTable):
    """The objects below any fsspec URL; credentials come from the environment."""

    kind: Literal["objects"]
    url: str
    options: dict[str, str] = Field(default_factory=dict)

    def build(self, cache: Path) -> Source:
        """Make the source; `cache` is not needed."""
        from knowledge.sources.objects import ObjectsSource

        return ObjectsSource(
            name=self.name,
            url=self.url,
            audience=frozenset(self.audience),
            include=self.include,
            exclude=EXCLUDED_BY_DEFAULT + self.exclude,
            max_bytes=self.max_bytes,
            options=self.options,
        )


AnySource = Annotated[
    FolderSettings | GitSettings | WebsiteSettings | FeedSettings | ObjectsSettings,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[SourceTable]] = {
    "folder": FolderSettings,
    "git": GitSettings,
    "website": WebsiteSettings,
    "feed": FeedSettings,
    "objects": ObjectsSettings,
}
