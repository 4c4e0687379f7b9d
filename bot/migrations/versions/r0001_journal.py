"""The journal as Lorebot made it before there were migrations; tables that such a database has are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make the tables and indexes that are missing."""
    op.create_table(
        "journal",
        sa.Column("id", _BIG_ID, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("details", _JSON, nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("journal_of_subject", "journal", ["kind", "subject", "id"], if_not_exists=True)
    op.create_table(
        "deliveries",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("taken_at", sa.Float, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("payload", sa.String, nullable=False),
        sa.Column("done_at", sa.Float),
        if_not_exists=True,
    )
    for column in ("owner", "done_at"):
        op.create_index(f"ix_deliveries_{column}", "deliveries", [column], if_not_exists=True)
    op.create_table(
        "owners",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("alive_until", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "answers",
        sa.Column("number", _BIG_ID, primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("conversation", sa.String, nullable=False),
        sa.Column("asker", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("answers_of_conversation", "answers", ["conversation", "number"], if_not_exists=True)
    op.create_table(
        "judgements",
        sa.Column("answer_id", sa.String, primary_key=True),
        sa.Column("who", sa.String, primary_key=True),
        sa.Column("helpful", sa.Boolean, nullable=False),
        sa.Column("fault", sa.String),
        sa.Column("better", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        if_not_exists=True,
    )
    # An older Lorebot looks here whether it may use the database.
    schema = op.create_table(
        "journal_schema", sa.Column("version", sa.Integer, primary_key=True), if_not_exists=True
    )
    op.execute(sa.delete(schema))
    op.execute(sa.insert(schema).values(version=2))
