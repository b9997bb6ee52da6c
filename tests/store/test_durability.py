"""Stores that were disturbed, briefly; `make soak` disturbs them for long."""

import random

import durability
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return durability.Trial(tmp_path_factory.mktemp("durability"))


def test_killed_at_any_moment_a_store_has_whole_videos_and_goes_on(trial):
    assert durability.kills(trial, 30, random.Random(1))["kills"] == 30


def test_on_a_full_disk_a_store_has_whole_videos_and_goes_on(trial, tmp_path):
    if not durability.can_mount(tmp_path / "disk"):
        pytest.skip("a small disk cannot be mounted here; needs root")
    assert durability.full_disks(trial, 10, random.Random(2))["films_that_did_not_fit"] > 0


def test_four_processes_on_the_same_films_make_one_store(trial):
    durability.crowds(trial, 2, random.Random(3))


def test_any_flipped_bit_and_any_cut_file_is_seen(trial):
    seen = durability.damages(trial, 200, random.Random(4))
    assert (seen["bits_flipped"], seen["files_cut"]) == (200, 200)
