"""Suites of what every decoder promises: a new decoder is one subclass."""

import numpy as np
import pytest

import fewframes
from fewframes.bench.research.films import RECIPES, read_number
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.decode.decoder import DecodeReport, Event, decoder
from fewframes.decode.plan import plan_frames

ALL = list(RECIPES)
ACCESS = ["sequential", "backward", "strided", "random", "repeated"]


def access(pattern: str, count: int) -> np.ndarray:
    """Frame numbers of a film of ``count`` frames, in the order in which they are asked for."""
    rng = np.random.default_rng(count)
    return {
        "sequential": np.arange(count),
        "backward": np.arange(count)[::-1],
        "strided": np.arange(count // 2 % 7, count, 7),
        "random": rng.permutation(count)[: max(1, count // 3)],
        "repeated": np.repeat(rng.integers(0, count, max(1, count // 10)), 3),
    }[pattern]


class DecoderTests:
    """What every decoder promises; a new one is a subclass with its name and what it decodes."""

    decoder = ""
    device = "cpu"
    recipes = ALL

    def read(self, film, **how):
        return fewframes.read(film, backend=self.decoder, device=self.device, **how)

    def numbers(self, frames, recipe):
        """What the pictures show, as coded."""
        coded = np.rot90(frames, k=RECIPES[recipe].rotation // 90, axes=(1, 2))
        return [read_number(frame) for frame in coded]

    @pytest.mark.parametrize("workers", [1, 3])
    @pytest.mark.parametrize("pattern", ACCESS)
    def test_rgb_frames_show_their_own_number(self, films, decodable, pattern, workers):
        numbers = access(pattern, RECIPES[decodable].frames)
        batch = self.read(films(decodable), frames=numbers, workers=workers)
        assert self.numbers(batch.frames, decodable) == numbers.tolist()
        assert batch.frame_numbers.tolist() == numbers.tolist()
        np.testing.assert_allclose(batch.seconds, RECIPES[decodable].seconds[numbers], atol=1e-9)
        assert batch.is_damaged is None

    def test_single_frames_at_and_after_every_keyframe(self, films, decodable):
        timeline = fewframes.probe(films(decodable))
        keys = np.flatnonzero(timeline.is_keyframe)[:4]
        for number in np.unique(keys[:, None] + [-1, 0, 1, 2]):
            if 0 <= number < len(timeline):
                batch = self.read(timeline, frames=number)
                assert self.numbers(batch.frames, decodable) == [number]
                assert batch.report["previous_keyframe"] == batch.report["from_start"] == 0, number

    def test_each_wanted_frame_comes_once_and_in_order(self, films, decodable):
        timeline = fewframes.probe(films(decodable))
        plan, report = plan_frames(timeline, access("random", len(timeline))), DecodeReport()
        decode = decoder(self.decoder, self.device)
        how = {"format": "rgb", "size": None, "report": report}
        given = [b.frame_numbers for b in decode(timeline, plan.runs, **how)]
        assert np.concatenate(given).tolist() == plan.frame_numbers.tolist()
        assert report[Event.PICTURES] >= plan.pictures
        assert report.missing == report.anomalies == []

    def test_a_decoder_may_be_left_early(self, films):
        timeline, report = fewframes.probe(films("vp9")), DecodeReport()
        runs = plan_frames(timeline, range(60)).runs
        how = {"format": "rgb", "size": None, "report": report}
        frames = decoder(self.decoder, self.device)(timeline, runs, **how)
        assert next(frames).frame_numbers[0] == 0
        frames.close()
        assert report[Event.PICTURES] < 60

    def test_no_frames_is_an_empty_batch(self, films):
        batch = self.read(films("vp9"), frames=[])
        assert len(batch) == len(batch.planes[0]) == len(batch.seconds) == 0

    @pytest.mark.parametrize("number", [-1, 90, 10**6])
    def test_a_number_outside_the_film_is_never_a_picture(self, films, number):
        with pytest.raises(IndexError, match=rf"frame {number} of 'vp9.webm' .*0 to 89"):
            self.read(films("vp9"), frames=[3, number])

    @pytest.mark.parametrize("size", [None, 128, (90, 160)])
    def test_sizes_are_those_asked_for(self, films, size):
        batch = self.read(films("vp9"), frames=[40, 3], size=size)
        assert batch.frames.shape[1:3] == {None: (144, 256), 128: (72, 128)}.get(size, size)
        assert [read_number(frame) for frame in batch] == [40, 3]


class PlanesTests(DecoderTests):
    """What a decoder promises that gives its own planes: every bit of them."""

    @pytest.mark.slow
    @pytest.mark.parametrize("recipe", ALL)
    def test_the_timeline_has_every_frame_at_its_time(self, films, recipe):
        timeline, film = fewframes.probe(films(recipe)), RECIPES[recipe]
        assert timeline.pts.tolist() == [pts for pts, _ in sequential(films(recipe))]
        assert len(timeline) == film.frames
        np.testing.assert_allclose(timeline.seconds, film.seconds, atol=1e-9)

    @pytest.mark.parametrize("workers", [1, 3])
    @pytest.mark.parametrize("pattern", ACCESS)
    def test_frames_are_those_of_a_sequential_decode(self, films, decodable, pattern, workers):
        truth = sequential(films(decodable))
        numbers = access(pattern, len(truth))
        batch = self.read(films(decodable), frames=numbers, format="yuv", workers=workers)
        assert batch.frame_numbers.tolist() == numbers.tolist()
        assert batch.pts.tolist() == [truth[n][0] for n in numbers]
        assert luma_md5(batch) == [truth[n][1] for n in numbers]
        assert batch.is_damaged is None

    @pytest.mark.parametrize("pattern", ACCESS)
    def test_the_cost_is_what_the_plan_said(self, films, decodable, pattern):
        timeline = fewframes.probe(films(decodable))
        numbers = access(pattern, len(timeline))
        report = self.read(timeline, frames=numbers, format="yuv").report
        assert report["pictures"] == plan_frames(timeline, numbers).pictures
        for fault in ("no_drop", "previous_keyframe", "from_start", "missing", "anomalies"):
            assert report[fault] == 0, fault

    def test_planes_at_and_after_every_keyframe(self, films, decodable):
        timeline, truth = fewframes.probe(films(decodable)), sequential(films(decodable))
        keys = np.flatnonzero(timeline.is_keyframe)
        for number in np.unique(keys[:, None] + [-1, 0, 1, 2, 3]):
            if 0 <= number < len(timeline):
                batch = self.read(timeline, frames=number, format="yuv")
                assert luma_md5(batch) == [truth[number][1]], number
                assert batch.report["previous_keyframe"] == batch.report["from_start"] == 0, number

    def test_a_frame_is_found_by_its_own_time(self, films, decodable):
        timeline = fewframes.probe(films(decodable))
        numbers = access("backward", len(timeline))
        seconds = self.read(timeline, frames=numbers, format="yuv").seconds
        assert timeline.frame_at(seconds).tolist() == numbers.tolist()

    @pytest.mark.parametrize("recipe", ["x264_uneven", "x264_late_start", "vp9"])
    def test_seconds_give_the_frame_on_screen(self, films, recipe):
        film = RECIPES[recipe]
        middles = (film.seconds[:-1] + film.seconds[1:]) / 2
        batch = self.read(films(recipe), seconds=middles[::-5])
        assert batch.frame_numbers.tolist() == list(range(film.frames - 1))[::-5]
        assert [read_number(frame) for frame in batch] == batch.frame_numbers.tolist()

    def test_each_wanted_frame_costs_what_was_planned(self, films, decodable):
        timeline = fewframes.probe(films(decodable))
        plan, report = plan_frames(timeline, access("random", len(timeline))), DecodeReport()
        how = {"format": "yuv", "size": None, "report": report}
        given = [b.frame_numbers for b in decoder(self.decoder)(timeline, plan.runs, **how)]
        assert sorted(np.concatenate(given)) == plan.frame_numbers.tolist()
        assert (report[Event.PICTURES], report[Event.PLANNED]) == (plan.pictures, len(plan.runs))

    def test_no_planes_are_an_empty_batch(self, films):
        batch = self.read(films("x264_pyramid"), frames=[], format="yuv")
        assert len(batch) == len(batch.planes[0]) == len(batch.seconds) == 0
