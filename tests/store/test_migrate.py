"""A store of each former layout is brought to today's, and no picture of it is decoded."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from backends import CHANGES, Wrapped, keys
from click.testing import CliRunner
from hostile_mutations import sealed
from stored import RECIPE, picture_of_row, put

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.store.migrate import migrate
from fewframes.store.resolve import resolve_store

FORMATS = Path(__file__).parent / "formats"
"""One small store of each former layout, as its own writer left it: 4 groups of 3 videos, one of
them with vectors and one later than the catalogue, and a film that failed."""


@pytest.fixture(params=[path.name for path in sorted(FORMATS.iterdir())])
def former(request, where):
    """A store of a former layout, in a folder or at a URL."""
    store = resolve_store(where)
    with zipfile.ZipFile(FORMATS / request.param) as archive:
        for name in archive.namelist():
            store.put(name, archive.read(name))
    return store


def check(where):
    store = ff.open(where)
    assert list(store) == ["film", "third", "ward/other"]
    assert store["film"].facts["recipe"]["fps"] == 5.0
    for row in range(20):
        picture = store["film"].read(rows=[row]).frames[0]
        np.testing.assert_array_equal(picture, picture_of_row(row))
    assert store["film"].vectors("colour").shape == (20, 3)
    assert [row["id"] for row in store.failures()] == ["bad"]
    assert all(result.is_well for result in verify_store(where))
    first = {key.split("/")[0] for key in keys(where)}
    assert first <= {"fewframes-store.json", "videos", "catalogue", "failures"}


@pytest.mark.slow
def test_a_store_of_a_former_layout_says_so_and_is_brought_up_to_date(former):
    where = str(former.path) if hasattr(former, "path") else former.objects.url
    said = CliRunner().invoke(main, ["ls", where])
    assert said.exit_code == 1
    assert "bring it up to date with 'fewframes migrate'" in said.output
    done = CliRunner().invoke(main, ["migrate", where])
    assert (done.exit_code, done.output) == (0, "3 videos\n")
    check(where)
    put(former, "film", recipe=RECIPE)
    assert migrate(former) == []
    check(former)


class Killed(BaseException):
    """No code of the package catches it."""


class Dying(Wrapped):
    """Changes the store so many times, and is killed at the next."""

    def __init__(self, files, left):
        super().__init__(files)
        self.left = left

    def __getattr__(self, name):
        real = getattr(self.files_below, name)
        if name not in (*CHANGES, "rename"):
            return real

        def change(*given):
            self.left -= 1
            if self.left < 0:
                raise Killed
            return real(*given)

        return change


@pytest.mark.slow
@pytest.mark.parametrize("changes", [0, 4, 6, 8, 20, 35, 37])
def test_one_that_was_killed_goes_on(former, changes):
    with pytest.raises(Killed):
        migrate(Dying(former, changes))
    assert migrate(former) == []
    check(former)


@pytest.mark.slow
def test_what_is_damaged_stays_as_it_is_and_the_rest_comes(former):
    key = next(key for key in keys(former) if key.startswith("videos/third") and "parquet" in key)
    former.put(key, former.read(key)[:-1])
    (problem,) = migrate(former)
    assert "frames.parquet beside third/" in problem
    assert list(ff.open(former)) == ["film", "third", "ward/other"]
    assert [row["status"] for row in ff.open(former).lines()] == ["ok", "unreadable", "ok"]
    done = CliRunner().invoke(main, ["migrate", str(getattr(former, "path", "none"))])
    assert done.exit_code in (0, 1), "it is up to date"


@pytest.mark.slow
@pytest.mark.parametrize("attempt", ["../../film", "x", 5])
def test_a_record_leads_nowhere_else(former, attempt):
    key = next(key for key in keys(former) if key.startswith("videos/third") and "commit" in key)
    before = [name for name in keys(former) if name.startswith("videos/film")]
    record = json.loads(former.read(key)) | {"attempt": attempt}
    former.put(key, sealed(record))
    (problem,) = migrate(former)
    assert "attempt=" in problem
    migrated = [name for name in keys(former) if name.startswith("videos/film")]
    assert len(migrated) == len(before)
