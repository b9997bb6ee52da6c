"""Stores that were disturbed, briefly; `make soak` disturbs them for long."""

import random

import durability
import pytest
from places import new_bucket

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["folder", "url"])
def trial(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("durability")
    if request.param == "folder":
        return durability.Trial(folder)
    request.getfixturevalue("server")
    return durability.Trial(folder, new_bucket())


def test_killed_at_any_moment_a_store_has_whole_videos_and_goes_on(trial):
    count = 10 if trial.url else 30
    assert durability.kills(trial, count, random.Random(1))["kills"] == count


def test_on_a_full_disk_a_store_has_whole_videos_and_goes_on(trial, tmp_path):
    if trial.url:
        pytest.skip("a server has no small disks to fill here")
    if not durability.can_mount(tmp_path / "disk"):
        pytest.skip("a small disk cannot be mounted here; needs root")
    assert durability.full_disks(trial, 10, random.Random(2))["films_that_did_not_fit"] > 0


def test_four_processes_on_the_same_films_make_one_store(trial):
    durability.crowds(trial, 2, random.Random(3))


def test_any_flipped_bit_and_any_cut_file_is_seen(trial):
    count = 50 if trial.url else 200
    seen = durability.damages(trial, count, random.Random(4))
    assert (seen["bits_flipped"], seen["files_cut"]) == (count, count)
