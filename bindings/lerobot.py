"""LeRobot: videos as the episodes of one dataset, in the layout of version 2.1.

::

    meta/info.json, tasks.jsonl, episodes.jsonl, episodes_stats.jsonl
    data/chunk-000/episode_000000.parquet
    videos/chunk-000/observation.images.video/episode_000000.mp4

The layout is that of ``codebase_version`` v2.1 (https://huggingface.co/docs/lerobot), a file an
episode; LeRobot converts it to version 3 itself. ``timestamp`` is f32 and ``fps`` one number for
all, as LeRobot has it. The exact times are in the columns ``pts`` and ``seconds`` beside it, and in
the MP4, whose frames are shown at their own times from 0.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fewframes.bindings.mp4 import write_mp4
from fewframes.store.dataset_export import film_facts
from fewframes.store.video import Video

CHUNK = 1000
KEY = "observation.images.video"
DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
FILMS = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"


def write_lerobot(videos: Sequence[Video], folder: Path) -> None:
    """Writes the dataset.

    Raises:
        ValueError: The pictures of the videos are not of one size and rate, or times do not fit.
        CorruptStoreError: A video is damaged.
    """
    kinds = {(video.frame_size, video.facts["recipe"]["fps"]) for video in videos}
    if len(kinds) > 1:
        raise ValueError(
            f"a LeRobot dataset has one picture size and rate, but these videos have {len(kinds)}; "
            "index them with one --size HxW and --fps"
        )
    first, stats, columns = 0, [], dict[str, npt.NDArray[Any]]()
    for episode, video in enumerate(videos):
        place = {"episode_chunk": episode // CHUNK, "episode_index": episode}
        data, film = folder / DATA.format(**place), folder / FILMS.format(**place, video_key=KEY)
        data.parent.mkdir(parents=True, exist_ok=True)
        film.parent.mkdir(parents=True, exist_ok=True)
        columns = columns_of(video, episode=episode, first=first)
        write_rows(data, columns)
        write_mp4(video, film, zero_pts=int(video.facts["start_pts"]))
        first += len(video.slots)
        each = {name: statistics_of(values) for name, values in columns.items()}
        stats.append({"episode_index": episode, "stats": each})
    dtypes = {name: values.dtype.name for name, values in columns.items()}
    write_meta(videos, folder / "meta", dtypes=dtypes, stats=stats)


def columns_of(video: Video, *, episode: int, first: int) -> dict[str, npt.NDArray[Any]]:
    """Gives the columns of one episode; ``first`` is the number of its first row in the dataset.

    The first five are LeRobot's own.
    """
    seconds, count = video.table.seconds, len(video.slots)
    return {
        "timestamp": seconds.astype(np.float32),
        "frame_index": np.arange(count),
        "episode_index": np.full(count, episode),
        "index": first + np.arange(count),
        "task_index": np.zeros(count, np.int64),
        "seconds": seconds,
        "pts": video.table.pts,
        "source_frame": video.table.frame_numbers,
        "is_damaged": video.is_damaged,
        "is_repaired": video.is_repaired,
    }


def write_rows(path: Path, columns: dict[str, Any]) -> None:
    """Writes the Parquet file of one episode."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("wb") as file:
        pq.write_table(pa.table(columns), file)


def write_meta(
    videos: Sequence[Video], folder: Path, *, dtypes: dict[str, str], stats: list[dict[str, Any]]
) -> None:
    """Writes what is said of the dataset and of each episode."""
    folder.mkdir(exist_ok=True)
    text = json.dumps(info_of(videos, dtypes), indent=4)
    (folder / "info.json").write_text(text + "\n", encoding="ascii")
    lines = {
        "tasks.jsonl": [{"task_index": 0, "task": "video"}],
        "episodes.jsonl": [
            {
                "episode_index": episode,
                "tasks": ["video"],
                "length": len(video.slots),
                "fewframes": film_facts(video),
            }
            for episode, video in enumerate(videos)
        ],
        "episodes_stats.jsonl": stats,
    }
    for name, rows in lines.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="ascii")


def info_of(videos: Sequence[Video], dtypes: dict[str, str]) -> dict[str, Any]:
    """Gives ``meta/info.json``; ``dtypes`` are those of the columns."""
    count = len(videos)
    numbers = {name: {"dtype": kind, "shape": [1], "names": None} for name, kind in dtypes.items()}
    return {
        "codebase_version": "v2.1",
        "robot_type": None,
        "total_episodes": count,
        "total_frames": sum(len(video.slots) for video in videos),
        "total_tasks": 1,
        "total_videos": count,
        "total_chunks": -(-count // CHUNK),
        "chunks_size": CHUNK,
        "fps": _rate(videos[0]),
        "splits": {"train": f"0:{count}"},
        "data_path": DATA,
        "video_path": FILMS,
        "features": {KEY: _film_feature(videos[0]), **numbers},
    }


def statistics_of(values: npt.NDArray[Any]) -> dict[str, list[float]]:
    """Gives the range, mean, spread and count of the numbers of an episode."""
    numbers = values.astype(np.float64)
    found = {"min": numbers.min(), "max": numbers.max(), "mean": numbers.mean()}
    found |= {"std": numbers.std(), "count": len(numbers)}
    return {name: [value if name == "count" else float(value)] for name, value in found.items()}


def _rate(video: Video) -> float:
    """Frames a second: that of the scan, or the film's own where every frame was scanned."""
    rate = video.facts["recipe"]["fps"]
    film = video.table.film
    return float(rate or (film.fps if film else 0.0))


def _film_feature(video: Video) -> dict[str, Any]:
    height, width = video.frame_size
    return {
        "dtype": "video",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.fps": _rate(video),
            "video.height": height,
            "video.width": width,
            "video.channels": 3,
            "video.codec": "h264",
            "video.pix_fmt": "yuv444p" if height % 2 or width % 2 else "yuv420p",
            "video.is_depth_map": False,
            "has_audio": False,
        },
    }
