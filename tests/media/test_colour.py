"""RGB is what matrix, range, siting and area say, whatever the film, and what was done is told."""

import av
import numpy as np
import pytest

import fewframes
from fewframes.bench.research import colour as bench
from fewframes.bench.research.films import Film, write_film
from fewframes.kernels import planes_to_rgb, rgb_plan
from fewframes.media.colour import colour_of

GENERATED = list(bench.FILMS)
REAL = [
    "tc_bt709_full_range.mp4",
    "tc_bt601_full_range.mp4",
    "tc_hevc_444_12bit.mp4",
    "tc_odd_321x241_vp9_10bit.mp4",
    "tc_odd_121x81_mpeg2.mp4",
    "tc_mpeg1_mp2.mpg",
    "tc_av1_10bit.mp4",
    "ax_mp4_bt601.mov",
    "nasa_apollo15_144p_mjpeg_frag.mov",
    "mdn_bug_640.mp4",
]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Gives the path of a film by its name; each is made once."""
    folder = tmp_path_factory.mktemp("coloured")

    def film(name):
        path = folder / f"{name}{bench.FILMS[name].suffix}"
        if not path.exists():
            write_film(path, bench.FILMS[name])
        return path

    return film


def check_levels(result):
    """Ours is the exact formula's up to ties.

    At full size it is what ffmpeg gives with accurate rounding, but for chroma of odd sizes, which
    swscale stretches over the picture. Shrunk chroma differs at hard edges between colours, because
    swscale averages its samples without interpolating between them.
    """
    for size in ("full", "shrunk"):
        assert result[size]["float64"]["max"] <= 1
        assert result[size]["float64"]["mean"] <= 0.02
    if not result["has_cut_chroma"]:
        assert result["full"]["accurate"]["max"] <= 1
    if " 444," in result["colour"]:
        assert result["shrunk"]["accurate"]["max"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATED)
def test_levels_are_near_the_formula_and_the_ffmpeg_command_line(coloured, name):
    check_levels(bench.compare(coloured(name)))


@pytest.mark.slow
@pytest.mark.footage
@pytest.mark.parametrize("name", REAL)
def test_levels_of_real_footage(footage, name):
    if not (footage / name).exists():
        pytest.skip(f"no {name} in the folder of real footage")
    check_levels(bench.compare(footage / name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x264_420", "fewframes: bt601 for unspecified, limited range, 420, 8 bit"),
        ("x264_422_10bit", "fewframes: bt601 for unspecified, limited range, 422, 10 bit"),
        ("x264_420_full", "fewframes: bt601 for unspecified, full range, 420, 8 bit"),
        ("x264_420_bt709", "fewframes: bt709, limited range, 420, 8 bit"),
        ("x264_bt2020_pq", "fewframes: bt2020, limited range, 420, 10 bit"),
        ("ffv1_grey", "fewframes: bt601 for unspecified, full range, grey, 8 bit"),
    ],
)
def test_the_report_says_what_samples_were_taken_for(coloured, name, said):
    assert fewframes.read(coloured(name), frames=[0]).report["colour"] == said


def test_hdr_is_not_tone_mapped_and_the_report_says_so(coloured):
    batch = fewframes.read(coloured("x264_bt2020_pq"), frames=[0])
    assert batch.report["transfer"] == "smpte2084, not tone-mapped"
    assert fewframes.probe(coloured("x264_bt2020_pq")).stream.transfer == "smpte2084"
    plain = fewframes.read(coloured("x264_420"), frames=[0])
    assert plain.report["transfer"] == "unspecified"


def test_reading_planes_says_nothing_of_colour(coloured):
    assert "colour" not in fewframes.read(coloured("x264_420"), frames=[0], format="yuv").report


def lossless(path, pixel_format, arrays, codec="ffv1"):
    """A film of one picture whose samples are those of the arrays, ``[h, w]`` or ``[h, w, c]``."""
    height, width = arrays[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        frame = av.VideoFrame(width, height, pixel_format)
        for plane, array in zip(frame.planes, arrays, strict=True):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            flat = np.ascontiguousarray(array).view(np.uint8).reshape(plane.height, -1)
            rows[:, : flat.shape[1]] = flat
            plane.update(rows.tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_alpha_is_dropped_and_not_blended(tmp_path):
    rng = np.random.default_rng(1)
    y, alpha = rng.integers(16, 236, (2, 32, 48), np.uint8)
    cb, cr = rng.integers(90, 160, (2, 16, 24), np.uint8)
    alpha[:16] = 0
    seen = fewframes.read(
        lossless(tmp_path / "a.mkv", "yuva420p", [y, cb, cr, alpha]), frames=[0]
    ).frames
    opaque = fewframes.read(lossless(tmp_path / "b.mkv", "yuv420p", [y, cb, cr]), frames=[0]).frames
    np.testing.assert_array_equal(seen, opaque)


def test_rgb_with_alpha_keeps_its_colours_and_goes_through_swscale(tmp_path):
    rgba = np.random.default_rng(2).integers(0, 256, (32, 48, 4), np.uint8)
    rgba[:16, :, 3] = 0
    film = lossless(tmp_path / "c.mov", "rgba", [rgba], codec="png")
    batch = fewframes.read(film, frames=[0])
    np.testing.assert_array_equal(batch.frames[0], rgba[:, :, :3])
    assert batch.report["colour"] == "swscale: rgba"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixel_format", "dtype", "white"),
    [("gray", np.uint8, 255), ("gray10le", np.uint16, 1023), ("gray16le", np.uint16, 65535)],
)
def test_grey_alone_has_the_full_range(tmp_path, pixel_format, dtype, white):
    levels = np.linspace(0, white, 32 * 48).round().astype(dtype).reshape(32, 48)
    film = lossless(tmp_path / "g.mkv", pixel_format, [levels])
    frame = fewframes.read(film, frames=[0]).frames[0]
    assert (frame == frame[:, :, :1]).all()
    assert (frame.min(), frame.max()) == (0, 255)


@pytest.mark.parametrize(
    "pixel_format", ["nv12", "yuyv422", "pal8", "rgb24", "gbrp", "yuv420p10be"]
)
def test_other_formats_are_left_to_swscale(pixel_format):
    from fewframes.media.timeline import example_timeline

    assert colour_of(example_timeline().stream, pixel_format, "limited") is None


def test_a_wrong_range_matrix_or_siting_would_be_seen():
    rng = np.random.default_rng(3)
    y = rng.integers(16, 236, (16, 24), np.uint8)
    cb, cr = rng.integers(40, 200, (2, 8, 12), np.uint8)
    how = {"matrix": "bt709", "is_full": False, "siting": "left"}
    right = planes_to_rgb.reference(y, cb, cr, rgb_plan((16, 24), **how)).astype(int)
    for wrong in ({"matrix": "bt601"}, {"is_full": True}, {"siting": "center"}):
        other = planes_to_rgb.reference(y, cb, cr, rgb_plan((16, 24), **how | wrong))
        assert np.abs(right - other).max() > 5, wrong


def test_shrinking_a_flat_colour_keeps_it():
    planes = [np.full(shape, level, np.uint8) for shape, level in (((72, 128), 90), ((36, 64), 60))]
    whole = planes_to_rgb.reference(*planes, planes[1], rgb_plan((72, 128)))
    for target in ((25, 44), (1, 1), (71, 127), (100, 50), (200, 300)):
        small = planes_to_rgb.reference(*planes, planes[1], rgb_plan((72, 128), target))
        assert (small == whole[0, 0]).all(), target


@pytest.mark.slow
def test_few_frames_are_read_without_numba(coloured):
    import subprocess
    import sys

    code = (
        "import sys, fewframes as ff; ff.read(sys.argv[1], frames=[0, 2]);"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, coloured("x264_420")]).returncode == 0


@pytest.mark.slow
def test_interlaced_pictures_are_taken_as_they_are_woven(tmp_path):
    options = {"x264-params": "interlaced=1"}
    write_film(tmp_path / "i.mp4", Film(frames=2, options=options))
    result = bench.compare(tmp_path / "i.mp4")
    assert result["full"]["float64"]["max"] <= 1
