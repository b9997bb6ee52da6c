"""Spans that films share are found in any cut and coding; what is common or alike is not told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.features.hash_votes import FilmHashes, rows_of, votes_of
from fewframes.features.shared_spans import shared_spans

RATE = 2.0


def film(hashes, *, start=0.0, rate=RATE, flat=0):
    hashes = np.asarray(hashes, np.uint64)
    return FilmHashes(start + np.arange(len(hashes)) / rate, hashes, hashes == flat)


def scenes(random, rows, *, shot=12):
    """Hashes of a film: shots of some rows, within which a few bits change from row to row."""
    found = np.repeat(random.integers(1, 2**64, -(-rows // shot), dtype=np.uint64), shot)[:rows]
    return noisy(random, found, 4)


def noisy(random, hashes, bits):
    """Up to so many bits of each hash are others."""
    flips = np.uint64(1) << random.integers(0, 64, (bits, len(hashes)), dtype=np.uint64)
    kept = random.random((bits, len(hashes))) < 0.5
    return np.bitwise_xor.reduce(np.where(kept, flips, np.uint64(0)), axis=0, initial=0) ^ hashes


def one_span(films, **options):
    (span,), _ = shared_spans(films, **options)
    return span


@pytest.mark.parametrize("bits", [0, 3, 6])
@pytest.mark.parametrize("offset", [0.0, 0.13, 0.25])
def test_a_part_that_was_coded_again_is_found_where_it_is(bits, offset):
    random = np.random.default_rng(bits)
    whole = scenes(random, 400)
    part = noisy(random, whole[100:160], bits)
    span = one_span([film(whole), film(scenes(random, 300)), film(part, start=offset)])
    assert (span.a, span.b) == (0, 2)
    assert span.start_a == pytest.approx(50, abs=1)
    assert span.start_b == pytest.approx(offset, abs=1)
    assert span.seconds == pytest.approx(30, abs=2)
    assert span.share > 0.8


@given(st.integers(0, 10**6), st.integers(20, 60), st.integers(0, 3))
@settings(max_examples=30)
def test_what_is_planted_is_found_and_nothing_else(seed, length, bits):
    random = np.random.default_rng(seed)
    films = [scenes(random, 200) for _ in range(5)]
    a, b = sorted(random.choice(5, 2, replace=False))
    at_a, at_b = random.integers(0, 200 - length, 2)
    films[b][at_b : at_b + length] = noisy(random, films[a][at_a : at_a + length], bits)
    span = one_span([film(hashes) for hashes in films])
    assert (span.a, span.b) == (a, b)
    for told, meant in ((span.start_a, at_a), (span.end_a, at_a + length), (span.start_b, at_b)):
        assert told == pytest.approx(meant / RATE, abs=1.5)


def test_films_of_other_rates_are_compared():
    random = np.random.default_rng(3)
    whole = np.repeat(scenes(random, 200), 2)
    span = one_span([film(whole, rate=4.0), film(whole[100:300:4], rate=1.0)])
    assert (span.start_a, span.start_b) == pytest.approx((25, 0), abs=0.5), "the nearest row"
    assert span.seconds == 50.0


def test_strangers_and_what_is_too_short_are_not_told():
    random = np.random.default_rng(4)
    films = [scenes(random, 500) for _ in range(6)]
    films[5][:9] = films[0][100:109]
    assert shared_spans([film(one) for one in films])[0] == []
    assert len(shared_spans([film(one) for one in films], min_seconds=4)[0]) == 1
    with pytest.raises(ValueError, match="min_seconds=0 is no length"):
        shared_spans([], min_seconds=0)
    assert shared_spans([]) == ([], (0, 0))
    assert shared_spans([film([]), film([5]), film([5])])[0] == []


def test_a_shared_title_is_told_though_nothing_moves_in_it():
    random = np.random.default_rng(5)
    films = [scenes(random, 200) for _ in range(4)]
    title = random.integers(1, 2**64, dtype=np.uint64)
    films[1][0:14] = films[3][60:74] = title
    span = one_span([film(one) for one in films])
    assert (span.a, span.start_a, span.b, span.start_b, span.seconds) == (1, 0, 3, 30, 7)


def test_votes_on_both_sides_of_a_whole_second_meet():
    random = np.random.default_rng(11)
    one, other = scenes(random, 200), scenes(random, 200)
    one[40:54] = other[20:34] = random.integers(1, 2**64, dtype=np.uint64)
    span = one_span([film(one, start=0.22), film(other, rate=1 / 0.51)])
    assert (span.start_a, span.start_b) == pytest.approx((20.22, 10.2)), "10.02 s, at the end 9.89"


def test_flat_and_common_pictures_tell_nothing_and_are_counted():
    random = np.random.default_rng(6)
    films = [scenes(random, 400) for _ in range(20)]
    slate = random.integers(1, 2**64, dtype=np.uint64)
    for hashes in films:
        hashes[100:160], hashes[200:260] = 0, slate
    spans, ignored = shared_spans([film(one) for one in films])
    assert spans == []
    assert ignored == (20 * 60, 20 * 60)


def test_a_copy_goes_on_behind_black_and_through_short_damage():
    random = np.random.default_rng(7)
    whole = scenes(random, 200)
    whole[50:90] = 0
    copy = whole.copy()
    copy[120:123] = random.integers(1, 2**64, 3, dtype=np.uint64)
    span = one_span([film(whole), film(copy)])
    assert (span.start_a, span.end_a) == (0, 100)
    assert 0.97 < span.share < 1


def test_very_many_rows_of_few_pictures_do_not_explode():
    random = np.random.default_rng(8)
    few = random.integers(1, 2**64, 40, dtype=np.uint64)
    films = [film(few[random.integers(0, 40, 5000)]) for _ in range(20)]
    rows, ignored = rows_of(films)
    assert ignored.common == 100_000
    assert len(votes_of(rows)[0]) == 0
    frozen = film(np.full(50_000, few[0]))
    assert shared_spans([frozen, frozen, *films])[0] == []


def test_a_still_camera_is_no_copy_of_itself_but_a_loop_is():
    random = np.random.default_rng(9)
    scene = np.full(600, random.integers(1, 2**64, dtype=np.uint64))
    days = [noisy(random, scene, bits) for bits in (2, 2, 4, 6)]
    assert shared_spans([film(day) for day in days])[0] == []
    looped = scenes(random, 300)
    looped[200:240] = noisy(random, looped[20:60], 2)
    span = one_span([film(looped)])
    assert (span.a, span.b) == (0, 0)
    assert (span.start_a, span.start_b) == pytest.approx((10, 100), abs=1)


def test_votes_are_those_of_all_pairs():
    """Beside a search of every pair: hashes that differ in up to 2 bits are never passed over."""
    random = np.random.default_rng(10)
    hashes = random.integers(1, 2**64, 300, dtype=np.uint64)
    hashes[150:200] = noisy(random, hashes[:50], 2)
    rows, _ = rows_of([film(hashes[:150], rate=0.4), film(hashes[150:], rate=0.4)])
    away = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = {(int(a), int(b)) for a, b in np.argwhere(away <= 2) if a < b}
    assert expected <= set(zip(*(some.tolist() for some in votes_of(rows)), strict=True))
    assert len(expected) == 50
