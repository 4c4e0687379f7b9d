"""The tables of the catalog, which are the same in an SQLite file and in Postgres."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, TEXT
from sqlalchemy.types import TypeDecorator, TypeEngine

SCHEMA_VERSION = 3


class UtcDateTime(TypeDecorator[datetime]):
    """A moment as ISO 8601 text in UTC; a naive one is taken to be UTC already."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Text(TypeDecorator[str]):
    """Text that is compared byte by byte. Postgres cannot hold NUL, which is replaced there (U+FFFD)."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        of_postgres = TEXT(collation="C") if dialect.name == "postgresql" else String()
        return dialect.type_descriptor(of_postgres)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\0", "\ufffd")


_ID = BigInteger().with_variant(Integer, "sqlite")
_JSON = JSON().with_variant(JSONB(), "postgresql")

metadata = MetaData()

generations = Table(
    "generations",
    metadata,
    Column("generation", _ID, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
)

audiences = Table(
    "audiences",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("principals", _JSON, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("line_anchor", Text),
    Column("version", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False, index=True),
    Column("modified_at", UtcDateTime),
    Column("indexed_at", UtcDateTime, nullable=False),
    UniqueConstraint("source", "uri"),
    sqlite_autoincrement=True,
)

passages = Table(
    "passages",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("heading", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("line", Integer),
    Column("text_hash", Text, nullable=False, index=True),
    Index("passages_of_document", "document_id", "ordinal"),
    sqlite_autoincrement=True,  # an id that a vector index or an answer remembers never means another text
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("model", Text, primary_key=True),
    Column("text_hash", Text, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

failures = Table(
    "failures",
    metadata,
    Column("source", Text, primary_key=True),
    Column("uri", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("failed_at", UtcDateTime, nullable=False),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("source", Text, primary_key=True),
    Column("uri", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

syncs = Table(
    "syncs",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("source", Text, nullable=False, index=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", Text, nullable=False),
    Column("counts", _JSON, nullable=False),
    sqlite_autoincrement=True,
)


# What makes the next schema of each; tables that are missing are made besides.
UPGRADES: dict[int, tuple[str, ...]] = {
    1: (),
    2: (
        "ALTER TABLE documents ADD COLUMN line_anchor VARCHAR",
        "ALTER TABLE passages ADD COLUMN line INTEGER",
    ),
}
