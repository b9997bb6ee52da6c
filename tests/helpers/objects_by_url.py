"""What the tests of stores by URL share: objects to disturb, and what a whole film is."""

import numpy as np
from stored import RECIPE, picture_of_row

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.store.object_store import ObjectStore, resolve_store

KEY = RECIPE.key("d1")


class Wrapped:
    """Passes everything on; a test overrides what it disturbs."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    def __getattr__(self, name):
        return getattr(self.objects, name)


def keys(objects: ObjectStore) -> list[str]:
    return sorted(entry.key for entry in objects.listed(""))


def is_whole(url: str, rows: int = 20) -> bool:
    """Whether the film of `put` is there, every picture as it was; False where it is not there."""
    store = ff.open(url)
    if "film" not in store:
        assert list(store) == []
        assert len(store) == 0
        return False
    assert list(store) == ["film"]
    pixels = store["film"].read(rows=range(rows)).frames
    for row in range(rows):
        np.testing.assert_array_equal(pixels[row], picture_of_row(row))
    assert [verdict.differences for verdict in verify_store(resolve_store(url))] == [()]
    return True


def attempt_of(objects: ObjectStore) -> str:
    """The prefix of the files of the film."""
    (attempt,) = set(objects.names(f"videos/film/{KEY}")) - {"commit.json"}
    return f"videos/film/{KEY}/{attempt}"
