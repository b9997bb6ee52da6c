"""DuckDB (https://duckdb.org) picks rows of an Arrow table by a condition in SQL.

A condition may come from who is not trusted with the files of this machine. So it reads the table
and nothing else (https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview): no
file, no network, no extension, no variable of Python; its settings are locked, it may use so much
memory and no disk, and it is interrupted when its time is over.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fewframes.errors import MissingBackendError, TimedOutError

LIMIT_SECONDS = 30.0
"""How long a condition may take; 100,000 rows take some hundredths of a second."""
SHUT: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": "2GB",
    "threads": "1",
    "lock_configuration": "true",
}


def matching(table: Any, where: str) -> Any:  # noqa: ANN401 (tables of pyarrow)
    """Gives the rows for which a condition holds, in their order.

    Raises:
        ValueError: The condition is no SQL, names a column that is not there, or asks for more
            than the table.
        TimedOutError: It takes longer than `LIMIT_SECONDS`.
        MissingBackendError: DuckDB is not installed.

    >>> import pyarrow as pa
    >>> matching(pa.table({"id": ["a", "b"], "rows": [3, 5]}), "rows > 4")["id"].to_pylist()
    ['b']
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingBackendError(
            f"where={where!r} needs DuckDB, which is not installed; pip install 'fewframes[sql]'"
        ) from error
    with duckdb.connect(config=SHUT) as connection:
        try:
            with _interrupted(connection):
                return connection.from_arrow(table).filter(where).to_arrow_table()
        except duckdb.InterruptException as error:
            raise TimedOutError(
                f"where={where!r} takes more than {LIMIT_SECONDS:g} s; ask for less"
            ) from error
        except duckdb.PermissionException as error:
            raise ValueError(
                f"where={where!r} asks for more than the table; a condition reads its columns alone"
            ) from error
        except duckdb.Error as error:
            reason = str(error).strip().split("\n")[0]
            columns = ", ".join(table.column_names)
            raise ValueError(
                f"where={where!r} is no condition in SQL on the columns {columns}: {reason}"
            ) from error


@contextmanager
def _interrupted(connection: Any) -> Iterator[None]:  # noqa: ANN401 (of duckdb)
    """Interrupts what a connection does when the time is over."""
    timer = threading.Timer(LIMIT_SECONDS, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
