"""What a machine has to decode with, and what decoding takes there: by DALI, and by NVDEC."""

from contextlib import suppress
from dataclasses import replace

from fewframes.bindings import gpu_costs
from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities
from fewframes.bindings.nvcodec import engines as nvcodec_engines
from fewframes.decode.backend_choice import Capabilities
from fewframes.media.timeline import StreamInfo


def dali_with_costs() -> Capabilities:
    """The facts of DALI, with what decoding takes here; measured where that is not known yet.

    Without a GPU, DALI is not even looked for: importing it takes 0.7 s.
    """
    no_gpu = dali_capabilities.gpu_facts()[1]
    bare = Capabilities(no_gpu=no_gpu, no_video="" if no_gpu else nvcodec_engines.missing())
    if bare.no_decoding:
        return bare
    machine = dali_capabilities.machine_facts()
    if machine.no_dali:
        return machine
    try:
        return replace(machine, costs=gpu_costs.of_dali(machine))
    except gpu_costs.NotMeasuredError as error:
        return replace(machine, no_costs=str(error))


def with_nvdec(machine: Capabilities, stream: StreamInfo, *, measures: bool) -> Capabilities:
    """What is known of a machine, and whether its video engines take a stream.

    With ``measures``, also what that takes here, which is measured where it is not known yet.
    """
    version, missing = nvcodec_capabilities.facts()
    reason = missing or nvcodec_capabilities.refusal(stream)
    costs = None
    if measures and not reason:
        capability = dali_capabilities.gpu_facts()[0]
        with suppress(gpu_costs.NotMeasuredError):
            engines = nvcodec_capabilities.engines_of(stream)
            costs = gpu_costs.of_nvdec(version, capability, engines)
    return replace(machine, nvdec=version, no_nvdec=reason, nvdec_costs=costs)
