"""Timelines, videos and samples as plain facts, for JSON and for people."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewframes.decode.batch import FrameBatch
from fewframes.media.timeline import StreamInfo, Timeline
from fewframes.models.export import repaired_frames
from fewframes.naming import byte_words
from fewframes.selection.policies import Policy, policies
from fewframes.store.catalogue_rows import row_from
from fewframes.store.sidecars import sidecars_of

if TYPE_CHECKING:
    from fewframes.store.store import Video


def probed_facts(file: Path, *, stream: int | None, verify: bool) -> dict[str, Any]:
    """Probes a film, and gives its `timeline_facts`.

    >>> probed_facts(Path("film.mp4"), stream=None, verify=False)["frames"]
    250
    """
    from fewframes.files.probing import probe

    return timeline_facts(probe(file, stream=stream, verify=verify))


def timeline_facts(timeline: Timeline) -> dict[str, Any]:
    """Says what a file holds.

    >>> from fewframes.media.timeline import example_timeline
    >>> timeline_facts(example_timeline())["frames"]
    4
    """
    packets = timeline.packets
    return {
        "file": timeline.source.name,
        **stream_facts(timeline.stream),
        "frames": len(timeline),
        "header_frames": timeline.stream.header_frames,
        "keyframes": int(packets.is_random_access.sum()),
        "droppable_pictures": int(packets.is_droppable.sum()),
        "time_base": str(timeline.time_base),
        "start_pts": timeline.start_pts,
        "duration_seconds": timeline.duration_seconds,
        "frame_rate": round(timeline.frame_rate, 6),
        "timing": timeline.timing,
        "repaired_frames": len(timeline.repaired),
        "state": timeline.state,
        "damage": list(timeline.damage),
        "notes": list(timeline.notes),
        "undecodable": timeline.undecodable.tolist(),
    }


def stream_facts(stream: StreamInfo) -> dict[str, Any]:
    """Says what a stream's pictures are like, as shown.

    >>> from fewframes.media.timeline import example_timeline
    >>> stream_facts(example_timeline().stream)["codec"]
    'h264'
    """
    height, width = stream.display_size
    return {
        "container": stream.container,
        "codec": stream.codec,
        "width": width,
        "height": height,
        "rotation": stream.rotation,
        "is_mirrored": stream.is_mirrored,
        "pixel_format": stream.pixel_format,
        "pixel_aspect": str(stream.pixel_aspect),
        "crop": list(stream.crop),
        "colour_space": stream.colour_space,
        "colour_range": stream.colour_range,
        "transfer": stream.transfer,
        "stream": stream.index,
    }


SHOWN = ("id", "status", "rows", "stored", "duration_seconds")
LISTED = (*SHOWN, "height", "width", "recipes", "total_bytes", "reason", "notes")
"""Columns of the catalogue that a list reads."""


def listed_line(row: dict[str, Any]) -> dict[str, Any]:
    """Says of a row of the catalogue what a list shows; None where a record is unreadable."""
    size = None if row["height"] is None else f"{row['height']}x{row['width']}"
    line: dict[str, Any] = {name: row[name] for name in SHOWN} | {"size": size}
    if line["duration_seconds"] is not None:
        line["duration_seconds"] = round(line["duration_seconds"], 3)
    return line


def video_facts(video: "Video") -> dict[str, Any]:
    """Says all that a store knows of a video."""
    line = listed_line(row_from(video.id, [], [video.commit], 0))
    counted = {"rows": len(video.slots), "stored": int(video.slots.max()) + 1}  # by the table
    recipes = [
        f"{one.key}: {one.recipe.words}, {one.rows} rows, {byte_words(one.bytes)}"
        f"{', current' if one.is_current else ''}"
        for one in video.recipes
    ]
    sidecars = [
        f"{one.words}, {byte_words(one.commit.size_bytes)}" for one in sidecars_of(video.commit)
    ]
    more = {"recipes": recipes, "sidecars": sidecars}
    return {**line, **counted, **size_facts(video), **more, **video.facts}


def size_facts(video: "Video") -> dict[str, Any]:
    """Says what a stored video takes on disk, and what sharing pictures has saved.

    ``saved_share`` is the share of the rows that needed no picture of their own.

    >>> import fewframes as ff
    >>> sorted(size_facts(ff.open("corpus.zarr")["film"]))
    ['bytes', 'bytes_a_picture', 'picture_bytes', 'saved_share']
    """
    rows, stored = (video.facts["counts"][name] for name in ("rows", "stored"))
    return {
        "bytes": sum(size for size, _ in video.commit.files.values()),
        "picture_bytes": video.picture_bytes,
        "bytes_a_picture": round(video.picture_bytes / max(1, stored)),
        "saved_share": round(1 - stored / max(1, rows), 4),
    }


def policy_facts() -> list[dict[str, str]]:
    """Says of every policy, also of other packages, what it picks, reads and needs.

    >>> policy_facts()[1]
    {'policy': 'uniform', 'picks': 'evenly spaced in time', 'reads': '', 'needs': 'times'}
    """
    return [
        {
            "policy": name,
            "picks": policy.summary,
            "reads": ", ".join(policy.uses),
            "needs": needs_of(policy),
        }
        for name, policy in policies().items()
    ]


def needs_of(policy: Policy) -> str:
    """Says what a table has to hold for a policy.

    >>> from fewframes.selection.policies import POLICIES
    >>> needs_of(POLICIES["adaptive"]), needs_of(POLICIES["runtime:vllm"])
    ('pictures', 'frame count')
    """
    if policy.is_upstream_sampler:
        return "frame count"
    if policy.needs_pictures:
        return "pictures"
    return "signals" if policy.needs_signals else "times"


def sample_facts(batch: FrameBatch) -> dict[str, Any]:
    """Says which frames were chosen, in order of time.

    >>> from fewframes.decode.batch import example_batch
    >>> sample_facts(example_batch())["frames"][1]
    {'frame': 30, 'pts': 15360, 'seconds': 1.0, 'score': 0.0}
    """
    scores = [0.0] * len(batch) if batch.scores is None else batch.scores.tolist()
    rows = zip(batch.frame_numbers.tolist(), batch.pts.tolist(), batch.seconds, scores, strict=True)
    return {
        "video": batch.source,
        "policy": batch.report.get("policy"),
        "budget": batch.report.get("budget"),
        "repaired_frames": repaired_frames(batch, np.arange(len(batch))),
        "frames": [
            {"frame": number, "pts": pts, "seconds": round(float(seconds), 6), "score": score}
            for number, pts, seconds, score in rows
        ],
    }


def write_sample(batch: FrameBatch, facts: dict[str, Any], folder: Path) -> None:
    """Writes each frame as a JPEG named by number and time, and the facts as frames.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for row, jpeg in zip(facts["frames"], batch.jpeg(), strict=True):
        row["file"] = f"{row['frame']:08d}_{row['seconds']:.3f}s.jpg"
        (folder / row["file"]).write_bytes(jpeg)
    (folder / "frames.json").write_text(json.dumps(facts, indent=1) + "\n")
