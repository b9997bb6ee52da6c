"""export: indexed frames of videos in a folder, as other programs read them, exact times kept.

- ``jpeg``: a folder a video: the stored JPEG files, byte for byte, ``frames.json`` and
  ``frames.parquet``.
- ``webdataset``: a tar a video; each frame is a sample of a ``.jpg`` and a ``.json``
  (https://github.com/webdataset/webdataset).
- ``mp4``: a film a video, a frame a row, each with its own pts; see `fewframes.bindings.mp4`.
- ``lerobot``: one dataset of all videos; see `fewframes.bindings.lerobot`.

What a row is, when it is shown, whether it may be damaged and whether its time was repaired is in
every format: `frame_facts`.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewframes.media.timeline import NO_PTS
from fewframes.plugins import load, plugin
from fewframes.store.codecs import CODECS
from fewframes.store.layout import folder_name
from fewframes.store.untrusted import remove_tree

if TYPE_CHECKING:
    from fewframes.store.video import Video

PARTIAL = ".fewframes-partial"
"""The folder in that of an export in which it is written."""
FORMATS: dict[str, str] = {
    "jpeg": "fewframes.store.dataset_export:write_jpegs",
    "webdataset": "fewframes.store.dataset_export:write_tars",
    "mp4": "fewframes.store.dataset_export:write_films",
    "lerobot": "fewframes.bindings.lerobot:write_lerobot",
}
"""Name -> ``module:name`` of what writes videos into a new folder: ``(videos, folder)``. A new
format is such a function, here or in a file of `bindings/`, and a row here."""
READ_ROWS = 64
"""Pictures that are held at a time."""


def export_videos(videos: Sequence["Video"], folder: Path, *, form: str) -> None:
    """Writes videos into a new folder, all of them or none.

    They are written below it and moved into it when all are done: what stops half-way leaves
    nothing, or if it was killed a folder of its own there, which the next export replaces.

    Raises:
        ValueError: The format is unknown, the folder holds something, or videos are named twice.
        CorruptStoreError: A video is damaged.

    >>> import fewframes as ff
    >>> export_videos([ff.open("corpus.zarr")["film"]], Path("exported"), form="jpeg")
    >>> json.loads(Path("exported/film.mp4/frames.json").read_text())["frames"][1]["seconds"]
    0.48
    """
    if form not in FORMATS:
        raise ValueError(f"format={form!r} is unknown; pass one of {', '.join(FORMATS)}")
    is_new = not folder.exists()
    if not is_new and {entry.name for entry in folder.iterdir()} - {PARTIAL}:
        raise ValueError(f"{folder.name!r} is not empty; pass a new folder")
    if len({video.id for video in videos}) < len(videos):
        raise ValueError("a video is named twice; name each once")
    draft = folder / PARTIAL
    remove_tree(draft)
    draft.mkdir(parents=True)
    try:
        load(FORMATS[form])(videos, draft)
        for entry in sorted(draft.iterdir()):
            entry.rename(folder / entry.name)
    finally:
        remove_tree(draft)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def film_facts(video: "Video") -> dict[str, Any]:
    """Says of a video what all its frames have in common."""
    facts = video.facts
    return {
        "video": video.id,
        "time_base": facts["time_base"],
        "start_pts": facts["start_pts"],
        "end_pts": facts["end_pts"],
        "duration_seconds": video.duration_seconds,
        "timing": facts["timing"],
        "container_time_base": facts["stream"]["time_base"],
        "status": facts["status"],
        "damage": facts["damage"],
        "bad_ranges": facts["bad_ranges"],
        "notes": facts.get("notes", []),
        "height": video.frame_size[0],
        "width": video.frame_size[1],
    }


def frame_facts(video: "Video") -> list[dict[str, Any]]:
    """Says of each row its frame number, pts in ticks of the time base, and seconds.

    ``is_repaired`` says that they are not the film's own stamp, which is ``container_pts`` in ticks
    of ``container_time_base``, None where it has none.

    >>> import fewframes as ff
    >>> frame_facts(ff.open("corpus.zarr")["film"])[1]
    {'row': 1, 'frame': 12, 'pts': 7680, 'seconds': 0.48, 'is_damaged': False, \
'is_repaired': False, 'container_pts': 7680}
    """
    table = video.table
    columns = {
        "frame": table.frame_numbers,
        "pts": table.pts,
        "seconds": table.seconds,
        "is_damaged": video.is_damaged,
        "is_repaired": video.is_repaired,
        "container_pts": video.container_pts,
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    facts = [{"row": at, **dict(zip(columns, row, strict=True))} for at, row in enumerate(rows)]
    for row in facts:
        row["container_pts"] = None if row["container_pts"] == NO_PTS else row["container_pts"]
    return facts


def pictures(video: "Video", rows: Sequence[int]) -> Iterator[bytes]:
    """Gives the JPEG files of rows; those that are stored as such are not touched."""
    for first in range(0, len(rows), READ_ROWS):
        part = list(rows[first : first + READ_ROWS])
        if CODECS[video.facts["recipe"]["codec"]].is_jpeg:
            yield from video.encoded(part)
        else:
            yield from video.read(rows=part).jpeg(quality=95)


def write_jpegs(videos: Sequence["Video"], folder: Path) -> None:
    """Writes a folder a video; rows that share a picture name the same file."""
    for video in videos:
        home, frames = folder / folder_name(video.id), frame_facts(video)
        home.mkdir()
        first_rows: dict[int, int] = {}
        for row, slot in enumerate(video.slots.tolist()):
            at = frames[first_rows.setdefault(slot, row)]
            frames[row]["file"] = f"{at['frame']:08d}_{at['seconds']:.3f}s.jpg"
        rows = list(first_rows.values())
        for row, jpeg in zip(rows, pictures(video, rows), strict=True):
            (home / frames[row]["file"]).write_bytes(jpeg)
        write_facts(video, frames, home / "frames")


def write_facts(video: "Video", frames: list[dict[str, Any]], stem: Path, **more: int) -> None:
    """Writes what is known of the frames, and what ``more`` there is, as JSON and as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = {**film_facts(video), **more}
    text = json.dumps({**facts, "frames": frames}, indent=1)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n", encoding="ascii")
    table = pa.Table.from_pylist(frames)
    table = table.replace_schema_metadata({"fewframes": json.dumps(facts)})
    with stem.with_name(f"{stem.name}.parquet").open("wb") as file:
        pq.write_table(table, file)


