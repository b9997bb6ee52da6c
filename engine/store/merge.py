"""Merge: joins stores into one; no picture is decoded, and no source is changed.

1. A group is published as one that was just made is (`publish`): it is announced, its files come,
   and its record is created. A merge that was killed leaves whole groups, and the next one goes on.
2. Files come as hard links, as copies that an object store makes itself, or through this machine.
   Nothing writes a file of a store in place, so that what is linked stays as it is in both.
3. Of every file the size is compared, and of what comes through this machine the digest, since it
   is read anyway, and of what takes the place of a group; else only if asked to: that reads all.
4. Where two stores have an id, its recipes are united if they have a source in common, and of one
   recipe the later group is kept; a video of other content is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fewframes.errors import CorruptStoreError, StaleIndexError, UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.compaction import compact, compact_if_long
from fewframes.store.current import carry_choice
from fewframes.store.digests import digest_file
from fewframes.store.failures import FailureRecords
from fewframes.store.groups import holds, home_of, intact_commits, published_ids, published_keys
from fewframes.store.layout import DUPLICATES
from fewframes.store.manifest import Manifest, commit_at, of_video, sealed_record
from fewframes.store.marker import check_store
from fewframes.store.object_store import CONCURRENCY
from fewframes.store.publish import publish, remove_home, remove_orphans
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.sidecars import Sidecar, check_current, sidecar_at, sidecar_homes
from fewframes.store.staging import Staging
from fewframes.store.standing import of_newest_content
from fewframes.store.together import anchors_for, read_anchors, write_anchors
from fewframes.store.writer import ensure_store

MOST_COPIED_BYTES = 5_000_000_000
"""A larger object comes through this machine: S3 copies none of more than 5 GB in one request."""


@dataclass(frozen=True, slots=True)
class MergeProblem:
    """What could not be merged."""

    source: str
    """The store it is of."""
    video_id: str
    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge has done."""

    groups: int
    """Groups that came, each a recipe of a video."""
    sidecars: int
    """Sets of vectors that came."""
    present: int
    """Groups that were there already, or a later one of the same recipe."""
    failures: int
    """Films that failed, and of which nothing better is known."""
    linked_bytes: int
    """What came as hard links: no byte was copied."""
    server_bytes: int
    """What the object store has copied itself."""
    copied_bytes: int
    """What came through this machine; from a folder, another file system or one without links."""
    problems: tuple[MergeProblem, ...]
    """What was refused; all else came."""


