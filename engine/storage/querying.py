"""Querying: which videos of a store are of some kind?

The rows of the catalogue as one Arrow table, which DuckDB, pandas and polars take as it is, and
conditions in SQL on its columns, which DuckDB understands (https://duckdb.org/docs/sql).
"""

import uuid
from pathlib import Path
from typing import Any

from fewframes.storage.catalogue_rows import Row, id_texts, table_of_rows


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
    texts = [_plain(video_id) for video_id in id_texts(both["id"])]
    table = both.set_column(0, "id", pa.array(texts, pa.string()))
    if where is None:
        return table
    from fewframes.bindings.duckdb_where import matching

    return matching(table, where)


def write_parquet(table: Any, file: Path) -> None:  # noqa: ANN401 (a pyarrow.Table)
    """Writes a table as a Parquet file, whole or not at all."""
    import pyarrow.parquet as pq

    draft = file.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with draft.open("xb") as opened:  # by its name, Arrow would take "a:b" for a URL
            pq.write_table(table, opened)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _plain(video_id: str) -> str:
    return video_id.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
