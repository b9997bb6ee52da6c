"""What the tests of stores on a disk and at a URL share: a store to disturb, and what is whole."""

import numpy as np
from places import keys
from stored import RECIPE, picture_of_row

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import ATTEMPT
from fewframes.store.resolve import AnyStore

KEY = RECIPE.key("d1")
HOME = f"videos/film/{KEY}"


def lasting(where: AnyStore) -> list[str]:
    """The files of a store but for its cache of the list of videos."""
    return [key for key in keys(where) if key.split("/")[0] != "catalogue"]


def is_whole(where: AnyStore, rows: int = 20) -> bool:
    """Whether the film of `put` is there, every picture as it was; False where it is not there."""
    store = ff.open(where)
    if "film" not in store:
        assert list(store) == []
        assert len(store) == 0
        return False
    assert list(store) == ["film"]
    pixels = store["film"].read(rows=range(rows)).frames
    for row in range(rows):
        np.testing.assert_array_equal(pixels[row], picture_of_row(row))
    assert [verdict.differences for verdict in verify_store(where)] == [()]
    return True


def place_of(store: StoreBackend, home: str = HOME) -> str:
    """The prefix of the files of a group, by that of the group; it is named as their attempt."""
    (attempt,) = filter(ATTEMPT.fullmatch, store.names(home))
    return f"{home}/{attempt}"
