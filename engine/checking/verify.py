"""Verify: checks that a file or a store is still what its record says.

- A file is decoded from its start to its end, which corrects the prediction of its timeline; then
  frames spread over it are reached by seeking, and must be the same in every plane.
- Of a store every byte of every group is checked against the digests of its commit record, the
  numbers of rows and pictures against each other, and the catalogue against the groups. Where the
  films are given, and are byte for byte those that were indexed, every indexed frame is decoded
  again, in sequence, and some of them alone after a seek, and compared by ``picture_xxh64``
  (``luma_xxh64`` in stores that have no other). A frame that no longer decodes has changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from fewframes.arrays import I64
from fewframes.checking.results import CATALOGUE, CheckResult
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import CorruptStoreError, FewframesError, UnreachableStoreError
from fewframes.features.signals import LUMA_HASH, PICTURE_HASH
from fewframes.files.probing import probe
from fewframes.indexing.discovery import find_films
from fewframes.media.timeline import Timeline
from fewframes.store.backend import StoreBackend
from fewframes.store.catalogue import Catalogue, rows_of
from fewframes.store.groups import home_of, published_ids, published_keys
from fewframes.store.manifest import Manifest, commit_at, of_video
from fewframes.store.marker import check_store
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.sidecars import problems_of
from fewframes.store.standing import other_film
from fewframes.store.video import Video

NOT_KNOWN = 0
"""Hash of a frame whose decoder gives no planes."""
SEEKS = 64
"""So many frames of a film are reached by seeking."""
READ_ROWS = 64
"""Pictures of a store that are read together."""
NO_FILM = "no film with this id was given: its files were checked, its pictures not compared"


def verify_film(path: Path, *, seeks: int = SEEKS) -> CheckResult:
    """Compares what seeking gives with a decode in order, and both with the packets.

    Raises `UnreadableMediaError` for what is not a video.

    >>> verify_film(Path("film.mp4"), seeks=5)
    CheckResult(video='film.mp4', compared=5, differences=(), notes=())
    """
    predicted, verified = probe(path, cache=False), probe(path, cache=False, verify=True)
    differences = list(verified.damage)
    if not np.array_equal(predicted.order, verified.order):
        differences.append("frames come out in another order than the packets say")
    every = np.arange(len(verified))
    numbers = spread(every, seeks)
    numbers = numbers[~np.isin(numbers, verified.undecodable)]
    differences += changed_by_seeking(verified, numbers, hashes_of(verified, every, PICTURE_HASH))
    return CheckResult(path.name, len(numbers), tuple(differences))


def spread(numbers: I64, count: int) -> I64:
    """Picks at most ``count`` numbers evenly, the first and the last one among them.

    >>> spread(np.arange(10, 20), 4)
    array([10, 13, 16, 19])
    """
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, count).round().astype(np.int64))]


def changed_by_seeking(
    timeline: Timeline, numbers: I64, truth: Mapping[int, int], column: str = PICTURE_HASH
) -> Iterator[str]:
    """Decodes frames one by one after a seek each; names those that are not as in ``truth``."""
    for number in numbers.tolist():
        reached = hashes_of(timeline, np.array([number]), column).get(number)
        if reached is None or reached != truth.get(number):
            words = "is not reached" if reached is None else "is another picture when it is reached"
            yield f"frame {number} ({timeline.seconds[number]:.3f} s) {words} by seeking"


def verify_store(where: AnyStore, films: Sequence[Path] = ()) -> list[CheckResult]:
    """Checks every byte of a store, and with ``films`` every indexed frame of them.

    A video's film is the one of ``films`` (files, or folders as they were indexed) with its id.
    A catalogue that does not agree with the groups is a verdict of its own, the last one.
    Raises FileNotFoundError for what is no store, and UnreachableStoreError where a URL's object
    store does not answer.

    >>> [result.differences for result in verify_store(Path("corpus.zarr"))]
    [()]
    """
    known, store = find_films(films), resolve_store(where)
    check_store(store)
    verdicts = []
    for video_id in published_ids(store):
        film = known.get(video_id)
        verdicts.append(_verdict(store, video_id, film, [NO_FILM] if films and not film else []))
    if not (catalogue := verify_catalogue(store)).is_well:
        verdicts.append(catalogue)
    return verdicts


def verify_catalogue(where: AnyStore) -> CheckResult:
    """Compares what the catalogue lists with what the groups say.

    >>> verify_catalogue(Path("corpus.zarr"))
    CheckResult(video='(catalogue)', compared=1, differences=(), notes=())
    """
    store = resolve_store(where)
    there = {row["id"]: row for row in rows_of(store, published_ids(store))}
    try:
        listed = {row["id"]: row for row in Catalogue(store).rows()}
    except FewframesError as error:
        return CheckResult(CATALOGUE, 0, (str(error),), is_catalogue=True)
    differences = []
    for video_id in sorted({*there, *listed}):
        if video_id not in there:
            differences.append(f"video {video_id!r} is listed, but it is not there")
        elif video_id not in listed:
            differences.append(f"video {video_id!r} is there, but it is not listed")
        elif listed[video_id] != there[video_id]:
            differences.append(f"video {video_id!r} is listed with other facts than it has")
    return CheckResult(CATALOGUE, len(there), tuple(differences), is_catalogue=True)


def _verdict(
    store: StoreBackend, video_id: str, film: Path | None, notes: list[str]
) -> CheckResult:
    """Whatever is wrong with any group of a video is in its verdict; ``notes`` go into it, too."""
    compared, differences = 0, []
    try:
        keys = published_keys(store, video_id)
    except CorruptStoreError as error:  # a link
        return CheckResult(video_id, 0, (str(error),))
    for key in keys:
        found = list(differences_of(store, video_id, key, film))
        differences += found
        commit = None if found else commit_at(store, home_of(video_id, key))
        if commit is not None:
            known, note = known_hashes(Video(commit)) if film else (len(commit.files), "")
            compared += known
            notes += [note] if note else []
    return CheckResult(video_id, compared, tuple(differences), tuple(notes))


def known_hashes(video: Video) -> tuple[int, str]:
    """Counts the frames whose planes are known, and says in words how many are not."""
    known = int((video.table.signals[hash_column(video)] != NOT_KNOWN).sum())
    others = len(video.table) - known
    decoder = video.facts.get("decoding", {}).get("decoder", "another decoder")
    words = f"{others} frames were decoded by {decoder}, which gives no luma: not compared"
    return known, words if others else ""


def hash_column(video: Video) -> str:
    """Names the column by which frames are compared; stores made before it have luma alone."""
    return PICTURE_HASH if PICTURE_HASH in video.table.signals else LUMA_HASH


def differences_of(
    store: StoreBackend, video_id: str, key: str, film: Path | None
) -> Iterator[str]:
    """Says what is wrong with one group; its film is compared where nothing else is wrong."""
    try:
        commit = commit_at(store, home_of(video_id, key))
        if commit is not None:  # else it was removed just now
            yield from differences_in(of_video(commit, video_id), film)
    except UnreachableStoreError:
        raise
    except FewframesError as error:
        yield str(error)


def differences_in(commit: Manifest, film: Path | None) -> Iterator[str]:
    """Says what is wrong with a group whose record is whole."""
    try:
        video = Video(commit)
        found = list(damaged_files(commit))
        found += problems_of(commit)
        yield from found
        if not found:
            found = list(wrong_numbers(video))
            yield from found
        if film is not None and not found:
            other = other_film(commit, film)
            yield from [other] if other else []
            if not other or film.stat().st_size == commit.facts["source"]["size_bytes"]:
                yield from changed_frames(video, film)
    except UnreachableStoreError:
        raise
    except FewframesError as error:
        yield str(error)


def damaged_files(commit: Manifest) -> Iterator[str]:
    """Names the files of a group that are not what was published."""
    for path in commit.files:
        try:
            commit.check(path)
        except CorruptStoreError as error:
            yield str(error)


def wrong_numbers(video: Video) -> Iterator[str]:
    """Says where rows, pictures and the record do not agree; raises where a picture is missing."""
    table, counts = video.table, video.facts["counts"]
    if len(table) != counts["rows"]:
        yield f"{video.id!r} has {len(table)} rows, but {counts['rows']} were published"
    if (np.diff(table.frame_numbers) <= 0).any():
        yield f"the frames of {video.id!r} are not in order"
    used = np.unique(video.slots)
    if len(used) != counts["stored"]:
        yield f"the rows of {video.id!r} use {len(used)} of {counts['stored']} pictures"
    first_rows = np.unique(video.slots, return_index=True)[1]
    for at in range(0, len(first_rows), READ_ROWS):
        video.encoded(first_rows[at : at + READ_ROWS])


def changed_frames(video: Video, film: Path) -> Iterator[str]:
    """Names the indexed frames of a film that decode to another picture than then."""
    table = video.table
    timeline = probe(film, stream=video.facts["stream"]["index"])
    last = int(table.frame_numbers[-1])
    if last >= len(timeline):
        yield f"{film.name!r} has {len(timeline)} frames, but its frame {last} is indexed"
        return
    column = hash_column(video)
    known = table.signals[column] != NOT_KNOWN
    numbers = table.frame_numbers[known]
    then = dict(zip(numbers.tolist(), table.signals[column][known].tolist(), strict=True))
    now, same = hashes_of(timeline, numbers, column), []
    for number, seconds in zip(then, table.seconds[known], strict=True):
        if now.get(number) == then[number]:
            same.append(number)
            continue
        words = "decodes to another picture" if number in now else "no longer decodes"
        yield f"frame {number} ({seconds:.3f} s) of {film.name!r} {words}"
    if same:
        yield from changed_by_seeking(timeline, spread(np.array(same), SEEKS), then, column)


def hashes_of(timeline: Timeline, numbers: I64, column: str) -> dict[int, int]:
    """Decodes frames and gives a hash column by frame number, without those that are damaged."""
    runs = plan_frames(timeline, numbers).runs
    found: dict[int, int] = {}
    for batch in decoder()(timeline, runs, format="jpeg", size=(16, 16), report=DecodeReport()):
        is_sound = batch.is_damaged is None or not batch.is_damaged.any()
        hashes = getattr(batch, column)
        if is_sound and hashes is not None:
            found |= dict(zip(batch.frame_numbers.tolist(), hashes.tolist(), strict=True))
    return found
