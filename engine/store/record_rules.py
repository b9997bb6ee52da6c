"""Record rules: which values may a commit record have, whoever wrote it?

A record's own digest says that it is as it was written, not that a sound program wrote it. What
passes here is read without a further check: each fact has its type and a bound.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fewframes.errors import CorruptStoreError
from fewframes.store.layout import LAYOUT_VERSION
from fewframes.store.recipes import FORMAT_VERSION, Recipe
from fewframes.store.results import STORED

MOST_ROWS = 1 << 24
"""Rows of one video: 77 hours of film at 60 frames a second."""
MOST_SIDE = 1 << 16
"""Height or width of a picture; a JPEG has no longer side."""
MOST_PIXELS = 1 << 28
"""Of one stored picture: 805 MB as RGB."""
MOST_TICKS = 1 << 62
MOST_BYTES = 1 << 50
"""Of one file."""
_HEX = re.compile("[0-9a-f]{32}")
_FRACTION = re.compile("[1-9][0-9]{0,17}/[1-9][0-9]{0,17}")
WHOLE = ("quality", "stream")
"""Facts of a recipe that are whole numbers, or nothing."""


def is_int(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number within bounds, and no truth value."""
    return type(value) is int and low <= value <= high


def is_text(value: object) -> bool:
    r"""Whether a value is text that can be written, as a file name or to a terminal.

    >>> is_text("caf\udce9"), is_text("\ud800"), is_text(1)
    (True, False, False)
    """
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return False


def _is_name(value: object) -> bool:
    return is_text(value) and value != "" and "\0" not in str(value)


def _is_ticks(value: object) -> bool:
    return is_int(value, -MOST_TICKS, MOST_TICKS)


def _is_count(value: object) -> bool:
    return is_int(value, 0, 1 << 53)


def _is_fraction(value: object) -> bool:
    return isinstance(value, str) and _FRACTION.fullmatch(value) is not None


def _is_size(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(is_int(side, 1, MOST_SIDE) for side in value) and value[0] * value[1] <= MOST_PIXELS


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


def _is_ranges(value: object) -> bool:
    if not isinstance(value, list):
        return False
    return all(isinstance(pair, list) and len(pair) == 2 and _is_rising(pair) for pair in value)


def _is_stamp(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_ticks, value))


def _is_rising(pair: list[Any]) -> bool:
    return all(map(_is_count, pair)) and pair[0] <= pair[1]


def _is_recipe(value: object) -> bool:
    if not isinstance(value, dict) or not is_int(value.get("format_version"), 1, 1 << 30):
        return False
    if value["format_version"] > FORMAT_VERSION:
        return True  # its readers say so
    kinds = {type(one) for one in value.values()}
    if bool in kinds or not {type(value.get(one)) for one in WHOLE} <= {int, type(None)}:
        return False  # they equal numbers of another kind
    try:
        return _is_known_recipe(tuple(value.items()))
    except TypeError:  # a value that has no hash
        return False


@lru_cache(256)
def _is_known_recipe(items: tuple[tuple[str, Any], ...]) -> bool:
    """Whether these are the facts of a recipe; a store has few, and 100,000 records of each."""
    value = dict(items)
    try:
        return Recipe.from_dict(value).to_dict() == value
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False


def _is_decoding(value: object) -> bool:
    return isinstance(value, dict) and is_text(value.get("decoder", ""))


Rule = tuple[Callable[[object], bool], str]
LAYOUT: Rule = (lambda value: is_int(value, LAYOUT_VERSION, LAYOUT_VERSION), str(LAYOUT_VERSION))
ATTEMPT: Rule = (lambda value: isinstance(value, str) and bool(_HEX.fullmatch(value)), "32 digits")
TEXT: Rule = (is_text, "text")
_TICKS: Rule = (_is_ticks, "ticks, a whole number below 2**62")
_COUNT: Rule = (_is_count, "a whole number from 0")
_SIDE: Rule = (lambda value: is_int(value, 0, (1 << 31) - 1), "pixels, a whole number")
_SIDES = f"a height and a width, up to {MOST_SIDE} and {MOST_PIXELS} pixels in all"

