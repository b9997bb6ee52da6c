"""SQL: selects videos of a store by a condition on the columns of its catalogue.

The rows of the catalogue as one Arrow table, which DuckDB, pandas and polars take as it is, and
conditions in SQL on its columns, which DuckDB understands (https://duckdb.org/docs/sql).
"""

from pathlib import Path
from typing import Any

from fewframes.atomic import write_atomic
from fewframes.plugins import plugin
from fewframes.store.catalogue_rows import Row, table_of_rows


def videos_table(videos: Any, failures: list[Row], where: str | None = None) -> Any:  # noqa: ANN401
    r"""Gives the rows of a catalogue and of failures whose condition holds, as an Arrow table.

    They are sorted by id. Ids are text: a byte of an id that is no UTF-8 is written as ``\xe9``.

    Raises:
        ValueError: The condition is no SQL, or names a column that is not there.
        MissingBackendError: There is a condition, and DuckDB is not installed.

    >>> import fewframes as ff
    >>> ff.open("corpus.zarr").to_table("rows > 10 and film_codec = 'h264'")["rows"].to_pylist()
    [20]
    """
    import pyarrow as pa

    both = pa.concat_tables([videos, table_of_rows(failures)]).sort_by("id")
    table = both.set_column(0, "id", _plain_texts(both["id"]))
    if where is None:
        return table
    return plugin("sql.matching")(table, where)


def write_parquet(table: Any, file: Path) -> None:  # noqa: ANN401 (a pyarrow.Table)
    """Writes a table as a Parquet file, whole or not at all."""
    import pyarrow.parquet as pq

    write_atomic(file, lambda out: pq.write_table(table, out))


def _plain_texts(ids: Any) -> Any:  # noqa: ANN401 (of pyarrow)
    """Ids as a column of texts, by Arrow alone where all are UTF-8."""
    import pyarrow as pa

    try:
        return ids.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([one.decode("utf-8", "backslashreplace") for one in ids.to_pylist()])
