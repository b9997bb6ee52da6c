"""Kernels that pick rows pick those that their methods name."""

import numpy as np
import pytest

import fewframes.kernels as kernels

NONE = np.empty(0, np.int64)


def test_rows_are_picked_once_each_even_when_all_are_alike():
    points = np.ones((6, 3), np.float32)
    rows, gaps = kernels.farthest_first(points, 4, np.array([1]))
    assert rows.tolist() == [0, 2, 3, 4]
    assert gaps.tolist() == [0, 0, 0, 0]


def test_rows_with_nan_count_as_zero_and_are_picked_once():
    points = np.array([[3, 4], [np.nan, np.nan], [0, 0], [np.nan, 4]], np.float32)
    rows, gaps = kernels.farthest_first(points, 3, np.array([1]))
    assert rows.tolist() == [0, 3, 2]
    assert gaps.tolist() == [5, 3, 0]


def test_the_first_of_all_picks_is_far_from_the_mean_and_gaps_never_grow():
    points = np.random.default_rng(5).standard_normal((40, 4)).astype(np.float32)
    points[17] = 50
    rows, gaps = kernels.farthest_first(points, 40, np.empty(0, np.int64))
    assert rows[0] == 17
    assert gaps[0] == np.inf
    assert sorted(rows.tolist()) == list(range(40))
    assert (np.diff(gaps[1:]) <= 0).all()


def test_the_volume_of_the_rows_picked_is_the_greedy_one():
    points = np.random.default_rng(3).standard_normal((25, 6)).astype(np.float32)
    rows, lengths = kernels.pivoted_cholesky(points, np.ones(25), 25, NONE)
    assert len(rows) == 6  # the rank
    picked = []
    for row, length in zip(rows.tolist(), lengths, strict=True):
        volumes = [np.linalg.det(gram(points[[*picked, i]])) for i in range(25)]
        assert row == np.argmax(volumes)
        before = np.linalg.det(gram(points[picked])) if picked else 1.0
        assert length**2 == pytest.approx(max(volumes) / before, rel=1e-4)
        picked.append(row)


def gram(rows):
    return rows.astype(np.float64) @ rows.astype(np.float64).T


def test_a_row_represents_by_what_it_adds():
    alike = np.array([[60, 0, 0], [50, 50, 0], [0, 0, 9]], np.uint16)
    unit, none = np.eye(3, dtype=np.float32), np.zeros(3, np.int64)
    rows, values = kernels.representatives(alike, unit, none, 0.0, 3, NONE)
    assert rows.tolist() == [1, 0, 2]
    assert values.tolist() == [100, 10, 9]
    assert kernels.representatives(alike, unit, np.array([0, 0, 99]), 0.0, 1, NONE)[0] == [2]
    tied = np.array([[7, 0], [3, 7], [0, 7]], np.uint16)  # row 1 falls from 10 to 7, as row 2 is
    rows, _ = kernels.representatives(tied, unit, none, 0.0, 2, np.array([0]))
    assert rows.tolist() == [1, 2]
    late = np.array([[0, 7], [7, 0], [3, 7]], np.uint16)  # so does row 2; row 0 comes before it
    rows, _ = kernels.representatives(late, unit, none, 0.0, 2, np.array([1]))
    assert rows.tolist() == [0, 2]
    copies = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    penalised, _ = kernels.representatives(alike, copies, none, 20.0, 2, np.array([1]))
    assert penalised.tolist() == [2, 0]


def test_a_tie_between_tiles_goes_to_the_lowest_row():
    line = np.zeros((200, 1), np.float32)
    line[[30, 150]], line[[70, 190]] = 5, -4
    rows, gaps = kernels.farthest_first(line, 4, np.array([0]))
    assert rows.tolist() == [30, 70, 1, 2]
    assert gaps.tolist() == [5, 4, 0, 0]
    plane = np.zeros((200, 2), np.float32)
    plane[10], plane[70], plane[100] = (0, 4), (5, 4), (9, 0)  # of row 70, (0, 4) is left
    rows, _ = kernels.pivoted_cholesky(plane, np.ones(200), 3, NONE)
    assert rows.tolist() == [100, 10]
