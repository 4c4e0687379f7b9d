"""What SQLite and Postgres spell each in its own way, as SQLAlchemy constructs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, Select, String, Table, bindparam, cast, column, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Elements(FunctionElement[Any]):
    """The elements of a JSON array, in a column called `value`."""

    inherit_cache = True


@compiles(_Elements, "sqlite")
def _of_sqlite(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _of_postgres(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS JSON))"


def texts_in(name: str) -> Select[Any]:
    """The texts of a JSON array parameter: a list of any length, where databases limit parameters."""
    return select(column("value", String)).select_from(_Elements(bindparam(name, type_=String)))


def numbers_in(name: str) -> Select[Any]:
    """The integers of a JSON array parameter."""
    value = cast(column("value", String), BigInteger)
    return select(value).select_from(_Elements(bindparam(name, type_=String)))


def upserting(connection: Connection, table: Table) -> Any:
    """An insert that can say what happens on a conflict."""
    return postgres_insert(table) if is_postgres(connection) else sqlite_insert(table)


def is_postgres(connection: Connection) -> bool:
    """Whether a connection is to Postgres; otherwise it is to an SQLite file."""
    return connection.dialect.name == "postgresql"
