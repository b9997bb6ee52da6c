"""The decoder of a film, as asked for: what the choice needs to know is looked up only here."""

from fewframes.decode.choosing import Asked, choose
from fewframes.decode.costs import Job
from fewframes.decode.decoding import Decoder, DecodeReport, decoder
from fewframes.decode.plan import DecodePlan
from fewframes.media.timeline import Timeline


def decoder_for(
    timeline: Timeline, plan: DecodePlan, asked: Asked, report: DecodeReport, *, threads: int = 1
) -> Decoder:
    """Gives the decoder of a plan, and notes in the report why it is this one.

    Raises ValueError, `MissingBackendError` or `UnsupportedStreamError` when it is used, if the one
    asked for is not there or cannot take the stream.
    """
    if asked.is_settled:
        return decoder(asked.backend or "ffmpeg")
    from fewframes.bindings.dali_machine import machine_facts, machine_with_costs

    is_open = asked.device == "auto" and asked.backend is None
    machine = machine_with_costs() if is_open else machine_facts()
    stream = timeline.stream
    slices = int(timeline.packets.can_start.sum())
    job = Job(plan.pictures, stream.width * stream.height / 1e6, slices, threads)
    choice = choose(asked, stream, machine, job)
    if choice.reason:
        report.chosen.add(f"{choice.backend} on {choice.device}: {choice.reason}")
    return decoder(choice.backend, choice.device)
