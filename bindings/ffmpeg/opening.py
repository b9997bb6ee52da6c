"""PyAV: which files are opened as films? Those that hold their own frames, and nothing else.

FFmpeg also opens lists: HLS, DASH and SDP, ffconcat, names with a ``%d`` in them. What such a list
names is opened with it, on this machine or on another one, and the digest of the list says nothing
of the pictures. It is the contents that make a file a list, whatever its suffix. So:

1. FFmpeg may read by its protocol ``file`` alone, and the name that it gets begins with ``file:``.
2. It may use the demuxers of `HOLDERS` alone. Left out is each one that opens further files
   (https://ffmpeg.org/ffmpeg-formats.html#Demuxers), or draws what a text tells it to (SVG), and
   each that gives sound or text alone, except a few of which a sentence is to say so.
3. External data references of MP4 are not followed; a track that has one is said to.
"""

import shlex
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError

from fewframes.bindings.ffmpeg.log import EXTERNAL, drain_log, external_tracks
from fewframes.errors import UnreadableMediaError
from fewframes.media.source import check_film_file

HOLDERS = " ".join(
    (
        "mov matroska avi mpegts mpegtsraw mpeg flv live_flv kux asf asf_o ogg nut mxf gxf lxf",
        "ivf obu h261 h263 h264 hevc vvc evc av1 apv avs2 avs3 cavsvideo mpegvideo m4v mjpeg",
        "mjpeg_2000 mpjpeg smjpeg ingenient vc1 vc1test dv dirac dnxhd ipu yuv4mpegpipe v210",
        "v210x rm ivr wtv ty swf nsv nuv pva mxg dhav hxvs lmlm4 luodat ifv iv8 nc msnwctcp",
        "simbiosis_imx gif apng jpegxl_anim cine ser fits filmstrip r3d pdv 4xm anm argo_brp avs",
        "bethsoftvid bfi bink bmv c93 cdxl cdg dcstr dfa dsicin dxa ea ea_cdata film_cpk flic frm",
        "gdv hnm idcin iff ipmovie iss jv lvf mgsts mm mods moflex mtv mv mvi paf pmp psxstr rl2",
        "roq rpl sdr2 sga siff smk smush thp tiertexseq tmv txd usm vividas vivo vmd wc3movie",
        "wsvqa xmv yop",
        "image2pipe bmp_pipe cri_pipe dds_pipe dpx_pipe exr_pipe gem_pipe gif_pipe hdr_pipe ico",
        "j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe jpegxs_pipe pam_pipe pbm_pipe pcx_pipe",
        "pfm_pipe pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe png_pipe",
        "ppm_pipe psd_pipe qdraw_pipe qoi_pipe sgi_pipe sunrast_pipe tiff_pipe vbn_pipe webp_pipe",
        "xbm_pipe xpm_pipe xwd_pipe alias_pix brender_pix msp",
        "aac ac3 aiff ape caf flac mp3 wav w64",  # a film that is only heard has a sentence
        "ass srt",  # AVI has subtitles in such files within it
    )
).split()
"""FFmpeg's demuxers that read one file."""
LISTS = {
    "concat": "a list of films (ffconcat)",
    "dash": "a playlist (DASH)",
    "hls": "a playlist (HLS)",
    "imf": "a list of parts (IMF)",
    "mlv": "Magic Lantern video, which goes on in files beside it",
    "rtp": "the address of a network stream",
    "rtsp": "the address of a network stream",
    "sap": "the address of a network stream",
    "sdp": "the address of network streams (SDP)",
    "vobsub": "an index of subtitles (VobSub)",
    "webm_dash_manifest": "a playlist (DASH)",
}
"""What demuxers are that open more files than the one that is named."""
SIGNS = {b"#EXTM3U": "hls", b"<MPD": "dash", b"ffconcat version": "concat", b"CompositionPl": "imf"}
"""What the first KiB of lists has, by which one is known where FFmpeg knows it by its suffix."""
REFUSED = ": Format not on whitelist"
"""What FFmpeg logs, behind its name of the format."""
IS_BEFORE_19 = int(av.__version__.split(".")[0]) < 19
OPENING: dict[str, Any] = {
    "options": {
        "format_whitelist": ",".join(HOLDERS),
        "protocol_whitelist": "file",
        "enable_drefs": "0",
        "use_absolute_path": "0",
    },
    **({"metadata_errors": "replace"} if IS_BEFORE_19 else {}),
}
"""Options of `av.open`; names and titles may be in any encoding, which PyAV 19 takes as it is."""


def open_container(path: Path) -> InputContainer:
    """Opens a film, or raises `UnreadableMediaError` in one sentence.

    >>> with open_container(Path("film.mp4")) as container:
    ...     container.format.name.split(",")[0]
    'mov'
    """
    check_film_file(path)
    if path.stat().st_size == 0:
        raise UnreadableMediaError(f"{path.name!r} is empty (0 bytes)")
    log = drain_log()
    before = len(log)
    external_tracks().clear()
    try:
        container: InputContainer = av.open(f"file:{path}", **OPENING)
    except (FFmpegError, OSError) as error:
        kind = _refused_kind(path, log[before:])
        if kind:
            raise UnreadableMediaError(_refusal(path.name, kind)) from error
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableMediaError(
            f"{path.name!r} is not a video that FFmpeg can read: {reason}"
        ) from error
    return container


def check_is_inside(name: str, stream: int) -> None:
    """Refuses a stream of the film opened last on this thread whose frames are in another file."""
    if any(f"{EXTERNAL}{stream}," in line for line in external_tracks()):
        raise UnreadableMediaError(
            f"{name!r} has frames in another file, which is not opened through it; name that one, "
            f"or, where you trust it, join them: {_joined(name)}"
        )


def _refused_kind(path: Path, log: list[str]) -> str:
    """FFmpeg's name of what a file is that it was not allowed to open, or has not known."""
    refused = [line.split(":")[0] for line in log if REFUSED in line]
    if refused:
        return refused[-1]
    with path.open("rb") as file:
        start = file.read(1024)
    return next((kind for sign, kind in SIGNS.items() if sign in start), "")


def _refusal(name: str, kind: str) -> str:
    """Says what a file is that is no holder of frames, and what to do.

    >>> _refusal("a.mp4", "hls").split(";")[0]
    "'a.mp4' is a playlist (HLS): it names other files, and those are not opened through it"
    >>> _refusal("a%d.png", "image2")
    "'a%d.png' is a name that FFmpeg takes for many pictures; give the file another name"
    """
    if kind == "image2":
        return f"{name!r} is a name that FFmpeg takes for many pictures; give the file another name"
    if kind in LISTS:
        return (
            f"{name!r} is {LISTS[kind]}: it names other files, and those are not opened through "
            f"it; name them, or, where you trust it, join them: {_joined(name)}"
        )
    return (
        f"{name!r} is not opened: to FFmpeg it is {kind!r}, which is not known to hold films; "
        "convert it to MP4 or Matroska"
    )


def _joined(name: str) -> str:
    return f"ffmpeg -i {shlex.quote(name)} -c copy joined.mkv"
