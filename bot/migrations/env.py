"""Alembic's entry: runs the revisions on the connection that `bot.migrations` gives it."""

from __future__ import annotations

from alembic import context

from bot.database import metadata
from bot.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite changes a column by copying its table
)
with context.begin_transaction():
    context.run_migrations()
