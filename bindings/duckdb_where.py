"""DuckDB (https://duckdb.org) picks rows of an Arrow table by a condition in SQL."""

from typing import Any

from fewframes.errors import MissingBackendError

SHUT = {"enable_external_access": "false", "threads": "1"}
"""A condition reads the table and nothing else: no file, no network, no extension."""


def matching(table: Any, where: str) -> Any:  # noqa: ANN401 (tables of pyarrow)
    """Gives the rows for which a condition holds, in their order.

    Raises:
        ValueError: The condition is no SQL, or names a column that is not there.
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
            return connection.from_arrow(table).filter(where).to_arrow_table()
        except duckdb.Error as error:
            reason = str(error).strip().split("\n")[0]
            columns = ", ".join(table.column_names)
            raise ValueError(
                f"where={where!r} is no condition in SQL on the columns {columns}: {reason}"
            ) from error
