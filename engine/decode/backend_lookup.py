"""The decoder of a film, as asked for: what the choice needs to know is looked up only here."""

from dataclasses import replace

from fewframes.decode.backend_choice import Asked, Machine, choose
from fewframes.decode.costs import Job
from fewframes.decode.decoder import Decoder, DecodeReport, decoder
from fewframes.decode.plan import DecodePlan
from fewframes.media.timeline import StreamInfo, Timeline


def decoder_for(
    timeline: Timeline, plan: DecodePlan, asked: Asked, report: DecodeReport, *, threads: int = 1
) -> Decoder:
    """Gives the decoder of a plan, and notes in the report why it is this one.

    Raises ValueError, `MissingBackendError` or `UnsupportedStreamError` when it is used, if the one
    asked for is not there or cannot take the stream.
    """
    if asked.is_settled:
        choice = choose(asked, timeline.stream, Machine(), Job(plan.pictures, 1.0, 1))
        return decoder(choice.backend, choice.device)
    stream = timeline.stream
    machine = _machine(stream, asked)
    slices = int(timeline.packets.can_start.sum())
    job = Job(plan.pictures, stream.width * stream.height / 1e6, slices, threads)
    choice = choose(asked, stream, machine, job)
    if choice.reason:
        report.chosen.add(f"{choice.backend} on {choice.device}: {choice.reason}")
    return decoder(choice.backend, choice.device)


def _machine(stream: StreamInfo, asked: Asked) -> Machine:
    """What there is for a stream; what it takes, too, where that will be asked."""
    from fewframes.bindings.dali.capabilities import machine_facts, machine_with_costs
    from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities

    is_open = asked.device == "auto" and asked.backend is None
    machine = Machine()
    if asked.backend != "dali":
        machine = nvcodec_capabilities.added_to(machine, stream, measures=is_open)
    if asked.backend == "nvdec" or (asked.device == "cuda" and not machine.no_nvdec):
        return machine
    dali = machine_with_costs() if is_open else machine_facts()
    return replace(
        dali, nvdec=machine.nvdec, no_nvdec=machine.no_nvdec, nvdec_costs=machine.nvdec_costs
    )
