"""Repair: indexes broken videos again from their films, or deletes them if asked to.

1. The recipe of a broken group comes from its commit record, or from the copy in ``zarr.json`` if
   source and recipe still give the group's own key.
2. The broken group is set aside, its film is indexed. If that fails, it is put back.
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
from fewframes.store.backend import digest_file
from fewframes.store.compaction import compact
from fewframes.store.journal import remove, trash
from fewframes.store.layout import groups_of
from fewframes.store.manifest import read_commit_of
from fewframes.store.recipes import Recipe
from fewframes.store.untrusted import load_json, read_regular


def repair_store(
    store: Path, verdicts: Sequence[CheckResult], films: Sequence[Path] = (), *, drop: bool = False
) -> Iterator[Repair]:
    """Mends what verdicts of `verify_store` say; ``films`` as they were given there.

    ``drop`` removes broken groups that no film is given for, or whose film cannot be indexed or is
    another one.

    >>> from fewframes.checking.verify import verify_store
    >>> store = Path("corpus.zarr")
    >>> list(repair_store(store, verify_store(store), [Path("film.mp4")]))
    []
    """
    known = find_films(films)
    for result in verdicts:
        if result.is_catalogue or result.is_well:
            continue
        film = known.get(result.video)
        for group in groups_of(store, result.video):
            if list(differences_of(group, result.video, film)):
                yield _repaired(store, group, result.video, film, drop=drop)
    if any(result.is_catalogue and not result.is_well for result in verdicts):
        yield Repair(CATALOGUE, RepairAction.LISTED, f" of {compact(store)} videos")


def _repaired(store: Path, group: Path, video_id: str, film: Path | None, *, drop: bool) -> Repair:
    try:
        if film is None:
            raise CorruptStoreError("no film of this id is given; pass it as --film")
        _index_again(store, group, video_id, film)
    except (FewframesError, OSError) as error:
        if drop and list(differences_of(group, video_id, None)):
            remove(store, group, video_id)
            return Repair(video_id, RepairAction.DROPPED, f": {error}")
        return Repair(video_id, RepairAction.LEFT, f": {error}")
    return Repair(video_id, RepairAction.INDEXED, f" from {film.name!r}")


def _index_again(store: Path, group: Path, video_id: str, film: Path) -> None:
    recipe = recipe_of(group, video_id)
    check_film_file(film)
    if recipe.key(digest_file(film)) != group.name:
        raise StaleIndexError(
            f"{film.name!r} is another film than the one that was indexed; index it under an id of "
            "its own"
        )
    with trash(store, group, video_id) as aside:
        try:
            limit = limit_for(film.stat().st_size)
            task = FilmTask(film, store, video_id, recipe)
            isolated(execute, task, limit_seconds=limit, progress=lambda *_: None)
        except BaseException:
            if aside is not None:
                aside.rename(group)
            raise


def recipe_of(group: Path, video_id: str) -> Recipe:
    """Gives the recipe of a group, also of one whose commit record is damaged.

    Raises:
        CorruptStoreError: Nothing that is left of it gives the group's own key.
    """
    with suppress(CorruptStoreError):
        return Recipe.from_dict(read_commit_of(group, video_id).facts["recipe"])
    try:
        facts = load_json(read_regular(group / "zarr.json"))["attributes"]["fewframes"]
        recipe, digest = Recipe.from_dict(facts["recipe"]), facts["source"]["digest"]
        is_so = facts["id"] == video_id and recipe.key(digest) == group.name
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        is_so = False
    if not is_so:
        raise CorruptStoreError("its recipe is lost; index the film anew")
    return recipe
