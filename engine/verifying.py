"""verify: is a file, or a store, still what it was said to be?

- A file is decoded from its start to its end, which corrects the prediction of its timeline; then
  frames spread over it are reached by seeking, and must have the same luma.
- Of a store every byte is checked against the digests of its commit records; and where the films
  are given, every indexed frame is decoded again and its luma compared with ``luma_xxh64``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewframes.arrays import I64
from fewframes.commits import Commit
from fewframes.corpus import find_films
from fewframes.decoding import DecodeReport, decoder
from fewframes.errors import FewframesError
from fewframes.plan import plan_frames
from fewframes.probing import probe
from fewframes.store import Store, open_store
from fewframes.timeline import Timeline
from fewframes.video import Video

NOT_KNOWN = 0
"""``luma_xxh64`` of a frame whose decoder gives no luma."""
SEEKS = 64
"""So many frames of a file are reached by seeking."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one video after it was verified."""

    video: str
    compared: int
    """Frames, or files of a store, that were compared."""
    differences: tuple[str, ...]
    """A sentence for each, the first one first; none if all is well."""
    notes: tuple[str, ...] = ()
    """What was not compared, and why."""


def verify_film(path: Path, *, seeks: int = SEEKS) -> Verdict:
    """Compares what seeking gives with a decode in order, and both with the packets.

    Raises `UnreadableMediaError` for what is not a video.

    >>> verify_film(Path("film.mp4"), seeks=5)
    Verdict(video='film.mp4', compared=5, differences=(), notes=())
    """
    predicted, verified = probe(path, cache=False), probe(path, cache=False, verify=True)
    differences = list(verified.damage)
    if not np.array_equal(predicted.order, verified.order):
        differences.append("frames come out in another order than the packets say")
    numbers = np.unique(np.linspace(0, len(verified) - 1, seeks).round().astype(np.int64))
    numbers = numbers[~np.isin(numbers, verified.undecodable)]
    truth = luma_hashes(verified, np.arange(len(verified)))
    for number in numbers.tolist():
        seconds = float(verified.seconds[number])
        reached = luma_hashes(verified, np.array([number])).get(number)
        if reached is None or reached != truth.get(number):
            words = "is not reached" if reached is None else "is another picture when it is reached"
            differences.append(f"frame {number} ({seconds:.3f} s) {words} by seeking")
    return Verdict(path.name, len(numbers), tuple(differences))


def verify_store(
    store: Path,
    films: Sequence[Path] = (),
    *,
    progress: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Checks every byte of a store, and with ``films`` every indexed frame of them.

    A video's film is the one of ``films`` (files, or folders as they were indexed) with its id.
    Raises FileNotFoundError for what is no store.

    >>> [verdict.differences for verdict in verify_store(Path("corpus.zarr"))]
    [()]
    """
    known = find_films(films)
    videos, verdicts = open_store(store), []
    for video_id in videos:
        verdicts.append(_verdict(videos, video_id, known.get(video_id)))
        if progress:
            progress(verdicts[-1])
    return verdicts


def _verdict(videos: Store, video_id: str, film: Path | None) -> Verdict:
    """Whatever is wrong with a video is in its verdict."""
    try:
        video = videos[video_id]
        differences = list(damaged_files(video.commit))
        compared, notes = len(video.commit.files), ""
        if film is not None and not differences:
            compared, notes = known_hashes(video)
            differences = list(changed_frames(video, film))
    except FewframesError as error:
        return Verdict(video_id, 0, (str(error),))
    return Verdict(video_id, compared, tuple(differences), (notes,) if notes else ())


def known_hashes(video: Video) -> tuple[int, str]:
    """Counts the frames whose luma is known, and says in words how many are not."""
    known = int((video.table.signals["luma_xxh64"] != NOT_KNOWN).sum())
    others = len(video.table) - known
    decoder = video.facts.get("decoding", {}).get("decoder", "another decoder")
    words = f"{others} frames were decoded by {decoder}, which gives no luma: not compared"
    return known, words if others else ""


def damaged_files(commit: Commit) -> Iterator[str]:
    """Names the files of a group that are not what was published."""
    for path in commit.files:
        try:
            commit.check(path)
        except FewframesError as error:
            yield str(error)


def changed_frames(video: Video, film: Path) -> Iterator[str]:
    """Names the indexed frames of a film that decode to another picture than then."""
    table = video.table
    timeline = probe(film, stream=video.facts["stream"]["index"])
    last = int(table.frame_numbers[-1])
    if last >= len(timeline):
        yield f"{film.name!r} has {len(timeline)} frames, but its frame {last} is indexed"
        return
    then = table.signals["luma_xxh64"]
    known = np.flatnonzero(then != NOT_KNOWN)
    numbers = table.frame_numbers[known]
    now = luma_hashes(timeline, numbers)
    for number, seconds, luma in zip(
        numbers.tolist(), table.seconds[known], then[known], strict=True
    ):
        if now.get(number) != luma:
            yield f"frame {number} ({seconds:.3f} s) of {film.name!r} decodes to another picture"


def luma_hashes(timeline: Timeline, numbers: I64) -> dict[int, int]:
    """Decodes frames and hashes their luma, by frame number, without those that are damaged."""
    runs = plan_frames(timeline, numbers).runs
    found: dict[int, int] = {}
    for batch in decoder()(timeline, runs, format="jpeg", size=(16, 16), report=DecodeReport()):
        is_sound = batch.is_damaged is None or not batch.is_damaged.any()
        if is_sound and batch.luma_xxh64 is not None:
            found |= dict(zip(batch.frame_numbers.tolist(), batch.luma_xxh64.tolist(), strict=True))
    return found
