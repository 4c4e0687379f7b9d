"""The journal's schema as Alembic revisions (https://alembic.sqlalchemy.org), which come with the package.

To change the schema: change `bot.database.metadata`, add a file to `versions` that makes the same change, and
name it in `HEAD`. A test compares what the revisions make with the metadata.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

# The newest revision; without it here Alembic would have to be loaded at every start.
HEAD = "0003"

# A name of its own: the database may be shared with other programs that use Alembic.
VERSION_TABLE = "journal_revision"

# Alembic keeps the migration that runs in a module, one for the whole process.
_ONE_AT_A_TIME = threading.Lock()


def is_known(revision: str) -> bool:
    """Whether this Lorebot has a revision."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return any(known.revision == revision for known in scripts.walk_revisions())


def upgrade(connection: Connection) -> None:
    """Bring a database to `HEAD`, in the transaction that its connection is in."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, HEAD)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
