"""The decoder of a film, as asked for: what the choice needs to know is looked up only here."""

from dataclasses import replace

from fewframes.decode.backend_choice import Capabilities, DecoderRequest, choose
from fewframes.decode.costs import Workload
from fewframes.decode.decoder import Decoder, DecodeReport, Event, decoder
from fewframes.decode.plan import DecodePlan
from fewframes.media.timeline import StreamInfo, Timeline
from fewframes.plugins import plugin


def decoder_for(
    timeline: Timeline,
    plan: DecodePlan,
    request: DecoderRequest,
    report: DecodeReport,
    *,
    threads: int = 1,
) -> Decoder:
    """Gives the decoder of a plan, and notes in the report why it is this one.

    Raises ValueError, `MissingBackendError` or `UnsupportedStreamError` when it is used, if the one
    asked for is not there or cannot take the stream.
    """
    if request.is_settled:
        choice = choose(request, timeline.stream, Capabilities(), Workload(plan.pictures, 1.0, 1))
        return decoder(choice.backend, choice.device)
    stream = timeline.stream
    machine = _machine(stream, request)
    slices = int(timeline.packets.is_random_access.sum())
    job = Workload(plan.pictures, stream.width * stream.height / 1e6, slices, threads)
    choice = choose(request, stream, machine, job)
    if choice.reason:
        reason = f"{choice.backend} on {choice.device}: {choice.reason}"
        report[Event.CHOSEN, reason] += 1
    return decoder(choice.backend, choice.device)


def _machine(stream: StreamInfo, request: DecoderRequest) -> Capabilities:
    """What there is for a stream; what it takes, too, where that will be asked."""
    is_open = request.device == "auto" and request.backend is None
    machine: Capabilities = Capabilities()
    if request.backend != "dali":
        machine = plugin("nvdec.facts")(machine, stream, measures=is_open)
    if request.backend == "nvdec" or (request.device == "cuda" and not machine.no_nvdec):
        return machine
    dali: Capabilities = plugin("dali.facts_with_costs" if is_open else "dali.facts")()
    return replace(
        dali, nvdec=machine.nvdec, no_nvdec=machine.no_nvdec, nvdec_costs=machine.nvdec_costs
    )
