"""Which videos of a store are clips made of: all, those named, those of a file, or a share?

A share takes a video by a hash of what its film holds, not of its id: copies of a film fall on one
side, and a split stays as it is when videos are added or renamed. Films that share pictures fall
together where `fewframes duplicates --save` has found them. Shares that do not overlap have no
video in common.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from fewframes.store.store import Store, id_in, open_store
from fewframes.store.video import Video

Videos: TypeAlias = Sequence[str] | str | Path | float | tuple[float, float] | None
"""Ids of videos; the path of a text file of them, one a line (empty lines and those that begin with
# are passed over); a share such as 0.9, which is (0.0, 0.9), or the rest, (0.9, 1.0); None for
all."""


def chosen_videos(store: str | Path | Mapping[str, Video], videos: Videos = None) -> list[Video]:
    """Gives the videos of a store, or of the one at a path or URL, that are chosen, by id.

    Raises:
        KeyError: One that is named is not in the store.
        ValueError: One is named twice, none is chosen, or a share is none.
        FileNotFoundError: There is no such file of ids.

    >>> import fewframes as ff
    >>> [video.id for video in chosen_videos(ff.open("corpus.zarr"), (0.0, 1.0))]
    ['film.mp4']
    """
    opened = store if isinstance(store, Mapping) else open_store(store)
    if videos is None:
        return list(opened.values())
    share = _share(videos)
    if share is None:
        ids = [id_in(opened, name) for name in _named(videos)]
    else:
        ids = _in_share(opened, *share)
    if not ids:
        raise ValueError(
            f"videos={videos!r} chooses none of the {len(opened)} videos; pass ids, a file of "
            "them, or a larger share"
        )
    (often, count), *_ = Counter(ids).most_common(1)
    if count > 1:
        raise ValueError(f"videos names {often!r} {count} times; name each video once")
    return [opened[video] for video in sorted(ids)]


def place_of(content: str) -> float:
    """Gives where the digest of a film lies from 0 to below 1: the first 53 bits of its xxh3-64.

    >>> round(place_of("case_07"), 6)
    0.781035
    """
    import xxhash

    digest: int = xxhash.xxh3_64_intdigest(content.encode("utf-8", "surrogateescape"))
    return (digest >> 11) / 2**53


def _share(videos: Videos) -> tuple[float, float] | None:
    """The ends of a share; None where videos are named."""
    ends: Any = (0.0, videos) if isinstance(videos, int | float) else videos
    if not isinstance(ends, tuple) or not ends or isinstance(ends[0], str):
        return None
    if len(ends) != 2 or not 0 <= ends[0] < ends[1] <= 1:
        raise ValueError(
            f"videos={videos!r} is no share; pass one above 0 and up to 1, such as 0.9, or its "
            "ends, such as (0.9, 1.0)"
        )
    return float(ends[0]), float(ends[1])


def _in_share(videos: Mapping[str, Video], start: float, end: float) -> list[str]:
    if isinstance(videos, Store):
        contents = videos.contents()
    else:
        contents = {name: one.facts["source"]["digest"] for name, one in videos.items()}
    return [name for name, content in contents.items() if start <= place_of(content) < end]


def _named(videos: Videos) -> list[str]:
    """The ids as they were given, or as a file has them; a file name need not be UTF-8."""
    if not isinstance(videos, str | Path):
        return list(videos)  # type: ignore[arg-type]
    text = Path(videos).read_text("utf-8", "surrogateescape")
    lines = (line.strip("\r\n") for line in text.split("\n"))
    return [line for line in lines if line.strip() and not line.startswith("#")]
