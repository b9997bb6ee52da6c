"""Rows of the catalogue: what does a list, or a query, know of a video?

One row a video: its current group's facts, as its commit record has them, in plain columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fewframes.store.manifest import Manifest
from fewframes.store.recipes import FORMAT_VERSION, Recipe
from fewframes.store.results import Status, joined

UNREADABLE = "unreadable"
"""Status of a video whose record cannot be read."""

COLUMNS = {
    "id": "binary",
    "keys": "list<string>",
    "created": "string",
    "status": "string",
    "reason": "string",
    "notes": "string",
    "frames": "int64",
    "rows": "int64",
    "stored": "int64",
    "bytes": "int64",
    "recipes": "list<string>",
    "total_bytes": "int64",
    "duration_seconds": "float64",
    "height": "int32",
    "width": "int32",
    "bad_ranges": "int64",
    "repaired_frames": "int64",
    "timing": "string",
    "timeline": "string",
    "decoder": "string",
    "film_name": "string",
    "film_bytes": "int64",
    "film_xxh3": "string",
    "film_container": "string",
    "film_codec": "string",
    "film_pixel_format": "string",
    "film_height": "int32",
    "film_width": "int32",
    "recipe_fps": "float64",
    "recipe_size": "string",
    "recipe_codec": "string",
    "recipe_quality": "int32",
    "recipe_dedup": "float64",
    "format_version": "int32",
}
"""Columns of a snapshot, one row a video, sorted by id: the id in bytes, the names of its groups,
and facts of the current one (null where its record cannot be read: ``status`` is "unreadable").
A film that failed has a row without groups in a list, until it is indexed or removed: ``status`` is
"failed", ``reason`` says why, and ``created`` when.

