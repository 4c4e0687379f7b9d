"""How a Postgres database is opened, and locks that end with the connection that holds them."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Connection, Engine, Function, MetaData, create_engine, event, func, select
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import CreateSchema

from knowledge.documents import KnowledgeError

# Where all that is kept besides the catalogs, of which each has a schema of its own.
SHARED_SCHEMA = "lorebot"

_CONNECT_SECONDS = 10
# https://www.postgresql.org/docs/current/runtime-config-connection.html#RUNTIME-CONFIG-TCP-SETTINGS
_NOTICING_CLIENTS = (
    "-ctcp_keepalives_idle=10 -ctcp_keepalives_interval=5 -ctcp_keepalives_count=3 -ctcp_user_timeout=30000"
)
# Threads of one process that ask at once.
_MOST_CONNECTIONS = 32
_KEPT_CONNECTIONS = 4

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DISK_FULL = "53100"
_MAY_NOT = "42501"
_EXPLAINED = frozenset({_MAY_NOT, "25006", "3F000", "42P01"})  # ... read-only, no such schema, no such table


def postgres_url(url: str) -> URL:
    """The URL with the driver that is used. Raises `KnowledgeError` where it is none of a database."""
    try:
        made = make_url(url)
    except ArgumentError:
        raise KnowledgeError("That is no database URL; write postgresql://user@host/name.") from None
    return made.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """A URL for people: without driver, password and options."""
    return str(URL.create("postgresql", url.username, None, url.host, url.port, url.database))


def open_postgres(url: URL, schema: str) -> Engine:
    """An engine for which names without a schema are of `schema`; the database is not asked yet.

    Its connections raise `KnowledgeError` for what a person can do something about. One with the execution
    option `writes` waits for all other writers of the schema, and keeps them waiting until its end.
    """
    connecting: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": _process_name(),
        # Who is gone shows within half a minute: to us the database, to it a machine, whose locks end then.
        "options": f"-csearch_path={schema} {_NOTICING_CLIENTS}",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    try:
        engine = create_engine(
            url,
            connect_args=connecting,
            # What goes wrong is logged: that shall hold no text of a document.
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=_KEPT_CONNECTIONS,
            max_overflow=_MOST_CONNECTIONS - _KEPT_CONNECTIONS,
        )
    except ModuleNotFoundError as error:
        raise KnowledgeError(
            f"{shown(url)} cannot be opened: Postgres needs `pip install 'lorebot[postgres]'`."
        ) from error
    key = lock_key("writing", schema)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.execute(select(func.pg_advisory_xact_lock(key)))

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> None:
        # A stale connection that the pool tries is replaced without anybody noticing.
        known = None if context.is_pre_ping else _explained(url, context.original_exception)
        if known is not None:
            raise known from context.original_exception

    return engine


def make_tables(engine: Engine, schema: str, metadata: MetaData) -> None:
    """Make the tables that are missing in a schema, and the schema, one process at a time."""
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(lock_key("migrating", schema))))
        connection.execute(CreateSchema(schema, if_not_exists=True))
        metadata.create_all(connection)


def reading(engine: Engine) -> Engine:
    """The engine for transactions that see one state, and write nothing."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _process_name() -> str:
    """What this process is called in Postgres' own views, which keep 63 bytes."""
    return f"lorebot {socket.gethostname()[:24]} {os.getpid()}"


def lock_key(kind: str, name: str) -> int:
    """The number of an advisory lock of this database."""
    digest = hashlib.sha256(f"lorebot {kind} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class SessionLock:
    """An advisory lock on a connection of its own, which ends with the process or the connection.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """

    def __init__(self, connection: Connection, key: int) -> None:
        """Of a connection that holds the lock; see the ways to take one."""
        self._connection = connection
        self._key = key
        self._lock = threading.Lock()

    @classmethod
    def take(cls, engine: Engine, key: int) -> Self:
        """Wait until nobody else holds the lock."""
        return cls(_holding(engine, func.pg_advisory_lock(key)), key)

    @classmethod
    def share(cls, engine: Engine, key: int) -> Self:
        """Hold the lock together with others who share it."""
        return cls(_holding(engine, func.pg_advisory_lock_shared(key)), key)

    @classmethod
    def try_to_take(cls, engine: Engine, key: int) -> Self | None:
        """Take the lock; None when somebody holds it."""
        connection = _without_transactions(engine)
        try:
            is_taken = connection.execute(select(func.pg_try_advisory_lock(key))).scalar_one()
            if is_taken:
                _keep(connection)
                return cls(connection, key)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        connection.close()
        return None

    def is_held(self) -> bool:
        """Whether the connection lives, and with it the lock. Asks the database."""
        with self._lock:
            if self._connection.closed:
                return False
            try:
                self._connection.execute(select(1))
            except KnowledgeError:
                self._close()
                return False
            return True

    def release(self) -> None:
        """Let go; a second time does nothing."""
        with self._lock:
            if not self._connection.closed:
                # Postgres notices the end of a connection a moment later, and who looks at once would not.
                with suppress(KnowledgeError):
                    self._connection.execute(select(func.pg_advisory_unlock_all()))
                self._close()

    def _close(self) -> None:
        with suppress(KnowledgeError):
            self._connection.close()


def holder_of(connection: Connection, key: int) -> str | None:
    """Who holds a lock and since when, as in "HOST pid 12, since 2026-05-01 12:00:00"; None if nobody."""
    name = connection.exec_driver_sql(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND ((classid::bigint << 32) | objid::bigint) = %s LIMIT 1",
        (key,),
    ).scalar()
    if name is None:
        return None
    try:
        _, host, pid, since = name.split(" ")
        at = datetime.fromisoformat(since).astimezone()
    except ValueError:  # another program, or a lock that was taken this moment
        return str(name)
    return f"{host} pid {pid}, since {at:%Y-%m-%d %H:%M:%S}"


def _holding(engine: Engine, lock: Function[Any]) -> Connection:
    connection = _without_transactions(engine)
    try:
        connection.execute(select(lock))
        _keep(connection)
    except BaseException:
        connection.invalidate()
        connection.close()
        raise
    return connection


def _without_transactions(engine: Engine) -> Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _keep(connection: Connection) -> None:
    """Have no pool hand a connection out again, and let its name tell since when."""
    connection.detach()
    name = f"{_process_name()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    connection.execute(select(func.set_config("application_name", name, False)))


def _explained(url: URL, error: BaseException | None) -> KnowledgeError | None:
    """The error in a person's words, when a person can do something about it."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    reason = str(error).partition("\n")[0]
    if error.sqlstate == _DISK_FULL:
        return KnowledgeError(
            f"No space left for {shown(url)}: what was indexed before is intact; free some space there and "
            "sync again."
        )
    if error.sqlstate == _MAY_NOT:
        return KnowledgeError(
            f"{shown(url)} cannot be used ({reason}): give that user the right to create schemas, as in "
            f"`GRANT CREATE ON DATABASE {url.database} TO {url.username}`."
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or error.sqlstate in _EXPLAINED:
        return KnowledgeError(f"{shown(url)} cannot be used ({reason}): check that it runs and lets me in.")
    return None