RULES: dict[str, Rule] = {
    "id": (_is_name, "a name"),
    "attempt": ATTEMPT,
    "layout": LAYOUT,
    "created": TEXT,
    "recipe": (_is_recipe, "a recipe"),
    "frame_size": (_is_size, _SIDES),
    "counts.frames": _COUNT,
    "counts.rows": (lambda value: is_int(value, 0, MOST_ROWS), f"0 to {MOST_ROWS} rows"),
    "counts.stored": (lambda value: is_int(value, 0, MOST_ROWS), f"0 to {MOST_ROWS} pictures"),
    "source.name": TEXT,
    "source.size_bytes": (lambda value: is_int(value, 0, MOST_TICKS), "bytes"),
    "source.mtime_ns": _TICKS,
    "source.edges_xxh3": TEXT,
    "source.digest": TEXT,
    "stream.container": TEXT,
    "stream.codec": TEXT,
    "stream.pixel_format": TEXT,
    "stream.height": _SIDE,
    "stream.width": _SIDE,
    "stream.index": _SIDE,
    "stream.time_base": TEXT,
    "time_base": (_is_fraction, "a fraction such as '1/12800'"),
    "start_pts": _TICKS,
    "end_pts": _TICKS,
    "duration_pts": _TICKS,
    "timing": TEXT,
    "state": TEXT,
    "status": (lambda value: value in STORED, f"one of {', '.join(STORED)}"),
    "damage": (_is_texts, "a list of sentences"),
    "bad_ranges": (_is_ranges, "a list of first and last frames"),
}
"""What every record of a group has, by its path."""
OPTIONAL: dict[str, Rule] = {
    "ticks_per_stamp": _COUNT,
    "repaired_frames": _COUNT,
    "notes": (_is_texts, "a list of sentences"),
    "decoding": (_is_decoding, "facts of the decoder"),
    "replaces_content": (lambda value: value is True, "true"),
}


def check_group_facts(facts: Mapping[str, Any], name: str) -> None:
    """Refuses with a CorruptStoreError facts that are not those of a group; ``name`` is its file's.

    >>> check_group_facts({"id": "film", "created": 5}, "film/00ff/commit.json")
    Traceback (most recent call last):
    fewframes.errors.CorruptStoreError: film/00ff/commit.json is damaged: created=5 must be text
    """
    check_rules(facts, RULES, name)
    check_rules(facts, {key: rule for key, rule in OPTIONAL.items() if key in facts}, name)
    counts = facts["counts"]
    if not counts["stored"] <= counts["rows"] <= counts["frames"]:
        raise CorruptStoreError(
            f"{name} is damaged: {counts['stored']} pictures of {counts['rows']} rows of "
            f"{counts['frames']} frames do not fit"
        )


def is_failure(record: object, video_id: str) -> bool:
    """Whether a record of a failure is one, of this video: why its film failed, and of what."""
    if not isinstance(record, dict) or record.get("id") != video_id:
        return False
    limits, file = record.get("limits"), record.get("file")
    return (
        _is_recipe(record.get("recipe"))
        and (isinstance(limits, list) and len(limits) == 2)
        and all(type(limit) in (int, float) for limit in limits)
        and (file is None or _is_stamp(file))
        and is_text(record.get("reason"))
        and is_text(record.get("when"))
        and type(record.get("is_avoided", True)) is bool
    )


def checked_files(files: object, name: str) -> dict[str, tuple[int, str]]:
    """Gives bytes and digest of each file that a record names, by its path below the group.

    Raises:
        CorruptStoreError: A path leads out of the group, or something is of another kind.

    >>> checked_files([{"path": "../x", "size": 1, "xxh3": "0" * 32}], "film/00ff/commit.json")
    Traceback (most recent call last):
    fewframes.errors.CorruptStoreError: film/00ff/commit.json is damaged: file '../x' of 1 bytes ...
    """
    found: dict[str, tuple[int, str]] = {}
    if not isinstance(files, list):
        raise CorruptStoreError(f"{name} is damaged: it names no files")
    for file in files:
        facts = file if isinstance(file, dict) else {}
        path, size, digest = (facts.get(key) for key in ("path", "size", "xxh3"))
        is_digest = isinstance(digest, str) and _HEX.fullmatch(digest)
        if not (is_digest and is_int(size, 0, MOST_BYTES) and _is_below(path)):
            raise CorruptStoreError(
                f"{name} is damaged: file {_shown(path)} of {_shown(size)} bytes is none below it"
            )
        found[str(path)] = (facts["size"], facts["xxh3"])
    return found


def _is_below(path: object) -> bool:
    if not isinstance(path, str) or not _is_name(path) or len(path) > 1024:
        return False
    return not {"", ".", ".."} & set(path.split("/"))


def check_rules(facts: Mapping[str, Any], rules: Mapping[str, Rule], name: str) -> None:
    """Refuses with a CorruptStoreError facts that break one of these rules; see `RULES`."""
    for key, (is_right, words) in rules.items():
        value = facts.get(key)
        if value is None and "." in key:
            part, _, name_there = key.partition(".")
            below = facts.get(part)
            value = below.get(name_there) if isinstance(below, dict) else None
        if not is_right(value):
            raise CorruptStoreError(f"{name} is damaged: {key}={_shown(value)} must be {words}")


def _shown(value: object) -> str:
    """A value in few words; what is long is cut."""
    if value is None or isinstance(value, str | int | float):
        words = repr(value[:60] if isinstance(value, str) else value)
        return words if len(words) <= 80 else f"{words[:60]}…"
    return f"a {type(value).__name__}"
