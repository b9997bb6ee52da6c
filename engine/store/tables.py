"""Tables: files of columns, read only where they are as large as they may be.

A Parquet file of 2 MB can say that it holds 20 million rows, all alike, and would take gigabytes.
So before a page is read, the file's own description is compared with what was published: rows,
types, and how many bytes each column has. An Arrow stream is mapped, not read, and is refused where
it is compressed: what it takes in memory is then what it has on the disk.
"""

import struct
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import numpy as np

from fewframes.errors import CorruptStoreError

MOST_COLUMNS = 256
MOST_GROUPS = 1 << 10
"""Row groups of a file; one is written for each million rows."""
FREE_BYTES = 64 << 20
MOST_TIMES = 256
"""A table may take `FREE_BYTES` of memory, and so many times the bytes of its file. Real ones take
up to 30 times as many: every row has hashes, or at least a number of its own."""
LARGEST_SHARE = 1.5
SLACK_BYTES = 8 << 10
"""Bytes of a column in the file: at most so much of those in memory, and so many beside."""
THRIFT_LIMIT = 16 << 20
"""Bytes of a text, and entries of a list, in a file's own description."""


def read_table(
    data: bytes,
    *,
    rows: int,
    kinds: Mapping[str, str],
    gappy: str = "",
    name: str,
    columns: Collection[str] | None = None,
) -> Any:  # noqa: ANN401
    """Reads a Parquet file of so many rows as a ``pyarrow.Table``.

    ``kinds`` are the types of columns that must be there if they have no ``?`` at their end;
    others may be of any numbers. Those of ``columns`` are read, None for all. No value is missing,
    but in the column ``gappy``.

    Raises:
        CorruptStoreError: It is no such file; says what of ``name``.

    >>> read_table(b"PAR1", rows=1, kinds={}, name="frames.parquet of video 'film'")
    Traceback (most recent call last):
    fewframes.errors.CorruptStoreError: frames.parquet of video 'film' is no table: ...
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(
            pa.BufferReader(data),
            thrift_string_size_limit=THRIFT_LIMIT,
            thrift_container_size_limit=THRIFT_LIMIT,
        )
        schema = file.schema_arrow
        _check_size(file.metadata, schema, rows, len(data), name)
        _check_kinds(schema, kinds, name)
        names = None if columns is None else [one for one in schema.names if one in columns]
        table = file.read(names, use_threads=False)  # small, and loaders have threads enough
    except CorruptStoreError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise CorruptStoreError(f"{name} is no table: {_short(error)}") from error
    for column, values in zip(table.column_names, table.columns, strict=True):
        if values.null_count and column != gappy:
            raise CorruptStoreError(f"{name} lacks values in column {column!r}")
    if len(table) != rows:
        raise CorruptStoreError(f"{name} has {len(table)} rows, but {rows} were published")
    return table


def read_plain(data: Any, schema: Any) -> Any:  # noqa: ANN401 (of pyarrow)
    """Gives an Arrow stream in a buffer as a table without a copy; None for another schema.

    Raises:
        ValueError, EOFError or an error of Arrow's own: It is no such stream, or it is compressed.
            `check_values` is still to be asked of each column that is used.
    """
    import pyarrow as pa

    messages = pa.ipc.MessageReader.open_stream(pa.BufferReader(data))
    head, batches = messages.read_next_message(), []
    if head.type != "schema" or pa.ipc.read_schema(head) != schema:
        return None
    for message in messages:
        if message.type != "record batch" or _is_compressed(message.metadata.to_pybytes()):
            raise ValueError("it is compressed, or has a dictionary")
        batches.append(pa.ipc.read_record_batch(message, schema))
    table = pa.Table.from_batches(batches, schema)
    table.validate()
    return table


def check_values(column: Any) -> None:  # noqa: ANN401 (a pyarrow.ChunkedArray)
    """Raises an error of Arrow's if a value of a column that was mapped points out of it."""
    for values in column.chunks:
        if not _is_plain_text(values):
            values.validate(full=True)


