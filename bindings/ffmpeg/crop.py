"""PyAV: the part of a picture that the container wants shown, cut out by FFmpeg's crop filter."""

from pathlib import Path
from typing import TYPE_CHECKING

from av.container import InputContainer
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from fewframes.media.cropping import Crop, aligned_crop, matroska_crop, mp4_crop

if TYPE_CHECKING:
    from av.video.stream import VideoStream


def crop_of_stream(
    container: InputContainer, stream: "VideoStream", size: tuple[int, int], pixel_format: str
) -> tuple[Crop, str]:
    """Reads the cropping of a stream whose decoder gives pictures of a size (height and width).

    Gives it on whole chroma samples, and a sentence where what the container says is ignored.
    PyAV passes this side data on no stream, so the file is read for it.
    """
    path, kind = Path(container.name.removeprefix("file:")), container.format.name.split(",")[0]
    crop, is_sound = Crop(), True
    if kind == "matroska":
        crop = matroska_crop(path, [s.index for s in container.streams.video].index(stream.index))
    elif kind == "mov":
        crop, is_sound = mp4_crop(path, stream.id)
    if not is_sound:
        return Crop(), "the container's clean aperture makes no sense and is ignored"
    if crop == Crop() or min(size) < 1:
        return Crop(), ""
    kept = aligned_crop(crop, size, chroma_steps(pixel_format))
    if kept is None:
        words = f"the container's cropping ({crop}) leaves nothing of {size[1]}x{size[0]}"
        return Crop(), f"{words} and is ignored"
    return kept, ""


def chroma_steps(pixel_format: str) -> tuple[int, int]:
    """Luma samples for each chroma sample, down and across; one where the format is not known.

    >>> chroma_steps("yuv420p"), chroma_steps("uyvy422"), chroma_steps("rgb24")
    ((2, 2), (1, 2), (1, 1))
    """
    try:
        layout = VideoFormat(pixel_format)
    except ValueError:
        return 1, 1
    return 16 // layout.chroma_height(16), 16 // layout.chroma_width(16)


class Cropper:
    """Cuts pictures of one stream; it keeps a filter for each kind of picture."""

    def __init__(self, crop: Crop) -> None:
        self.crop = crop
        self._graphs: dict[tuple[int | str, ...], Graph] = {}

    def cut(self, picture: VideoFrame) -> VideoFrame:
        """Gives the part of a picture that is shown, sharing its memory.

        That is all of it where there is no cropping, and where nothing of a picture of another
        size than the stream's would be left.
        """
        if self.crop == Crop():
            return picture
        size, name = (picture.height, picture.width), picture.format.name
        crop = aligned_crop(self.crop, size, chroma_steps(name))
        if crop is None:
            return picture
        key = (*size, name, int(picture.colorspace), int(picture.color_range))
        if key not in self._graphs:
            self._graphs[key] = _graph(picture, crop)
        self._graphs[key].push(picture)
        part: VideoFrame = self._graphs[key].vpull()
        return part


def _graph(picture: VideoFrame, crop: Crop) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        video_size=f"{picture.width}x{picture.height}",
        pix_fmt=picture.format.name,
        time_base="1/1",
        colorspace=str(int(picture.colorspace)),
        range=str(int(picture.color_range)),
    )
    width = picture.width - crop.left - crop.right
    height = picture.height - crop.top - crop.bottom
    cut = graph.add("crop", f"w={width}:h={height}:x={crop.left}:y={crop.top}")
    graph.link_nodes(source, cut, graph.add("buffersink")).configure()
    return graph