def write_tars(videos: Sequence["Video"], folder: Path) -> None:
    """Writes a tar a video; the same video gives the same bytes."""
    for video in videos:
        name = folder_name(video.id, spare_bytes=len(".tar"))
        frames, facts = frame_facts(video), film_facts(video)
        with tarfile.open(folder / f"{name}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            jpegs = pictures(video, range(len(frames)))
            for frame, jpeg in zip(frames, jpegs, strict=True):
                key = f"{frame['frame']:08d}"
                words = json.dumps({**facts, **frame}).encode()
                for suffix, data in (("jpg", jpeg), ("json", words)):
                    info = tarfile.TarInfo(f"{name}/{key}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


def write_films(videos: Sequence["Video"], folder: Path) -> None:
    """Writes an MP4 a video, and beside it what is known of its frames.

    ``zero_pts`` there is the pts that is 0 in the MP4: 0, but for films that begin before it.
    """
    first_pts, write_mp4 = plugin("mp4.first_pts"), plugin("mp4.write")
    for video in videos:
        stem, zero = folder / folder_name(video.id, spare_bytes=len(".parquet")), first_pts(video)
        write_mp4(video, stem.with_name(f"{stem.name}.mp4"), zero_pts=zero)
        write_facts(video, frame_facts(video), stem, zero_pts=zero)