def merge_stores(
    sources: Sequence[AnyStore],
    out: AnyStore,
    *,
    verify: bool = False,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> MergeReport:
    """Joins stores into ``out``, which is made, or is a store that is there already.

    ``verify`` compares every file with its digest; else only files that come through this machine.
    ``progress`` is told a source, videos done and videos in all.

    Raises:
        FileNotFoundError, ValueError, CorruptStoreError: One of them is no store, has another
            version, or is ``out``; then nothing is changed.
        UnreachableStoreError, OSError: An object store is away, or a disk full; call it again.
    """
    stores = [resolve_store(source) for source in sources]
    for source in stores:
        check_store(source)
        if _place(source) == _place(resolve_store(out)):
            raise ValueError(f"{source.name!r} cannot be merged into itself; name another store")
    merge = _Merge(ensure_store(out), verify)
    for source in stores:
        ids = sorted(published_ids(source))
        for done, video_id in enumerate(ids, 1):
            with merge.refusing(source, video_id):
                merge.add_video(source, video_id)
            progress(source.name, done, len(ids))
    for source in stores:
        merge.add_failures(source)
        merge.add_anchors(source)
    compact(merge.out, whole=False)
    return merge.report()


@dataclass(frozen=True, slots=True)
class _Merge:
    """The store that others are merged into, and what has been done."""

    out: StoreBackend
    verify: bool
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[MergeProblem] = field(default_factory=list)

    def report(self) -> MergeReport:
        """Sums up."""
        names = [name for name in MergeReport.__slots__ if name != "problems"]
        return MergeReport(
            **{name: self.counts[name] for name in names}, problems=tuple(self.problems)
        )

    def add_video(self, source: StoreBackend, video_id: str) -> None:
        """Brings the groups of a video, if they are of a film that may have this id here."""
        found = of_newest_content(self._records(source, video_id))
        there = _sources(of_newest_content(list(intact_commits(self.out, video_id))))
        if there and found and there.isdisjoint(_sources(found)):
            words = f"{self.out.name!r} has other content under this id; index one under another"
            self._refuse(source, video_id, words)
            return
        for commit in found:
            with self.refusing(source, video_id):
                standing = self._add_group(commit)
                for home in sidecar_homes(commit):
                    with self.refusing(source, video_id):
                        self._add_sidecar(commit, standing, home)
        if found:
            carry_choice(source, self.out, video_id)
            remove_orphans(self.out, video_id)
            compact_if_long(self.out)

    def add_failures(self, source: StoreBackend) -> None:
        """Brings what is known of films that failed, where no video is there."""
        mine, theirs = FailureRecords(self.out), FailureRecords(source)
        for video_id in theirs.ids():
            record = theirs.read(video_id)
            if not record:
                self._refuse(source, video_id, "what is known of its failure is damaged")
                continue
            is_newer = mine.read(video_id).get("when", "") < record["when"]
            if is_newer and not holds(self.out, video_id):
                mine.write(video_id, record)
                self.counts["failures"] += 1

    def add_anchors(self, source: StoreBackend) -> None:
        """Brings what is known of films that show the same pictures."""
        with self.refusing(source, DUPLICATES):
            if theirs := read_anchors(source):
                mine = read_anchors(self.out)
                edges, known = [*theirs.items(), *mine.items()], theirs | mine
                write_anchors(self.out, anchors_for(edges, known=known, created={}))

    def _records(self, source: StoreBackend, video_id: str) -> list[Manifest]:
        """The sound records of a video; of the others it is told."""
        found: list[Manifest] = []
        with self.refusing(source, video_id):
            for key in published_keys(source, video_id):
                with self.refusing(source, video_id):
                    commit = commit_at(source, home_of(video_id, key))
                    found += [of_video(commit, video_id)] if commit else []
        return found

    def _add_group(self, commit: Manifest) -> Manifest:
        """Brings a group, unless a later one of its recipe is here; gives what is here then."""
        there = {one.key: one for one in intact_commits(self.out, commit.facts["id"])}
        known = there.get(commit.key)
        if known is not None:
            _check_recipe(known, commit)
            if known.age_order >= commit.age_order:
                self.counts["present"] += 1
                return known
        standing = self._bring(commit, replaces=known is not None)
        _check_recipe(standing, commit)
        if standing.age_order < commit.age_order:  # of another merge, which was first
            standing = self._bring(commit, replaces=True)
        self.counts["groups"] += 1
        return standing

    def _add_sidecar(self, group: Manifest, standing: Manifest, home: str) -> None:
        """Brings vectors, if those here are not of the group that stands."""
        sidecar, now = sidecar_at(group, home), commit_at(self.out, standing.home)
        if sidecar is None or now is None or not sidecar.belongs_to(now):
            return
        with suppress(CorruptStoreError):  # in place of a damaged one it is published
            if there := commit_at(self.out, home):
                if Sidecar(there).belongs_to(now):
                    return
                remove_home(self.out, group.facts["id"], home)
        self._bring(sidecar.commit, replaces=False)
        with suppress(StaleIndexError):  # another merge has brought a later group
            check_current(standing, home)
            self.counts["sidecars"] += 1

    def _bring(self, commit: Manifest, *, replaces: bool) -> Manifest:
        """Publishes a group or sidecar of another store here, as an attempt of this one."""
        files = [{"path": p, "size": n, "xxh3": x} for p, (n, x) in sorted(commit.files.items())]
        copy = self.out.copier(commit.place)
        is_small = all(size <= MOST_COPIED_BYTES for size, _ in commit.files.values())
        bring = partial(_copy_all, copy, commit.files) if copy and is_small else None
        came, must = Counter[str](), {"is_checked": self.verify or replaces}
        with Staging(self.out.workspace) as staging:
            for path, (size, _) in commit.files.items():
                to = None if bring else staging.folder / path
                came[self._fetch(commit, path, to, **must)] += size
            standing = publish(
                self.out,
                staging,
                commit.home,
                sealed_record(commit.facts, staging.name, files),
                video_id=commit.facts["id"],
                paths=list(commit.files),
                replaces=replaces,
                bring=bring,
            )
        self.counts.update(came)
        return standing

    def _fetch(self, commit: Manifest, path: str, to: Path | None, *, is_checked: bool) -> str:
        """Checks a file of another store, and takes it over to ``to``, if it does not stay there.

        Gives the name in the report of how it comes.

        Raises:
            CorruptStoreError: It is missing, or is not what was published.
        """
        size, digest = commit.files[path]
        damage = CorruptStoreError(f"{path} of video {commit.facts['id']!r} is missing or damaged")
        if _size(commit, path) != size:
            raise damage
        kind = "server_bytes"
        try:
            if to is not None:
                to.parent.mkdir(parents=True, exist_ok=True)
                is_linked = commit.place.fetch(path, to) and not self.out.is_remote
                kind = "linked_bytes" if is_linked else "copied_bytes"
                is_checked |= not is_linked
            if is_checked and digest != (digest_file(to) if to else commit.place.digest(path)):
                raise damage
        except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
            raise damage from error
        return kind

    @contextmanager
    def refusing(self, source: StoreBackend, video_id: str) -> Iterator[None]:
        """Notes what one group or sidecar alone cannot do; the others come all the same."""
        try:
            yield
        except (CorruptStoreError, StaleIndexError) as error:
            self._refuse(source, video_id, str(error))

    def _refuse(self, source: StoreBackend, video_id: str, reason: str) -> None:
        self.problems.append(MergeProblem(source.name, video_id, reason))


def _check_recipe(standing: Manifest, commit: Manifest) -> None:
    if standing.facts["recipe"] != commit.facts["recipe"]:
        raise CorruptStoreError(f"its key {commit.key} is that of another recipe here")


def _sources(commits: Iterable[Manifest]) -> set[tuple[Any, ...]]:
    """What tells films apart: sizes, edges and whole digests."""
    sources = (commit.facts["source"] for commit in commits)
    return {(one["size_bytes"], one["edges_xxh3"], one["digest"]) for one in sources}


def _size(commit: Manifest, path: str) -> int | None:
    """Bytes of a file; None where it has no name that a file can have, or is none."""
    try:
        return commit.place.size(path)
    except UnreachableStoreError:
        raise
    except OSError:
        return None


def _copy_all(copy: Callable[[str, str], None], paths: Iterable[str], place: str) -> None:
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        for _ in threads.map(lambda path: copy(path, f"{place}/{path}"), paths):
            pass


def _place(store: StoreBackend) -> str | Path:
    return store.name.rstrip("/") if store.is_remote else store.workspace.resolve()