``frames`` are those of the film, ``rows`` those that were scanned, ``stored`` the pictures kept,
``bytes`` what the group takes; ``recipes`` are all under which the video is there, in words, and
``total_bytes`` what they take together; ``height`` and ``width`` are those of the stored pictures,
``film_height`` and ``film_width`` those of the film as coded; ``reason`` says what is damaged, and
``bad_ranges`` counts the stretches that are missing; ``notes`` say what else a careful reader
should know, and ``repaired_frames`` counts the film's frames whose time is not its own stamp;
``timing`` and ``timeline`` say how times are known ("pts", "decoded" or "repaired", "predicted" or
"verified"); ``recipe_fps`` is null for all frames."""

Row = dict[str, Any]


def row_from(video_id: str, keys: list[str], commits: Sequence[Manifest], at: int) -> Row:
    """Gives the row of a video of its groups and the current one's place; none can be read: none.

    >>> row_from("film", ["00ff"], [], 0)["status"]
    'unreadable'
    """
    row: Row = dict.fromkeys(COLUMNS) | {"id": video_id, "keys": keys, "status": UNREADABLE}
    if not commits:
        return row
    words = [_words_of(commit.facts["recipe"]) for commit in commits]
    total = sum(commit.size_bytes for commit in commits)
    return row | _facts_of(commits[at]) | {"recipes": words, "total_bytes": total}


def _facts_of(commit: Manifest) -> Row:
    facts = commit.facts
    return {
        "created": facts["created"],
        "status": facts["status"],
        "reason": joined(facts["damage"]),
        "notes": joined(facts.get("notes", [])),
        **{name: facts["counts"][name] for name in ("frames", "rows", "stored")},
        "bytes": commit.size_bytes,
        "duration_seconds": commit.duration_seconds,
        "height": facts["frame_size"][0],
        "width": facts["frame_size"][1],
        "bad_ranges": len(facts["bad_ranges"]),
        "repaired_frames": facts.get("repaired_frames", 0),
        "timing": facts["timing"],
        "timeline": facts["state"],
        "decoder": facts.get("decoding", {}).get("decoder"),
        **_film_of(facts["source"], facts["stream"]),
        **_recipe_of(facts["recipe"]),
    }


def _film_of(source: Mapping[str, Any], stream: Mapping[str, Any]) -> Row:
    names = {"film_bytes": "size_bytes", "film_name": "name", "film_xxh3": "digest"}
    shown = ("container", "codec", "pixel_format", "height", "width")
    facts = {column: source[name] for column, name in names.items()}
    return facts | {f"film_{name}": stream[name] for name in shown}


def row_of_failure(record: Mapping[str, Any]) -> Row:
    """Gives the row of a film that failed, of what is known of it: no group, no facts.

    >>> from fewframes.store.recipes import Recipe
    >>> record = {"id": "film", "reason": "it hung", "recipe": Recipe().to_dict(), "file": None}
    >>> row = row_of_failure(record | {"when": "2026-11-28 14:00:00Z"})
    >>> row["status"], row["reason"], row["recipe_fps"], row["rows"]
    ('failed', 'it hung', 2.0, None)
    """
    row: Row = dict.fromkeys(COLUMNS) | {
        "id": record["id"],
        "keys": [],
        "status": Status.FAILED.value,
    }
    film_bytes = record["file"][0] if record["file"] else None
    return row | {
        "reason": record["reason"],
        "created": record["when"],
        "film_bytes": film_bytes,
        **_recipe_of(record["recipe"]),
    }


def row_of_unreadable(name: str) -> Row:
    """Gives the row of a file among the failures that is no record.

    >>> row_of_unreadable("film")["status"]
    'unreadable'
    """
    row: Row = dict.fromkeys(COLUMNS) | {"id": name, "keys": [], "status": UNREADABLE}
    return row | {"reason": "what is known of its failure is damaged; the film will be tried again"}


def _words_of(recipe: Mapping[str, Any]) -> str:
    if recipe["format_version"] > FORMAT_VERSION:
        return f"format version {recipe['format_version']}"
    return Recipe.from_dict(recipe).words


def _recipe_of(recipe: Mapping[str, Any]) -> Row:
    facts: Row = {"format_version": recipe["format_version"]}
    if recipe["format_version"] <= FORMAT_VERSION:  # a newer one may have other names
        names = ("fps", "size", "codec", "quality", "dedup")
        facts |= {f"recipe_{name}": recipe[name] for name in names}
    return facts


def schema_of_rows() -> Any:  # noqa: ANN401 (a pyarrow.Schema)
    """The columns of a snapshot and their types."""
    import pyarrow as pa

    alias: Any = pa.type_for_alias
    kinds = {"list<string>": pa.list_(pa.string())}
    return pa.schema({k: kinds.get(v) or alias(v) for k, v in COLUMNS.items()})


def table_of_rows(rows: Iterable[Row]) -> Any:  # noqa: ANN401 (a pyarrow.Table)
    """Makes the table of a snapshot of the rows of videos, in any order."""
    import pyarrow as pa

    bare = [row | {"id": id_bytes(row["id"])} | _writable(row) for row in rows]
    return pa.Table.from_pylist(bare, schema=schema_of_rows()).sort_by("id")


def _writable(row: Row) -> Row:
    """The texts of a row that are not UTF-8, as a file name need not be, with bytes escaped."""
    return {
        name: text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for name in ("film_name", "reason", "notes")
        if (text := row[name]) and not text.isascii()
    }


def id_bytes(video_id: str) -> bytes:
    r"""An id as a snapshot has it; a file name need not be UTF-8.

    >>> id_bytes("caf\udce9")
    b'caf\xe9'
    """
    return video_id.encode("utf-8", "surrogateescape")


def id_texts(names: Any) -> list[str]:  # noqa: ANN401 (of pyarrow)
    """Ids as text; at once where all are UTF-8, which takes a third of the time."""
    import pyarrow as pa

    try:
        texts: list[str] = names.cast(pa.string()).to_pylist()
    except pa.ArrowInvalid:
        return [name.decode("utf-8", "surrogateescape") for name in names.to_pylist()]
    return texts