def _is_plain_text(values: Any) -> bool:  # noqa: ANN401 (a pyarrow.Array)
    """Whether a column is text that points into its own bytes, all ASCII: soon seen, and valid.

    Arrow's own full check of a text takes ten times as long.
    """
    import pyarrow as pa

    if values.type != pa.string() or not len(values):
        return False
    _, places, data = values.buffers()
    ends = np.frombuffer(places, np.int32)[values.offset : values.offset + len(values) + 1]
    text = np.frombuffer(data or b"", np.uint8)
    return bool(
        ends[0] >= 0
        and ends[-1] <= len(text)
        and (ends[1:] >= ends[:-1]).all()
        and text.max(initial=0) < 128
    )


def _is_compressed(message: bytes) -> bool:
    """Whether the message of a record batch, a flatbuffer, says that its columns are compressed.

    Of the table Message, field 2 is the header: here the table RecordBatch, whose field 3 is
    compression (https://github.com/apache/arrow/blob/main/format/Message.fbs).
    """
    try:
        (root,) = struct.unpack_from("<I", message)
        at = _field(message, root, 2)
        batch = at + struct.unpack_from("<I", message, at)[0]
        return _field(message, batch, 3) != 0
    except struct.error as error:
        raise ValueError("it is no message of Arrow") from error


def _field(message: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table is; 0 where it is missing."""
    vtable = table - struct.unpack_from("<i", message, table)[0]
    size = struct.unpack_from("<H", message, vtable)[0]
    if 4 + 2 * number >= size:
        return 0
    offset: int = struct.unpack_from("<H", message, vtable + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _check_size(facts: Any, schema: Any, rows: int, file_bytes: int, name: str) -> None:  # noqa: ANN401
    """Refuses a file of other rows than published, or of more bytes than they can have."""
    if facts.num_rows != rows:
        raise CorruptStoreError(f"{name} has {facts.num_rows} rows, but {rows} were published")
    if facts.num_columns > MOST_COLUMNS or facts.num_row_groups > MOST_GROUPS:
        raise CorruptStoreError(f"{name} has {facts.num_columns} columns, which are too many")
    widths = [_width(field.type) for field in schema]
    memory = rows * sum(widths)
    if memory > FREE_BYTES + MOST_TIMES * file_bytes:
        raise CorruptStoreError(
            f"{name} has {file_bytes} bytes and would take {memory}, more than real rows do"
        )
    groups = [facts.row_group(at) for at in range(facts.num_row_groups)]
    if sum(group.num_rows for group in groups) != rows or len(widths) != facts.num_columns:
        raise CorruptStoreError(f"{name} has rows beside the {rows} that were published")
    for group in groups:
        for at, width in enumerate(widths):
            column, most = group.column(at), group.num_rows * width
            is_small = column.total_compressed_size <= LARGEST_SHARE * most + SLACK_BYTES
            if column.num_values != group.num_rows or not is_small:
                raise CorruptStoreError(f"{name} has more bytes in a column than its rows have")


def _check_kinds(schema: Any, kinds: Mapping[str, str], name: str) -> None:  # noqa: ANN401
    """Refuses columns of other types, and a table without one that has to be there."""
    names = schema.names
    if len(set(names)) < len(names):
        raise CorruptStoreError(f"{name} has two columns of one name")
    for column, kind in kinds.items():
        if column not in names:
            if not kind.endswith("?"):
                raise CorruptStoreError(f"{name} has no column {column!r}")
        elif str(schema.field(column).type) != kind.rstrip("?"):
            raise CorruptStoreError(
                f"{name} has {schema.field(column).type} in column {column!r}, not "
                f"{kind.rstrip('?')}"
            )


@cache
def _width(kind: Any) -> int:  # noqa: ANN401 (a pyarrow.DataType)
    """Bytes of a value in memory, as an array of NumPy; refuses what is no number."""
    import pyarrow as pa

    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not is_number:
        raise ValueError(f"a column is of {kind}, not of numbers")
    return max(1, int(kind.bit_width) // 8)


def _short(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:200]
