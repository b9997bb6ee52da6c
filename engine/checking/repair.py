"""Repair: indexes broken videos again from their films, or deletes them if asked to.

1. The recipe of a broken group comes from its commit record, or from the copy in ``zarr.json`` if
   source and recipe still give the group's own key.
2. Its film is indexed, and takes the group's place in one step. If that fails, the group stays.
3. A group that cannot be indexed again is left as it is, or removed where ``drop`` says so; a whole
   one is never removed.
4. The film must be the one that was indexed: its digest and the recipe give the group's own key. No
   other is ever put in its place.
5. A catalogue that is wrong is made anew.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fewframes.checking.results import CATALOGUE, CheckResult, Repair, RepairAction
from fewframes.checking.verify import differences_of
from fewframes.errors import CorruptStoreError, FewframesError, StaleIndexError
from fewframes.indexing.discovery import find_films
from fewframes.indexing.isolation import isolated, limit_for
from fewframes.indexing.options import FilmTask
from fewframes.indexing.tasks import execute
from fewframes.media.source import check_film_file
from fewframes.store.backend import StoreBackend
from fewframes.store.compaction import compact
from fewframes.store.digests import digest_file
from fewframes.store.gc import remove_video
from fewframes.store.groups import home_of, published_keys
from fewframes.store.layout import ATTEMPT
from fewframes.store.manifest import commit_at, of_video
from fewframes.store.publish import remove_group
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.untrusted import load_json


def repair_store(
    where: AnyStore,
    verdicts: Sequence[CheckResult],
    films: Sequence[Path] = (),
    *,
    drop: bool = False,
) -> Iterator[Repair]:
    """Mends what verdicts of `verify_store` say; ``films`` as they were given there.

    ``drop`` removes broken groups that no film is given for, or whose film cannot be indexed or is
    another one.

    >>> from fewframes.checking.verify import verify_store
    >>> store = Path("corpus.zarr")
    >>> list(repair_store(store, verify_store(store), [Path("film.mp4")]))
    []
    """
    store, known = resolve_store(where), find_films(films)
    for result in verdicts:
        if result.is_catalogue or result.is_well:
            continue
        yield from _repaired_groups(store, result.video, known.get(result.video), drop=drop)
    if any(result.is_catalogue and not result.is_well for result in verdicts):
        yield Repair(CATALOGUE, RepairAction.LISTED, f" of {compact(store)} videos")


def _repaired_groups(
    store: StoreBackend, video_id: str, film: Path | None, *, drop: bool
) -> Iterator[Repair]:
    """Mends each broken group of a video; of a link in the video's place, only that is dropped."""
    try:
        keys = published_keys(store, video_id)
    except CorruptStoreError as error:
        if drop:
            remove_video(store, video_id)
        yield Repair(video_id, RepairAction.DROPPED if drop else RepairAction.LEFT, f": {error}")
        return
    for key in keys:
        if list(differences_of(store, video_id, key, film)):
            yield _repaired(store, video_id, key, film, drop=drop)


def _repaired(
    store: StoreBackend, video_id: str, key: str, film: Path | None, *, drop: bool
) -> Repair:
    try:
        if film is None:
            raise CorruptStoreError("no film of this id is given; pass it as --film")
        _index_again(store, video_id, key, film)
    except (FewframesError, OSError) as error:
        if drop and list(differences_of(store, video_id, key, None)):
            remove_group(store, video_id, key)
            return Repair(video_id, RepairAction.DROPPED, f": {error}")
        return Repair(video_id, RepairAction.LEFT, f": {error}")
    return Repair(video_id, RepairAction.INDEXED, f" from {film.name!r}")


def _index_again(store: StoreBackend, video_id: str, key: str, film: Path) -> None:
    recipe = recipe_of(store, video_id, key)
    check_film_file(film)
    if recipe.key(digest_file(film)) != key:
        raise StaleIndexError(
            f"{film.name!r} is another film than the one that was indexed; index it under an id of "
            "its own"
        )
    task = FilmTask(film, store, video_id, recipe, is_repair=True)
    limit = limit_for(film.stat().st_size)
    isolated(execute, task, limit_seconds=limit, progress=lambda *_: None)


def recipe_of(store: StoreBackend, video_id: str, key: str) -> Recipe:
    """Gives the recipe of a group, also of one whose commit record is damaged.

    Raises:
        CorruptStoreError: Nothing that is left of it gives the group's own key.
    """
    home = home_of(video_id, key)
    with suppress(CorruptStoreError):
        commit = commit_at(store, home)
        if commit is not None:
            return Recipe.from_dict(of_video(commit, video_id).facts["recipe"])
    for name in filter(ATTEMPT.fullmatch, store.names(home)):
        with suppress(OSError, KeyError, TypeError, ValueError, AttributeError):
            facts = load_json(store.read(f"{home}/{name}/zarr.json"))["attributes"]["fewframes"]
            recipe, digest = Recipe.from_dict(facts["recipe"]), facts["source"]["digest"]
            if facts["id"] == video_id and recipe.key(digest) == key:
                return recipe
    raise CorruptStoreError("its recipe is lost; index the film anew")
