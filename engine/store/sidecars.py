"""Sidecars: what was made of a video's pictures, kept beside its group: vectors of a model.

::

    STORE/videos/<quoted id>/<key>/                 the group, which never changes
    STORE/videos/<quoted id>/<key>.<sidecar key>/   one sidecar
        commit.json                                 its record, with size and digest of each file
        <attempt>/…                                 its files

1. A sidecar is written as an attempt and published like a group; where another process was first,
   its sidecar stands.
2. It belongs to one group as it was published: beside another one it counts as not there.
3. What kinds there are, `sidecar_kinds` says; `vectors` makes and reads those of its kind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fewframes.errors import CorruptStoreError, FewframesError, StaleIndexError
from fewframes.store.layout import SIDECAR
from fewframes.store.manifest import Manifest, commit_at, commit_bytes
from fewframes.store.publish import publish, remove_home
from fewframes.store.sidecar_kinds import KINDS, UNKNOWN, SidecarKind
from fewframes.store.staging import Staging


@dataclass(frozen=True, slots=True, repr=False)
class Sidecar:
    """What was published beside a group."""

    commit: Manifest
    """The record of what was published."""

    def __repr__(self) -> str:
        return f"Sidecar({self.commit.facts['id']!r}, {self.words})"

    @property
    def kind(self) -> str:
        """What it is: a key of `KINDS`, or of a newer version's."""
        return str(self.commit.facts["kind"])

    @property
    def name(self) -> str:
        """Tells those of one kind apart, such as the model of vectors."""
        return KINDS.get(self.kind, UNKNOWN).name(self.commit.facts)

    @property
    def words(self) -> str:
        """Kind and name in words."""
        return f"{self.kind} of {self.name}" if self.name else self.kind

    def belongs_to(self, group: Manifest) -> bool:
        """Whether it was made of this very group."""
        is_fitting = KINDS.get(self.kind, UNKNOWN).fits(self.commit.facts, group.facts)
        return is_fitting and bool(self.commit.facts["group"] == _mark_of(group))


def sidecar_homes(group: Manifest) -> list[str]:
    """Lists where the sidecars of a group lie: beside it, named like it, and by a model's key."""
    base = group.home.rpartition("/")[0]
    names = filter(SIDECAR.fullmatch, group.store.names(base))
    return [f"{base}/{name}" for name in names if name.startswith(group.key)]


def sidecar_at(group: Manifest, home: str) -> Sidecar | None:
    """Gives the sidecar at a place, or None; CorruptStoreError where its record is damaged."""
    commit = commit_at(group.store, home)
    return None if commit is None else Sidecar(commit)


def sidecars_of(group: Manifest, kind: str = "") -> list[Sidecar]:
    """Gives the sidecars of a group, or those of a kind; those of an earlier group are left out.

    They come sorted by kind and name.

    Raises:
        CorruptStoreError: A commit record is damaged.
    """
    beside = (sidecar_at(group, home) for home in sidecar_homes(group))
    there = (sidecar for sidecar in beside if sidecar is not None and sidecar.belongs_to(group))
    found = (sidecar for sidecar in there if kind in ("", sidecar.kind))
    return sorted(found, key=lambda sidecar: (sidecar.kind, sidecar.name))


def problems_of(group: Manifest) -> Iterator[str]:
    """Says what is wrong with the sidecars of a group: each file is compared with its digest."""
    for home in sidecar_homes(group):
        try:
            sidecar = sidecar_at(group, home)
            if sidecar is None:
                continue
            for path in sidecar.commit.files:
                sidecar.commit.check(path)
            if not sidecar.belongs_to(group):
                cure = KINDS.get(sidecar.kind, UNKNOWN).cure
                yield (
                    f"{sidecar.words} are of an earlier group of video {group.facts['id']!r}"
                    f"; {cure}"
                )
        except FewframesError as error:
            yield str(error)


def stands(group: Manifest, home: str) -> bool:
    """Whether a sidecar is there, of this very group and every byte of it."""
    try:
        sidecar = sidecar_at(group, home)
        if sidecar is None or not sidecar.belongs_to(group):
            return False
        for path in sidecar.commit.files:
            sidecar.commit.check(path)
    except CorruptStoreError:
        return False
    return True


def facts_of(group: Manifest, kind: str) -> dict[str, Any]:
    """The facts that the record of every new sidecar has."""
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    return {
        "id": group.facts["id"],
        "created": created,
        "group": _mark_of(group),
        "kind": kind,
    }


def publish_sidecar(
    staging: Staging, group: Manifest, home: str, facts: dict[str, Any], files: list[str]
) -> None:
    """Puts a finished sidecar in its place, unless a whole one is there.

    Raises:
        StaleIndexError: The group was replaced meanwhile.
    """
    publish(
        group.store,
        staging,
        home,
        commit_bytes(staging.folder, facts, dict.fromkeys(files)),
        video_id=group.facts["id"],
        paths=files,
        replaces=not stands(group, home),
    )
    check_current(group, home, KINDS.get(facts["kind"], UNKNOWN))


def check_current(group: Manifest, home: str, kind: SidecarKind = UNKNOWN) -> None:
    """Takes a sidecar away whose group was replaced meanwhile, and says so by StaleIndexError."""
    now, video_id = commit_at(group.store, group.home), group.facts["id"]
    if now is None or _mark_of(now) != _mark_of(group):
        there = commit_at(group.store, home)
        if there is not None and there.facts["group"] == _mark_of(group):
            remove_home(group.store, video_id, home)
        made, cure = kind.made, kind.cure
        raise StaleIndexError(f"video {video_id!r} was replaced while it was {made}; {cure}")


def _mark_of(group: Manifest) -> dict[str, str]:
    return {"key": group.key, "created": group.facts["created"]}
