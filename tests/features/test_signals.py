"""Signals: what a user may rely on when a number of a frame is read."""

import ast
from pathlib import Path

import numpy as np
import pytest

import fewframes as ff
from fewframes.features.patches import changed_patches
from fewframes.features.picture_stats import KEPT
from fewframes.features.redundancy import familiarity
from fewframes.features.scan import TableBuilder, frames_of
from fewframes.features.signal_pass import SignalPass
from fewframes.features.signals import SIGNALS
from fewframes.features.spans import black_spans, frozen_spans
from fewframes.features.table import FrameTable
from fewframes.sampling import scan_table
from fewframes.store.recipes import DEDUP

HEIGHT, WIDTH = 252, 448


def picture(seed=0, *, luma=128, blue=128, red=128, texture=40):
    """A textured picture of one colour, as full-range planes."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(-texture, texture + 1, (HEIGHT // 14, WIDTH // 14))
    detail = np.kron(cells, np.ones((14, 14), np.int64)) + rng.integers(-3, 4, (HEIGHT, WIDTH))
    chroma = np.ones((HEIGHT // 2, WIDTH // 2), np.uint8)
    return (np.clip(luma + detail, 0, 255).astype(np.uint8), chroma * blue, chroma * red)


def measured(pictures, dedup=DEDUP):
    measure = SignalPass(dedup)
    return [measure(*planes) for planes in pictures]


def column(results, name):
    return [result.values[name] for result in results]


def test_every_signal_is_described_and_every_description_is_a_signal(films):
    table = scan_table(ff.probe(films("x264_no_b")), 5.0)
    assert list(table.signals) == list(SIGNALS)
    assert all(len(values) == len(table) for values in table.signals.values())


def test_columns_have_the_types_of_the_table(films):
    table = scan_table(ff.probe(films("x264_no_b")), 5.0)
    types = {name: str(values.dtype) for name, values in table.signals.items()}
    assert types == {name: signal.dtype for name, signal in SIGNALS.items()}


def test_the_engine_names_a_signal_in_the_table_alone():
    """Beside it stand the names that its rows take from `anomaly`, and columns of range results."""
    engine, found = Path(__file__).parents[2] / "engine", set()
    for page in engine.rglob("*.py"):
        words = (n.value for n in ast.walk(ast.parse(page.read_text())) if hasattr(n, "value"))
        found |= {(page.name, word) for word in words if isinstance(word, str) and word in SIGNALS}
    others = {pair for pair in found if pair[0] != "signals.py"}
    assert others == {
        ("anomaly.py", "rarity"),
        ("anomaly.py", "anomaly"),
        ("range_results.py", "luma_xxh64"),
        ("range_results.py", "picture_xxh64"),
    }


def test_exposure_and_sharpness_say_what_they_promise():
    black, white = np.zeros((16, 16), np.uint8), np.full((16, 16), 255, np.uint8)
    half = np.where(np.arange(16) < 8, 0, 255).astype(np.uint8) * np.ones((16, 1), np.uint8)
    grey = np.full((8, 8), 128, np.uint8)
    rows = [SignalPass(DEDUP)(luma, grey, grey).values for luma in (black, white, half)]
    assert [row["dark"] for row in rows] == [1.0, 0.0, 0.5]
    assert [row["bright"] for row in rows] == [0.0, 1.0, 0.5]
    assert [row["black"] for row in rows] == [1.0, 0.0, 0.0]
    assert rows[0]["sharpness"] == rows[1]["sharpness"] == 0.0
    # 14 rows of 14 interior samples; in each row the two beside the edge respond with 255
    assert rows[2]["sharpness"] == pytest.approx(255 * 2 / 14)


def test_a_red_scene_that_turns_to_another_red_is_a_change():
    _, second = measured([picture(red=180), picture(red=205)])
    assert second.values["change"] == 0.0
    assert second.values["colour_change"] == pytest.approx(12.5)
    assert second.values["changed_area"] == 1.0
    assert second.repeats == -1


def test_cutting_back_is_seen_as_a_return():
    a, b = picture(1), picture(2)
    rows = measured([a, b, a, b])
    assert [row.repeats for row in rows] == [-1, -1, 0, 1]
    assert min(column(rows, "change")[1:]) > 10
    assert column(rows, "kept_change")[2:] == [0.0, 0.0]
    assert column(rows, "similarity")[2:] == [1.0, 1.0]


def test_a_return_is_seen_as_far_back_as_is_promised_and_no_further():
    others = [picture(seed) for seed in range(1, KEPT)]
    assert measured([picture(0), *others, picture(0)])[-1].repeats == 0
    assert measured([picture(0), *others, picture(99), picture(0)])[-1].repeats == -1


@pytest.mark.parametrize("share", [0.01, 0.02])
@pytest.mark.parametrize("kind", ["bright", "coloured", "rough"])
def test_a_small_local_event_is_never_merged_away(share, kind):
    """A tip that takes a hundredth of the area, anywhere, in light, in colour or in texture."""
    still = picture(3, texture=10)
    side = int((share * HEIGHT * WIDTH) ** 0.5)
    for seed in range(20):
        top, left = np.random.default_rng(seed).integers(0, (HEIGHT - side, WIDTH - side))
        luma, blue, red = (plane.copy() for plane in still)
        at = np.s_[top : top + side, left : left + side]
        at_half = np.s_[top // 2 : (top + side) // 2, left // 2 : (left + side) // 2]
        if kind == "bright":
            luma[at] += 12
        elif kind == "coloured":
            red[at_half] += 12
        else:
            luma[at] += (
                np.random.default_rng(seed).choice([-20, 20], luma[at].shape).astype(np.uint8)
            )
        now, after = measured([still, (luma, blue, red), still])[1:]
        assert now.repeats == -1, (seed, top, left)
        assert after.repeats == 0


@pytest.mark.slow
def test_slow_drift_is_compared_with_the_stored_picture_not_with_the_frame_before():
    pictures = [picture(4, luma=100 + level) for level in range(40)]
    rows = measured(pictures)
    for number, row in enumerate(rows):
        shown = number if row.repeats < 0 else row.repeats
        assert abs(number - shown) <= 0.012 * 255 + 0.1
    assert 5 < sum(row.repeats < 0 for row in rows) < 20


def test_dedup_0_repeats_nothing_and_1_everything():
    pictures = [picture(5), picture(5), picture(6)]
    assert [row.repeats for row in measured(pictures, dedup=0.0)] == [-1, -1, -1]
    assert [row.repeats for row in measured(pictures, dedup=1.0)] == [-1, 0, 0]


def test_brightness_and_similarity_do_not_depend_on_the_stored_size():
    """The same pictures at half the size: blocks cover the same share of them."""
    large = [picture(seed) for seed in (7, 8)]
    small = [
        tuple(
            plane.reshape(plane.shape[0] // 2, 2, -1, 2).mean((1, 3)).astype(np.uint8)
            for plane in p
        )
        for p in large
    ]
    one, other = measured(large)[1].values, measured(small)[1].values
    for name in ("brightness", "contrast", "change", "similarity", "changed_area"):
        assert other[name] == pytest.approx(one[name], rel=0.03, abs=0.6), name


def rows_of(timeline, order, pictures):
    """The table of frames that a decoder gives in some order."""
    rows = TableBuilder(SignalPass(DEDUP), None)
    for number in order:
        planes = tuple(plane[None] for plane in pictures[number])
        numbers = np.array([number])
        batch = ff.FrameBatch(
            planes, "jpeg", numbers, timeline.pts[numbers], timeline.time_base, 0, "film"
        )
        for frame in frames_of(batch):
            rows.add(frame)
    return rows.table(timeline)


def test_a_late_row_spoils_no_other_and_says_that_its_own_changes_are_unknown():
    from stored import film

    pictures = [picture(seed) for seed in (1, 1, 2, 2, 3, 1)]
    in_order, _ = rows_of(film(6), [0, 1, 3, 4, 5], pictures)
    table, slots = rows_of(film(6), [0, 1, 3, 4, 2, 5], pictures)
    assert table.frame_numbers.tolist() == [0, 1, 2, 3, 4, 5]
    others = np.array([0, 1, 3, 4, 5])
    for name in ("change", "colour_change", "kept_change", "similarity", "frozen"):
        np.testing.assert_array_equal(table.signals[name][others], in_order.signals[name])
        assert np.isnan(table.signals[name][2])
    assert table.signals["repeats"].tolist() == [-1, 0, -1, -1, -1, 0]
    assert len({slots[0], slots[2], slots[3], slots[4]}) == 4
    assert slots[1] == slots[5] == slots[0]
    np.testing.assert_array_equal(table.signals["brightness"][2], table.signals["brightness"][3])


@pytest.mark.slow
def test_familiarity_is_the_best_dot_product_with_a_kept_frame_before():
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(3000, 16)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    is_kept = rng.random(3000) < 0.5
    got = familiarity(looks, is_kept)
    for row in (0, 1, 5, 1023, 1024, 1025, 2999):
        earlier = [float(looks[row] @ looks[k]) for k in range(row) if is_kept[k]]
        assert got[row] == pytest.approx(max([0.0, *earlier]), abs=1e-5)


def test_black_and_frozen_spans_have_the_times_of_the_film():
    black, still = picture(luma=0, texture=0), picture(9)
    pictures = [picture(1), black, black, picture(2), still, still, still, picture(3), picture(3)]
    rows = measured(pictures)
    names = ("black", "frozen")
    signals = {name: np.array(column(rows, name), np.float32) for name in names}
    table = FrameTable.from_seconds(np.arange(9) / 2, signals=signals)
    assert black_spans(table).tolist() == [[0.5, 1.5]]
    assert frozen_spans(table, min_seconds=1.5).tolist() == [[2.0, 3.5]]
    assert frozen_spans(table, min_seconds=0.1).tolist() == [[0.5, 1.5], [2.0, 3.5], [3.5, 4.0]]
    with pytest.raises(ValueError, match="has no signal 'black'"):
        black_spans(FrameTable.from_seconds([0.0]))


def brute_force_patches(frames, patch, tolerance):
    """The promise, sample by sample: an unmarked patch looks as it did when it was marked."""
    n, h, w, _ = frames.shape
    side = patch // 4
    gh, gw = h // patch, w // patch
    marks, shown = np.ones((n, gh, gw), bool), frames[0].astype(float)
    for t in range(1, n):
        for y in range(gh):
            for x in range(gw):
                at = np.s_[y * patch : (y + 1) * patch, x * patch : (x + 1) * patch]
                cells, old = (
                    p[at].astype(float).reshape(4, side, 4, side, 3).mean((1, 3))
                    for p in (frames[t], shown)
                )
                marks[t, y, x] = np.abs(cells - old).max() > tolerance * 255
                if marks[t, y, x]:
                    shown[at] = frames[t][at]
    return marks


def test_unmarked_patches_look_as_they_did_when_they_were_marked():
    rng = np.random.default_rng(1)
    base = rng.integers(0, 200, (56, 112, 3))
    steps = [base + np.outer(np.arange(56) > 20 + t, np.arange(112) > 60)[..., None] * 4 * t
             for t in range(8)]  # fmt: skip
    frames = np.stack(steps).astype(np.uint8)
    marks = changed_patches(frames, patch=28, tolerance=0.04)
    assert (marks.shape, marks.dtype) == ((8, 2, 4), bool)
    np.testing.assert_array_equal(marks, brute_force_patches(frames, 28, 0.04))
    assert not marks[1:, :, :2].any()
    assert 0 < marks[1:, :, 2:].mean() < 1


def test_patches_follow_the_size_that_the_model_sees():
    frames = np.zeros((2, 90, 160, 3), np.uint8)
    frames[1, :45, :40] = 200
    marks = changed_patches(frames, patch=28, size=(56, 112))
    assert marks[1].tolist() == [[True, False, False, False], [False, False, False, False]]
    assert changed_patches(frames, patch=14).shape == (2, 6, 11)


@pytest.mark.parametrize(
    ("frames", "options", "error", "words"),
    [
        (np.zeros((2, 8, 8, 3)), {"patch": 4}, TypeError, r"\[2, 8, 8, 3\] float64"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"patch": 0}, ValueError, "patch=0"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"patch": 4, "tolerance": 2}, ValueError, "tolerance=2"),
    ],
)
def test_what_has_no_patches_is_refused(frames, options, error, words):
    with pytest.raises(error, match=words):
        changed_patches(frames, **options)
