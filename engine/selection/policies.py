"""Policies: given the frames that may be chosen, which `budget` of them?

A policy is one function and one row of `POLICIES`. It sees prepared arrays only:

1. the caller (`fewframes.selection.selection.select`) keeps the rows in the span, asks the
   policy's `domain` which of them it may pick from, and thins them to the smallest gap allowed;
2. the function gets those as `Candidates`, in order of time, and a budget between 1 and their
   number;
3. it returns `Picks`: exactly that many different rows, in any order, each with a score and a
   reason. The caller sorts them and checks the promise.

Other packages add policies by an entry point of the group ``fewframes.policies`` that names a
`Policy`; they are loaded when a name is not in the table, and when all are listed. A name of the
table always means the table's policy. The samplers of other runtimes (``runtime:…``) see frame
counts instead of candidates: `fewframes.selection.runtimes`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from fewframes.arrays import I64
from fewframes.selection import runtimes, vllm_loaders
from fewframes.selection.diversity import dpp, maxvol
from fewframes.selection.facility import facility, query
from fewframes.selection.novelty import adaptive, kcenter
from fewframes.selection.ranking import aks, cdf
from fewframes.selection.shots import shots
from fewframes.selection.temporal import keyframe_rows, multiscale, rate_rows, segment_mid, uniform

ENTRY_POINTS = "fewframes.policies"
"""The entry point group of policies in other packages."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of `POLICIES`.

    >>> POLICIES["adaptive"].needs_pictures
    True
    """

    function: Callable[..., Any]
    """``function(candidates, *, budget) -> Picks``, with 1 <= budget <= len(candidates); of a
    runtime ``function(film, *, budget, fps, span) -> frame numbers``."""
    needs_pictures: bool
    """Whether it reads signatures, so that the frames have to be scanned first."""
    summary: str
    """One line for lists and error texts."""
    domain: Callable[..., I64] | None = None
    """``domain(table, *, rows, fps) -> rows``: those it may pick from; None takes all."""
    uses: tuple[str, ...] = ()
    """Which it reads of the arguments of `select` that not every policy reads: ``coverage``,
    ``relevance``, ``fps``, ``seed``, ``k_max`` and ``anchor_seconds``; of a runtime also
    ``span``."""
    coverage: float = 0.0
    """The ``coverage`` it works with where the caller says none."""
    is_nested: bool = False
    """Whether a smaller budget gives a part of a larger one's frames (at ``coverage=0``)."""
    needs_signals: bool = False
    """Whether it reads the table's signals, so that the frames have to be scanned first."""
    is_upstream_sampler: bool = False
    """Whether it is the sampler of another runtime: it counts the frames of the whole film, and
    may give other numbers of frames than asked for."""


def _runtime(function: Callable[..., I64], summary: str, *uses: str) -> Policy:
    """The row of another runtime's sampler."""
    return Policy(
        function, needs_pictures=False, summary=summary, uses=uses, is_upstream_sampler=True
    )


POLICIES: dict[str, Policy] = {
    "adaptive": Policy(
        adaptive,
        needs_pictures=True,
        summary="what is unusual in the film, apart in time; typical frames where nothing is",
        uses=("coverage", "relevance"),
        coverage=0.5,
    ),
    "uniform": Policy(uniform, needs_pictures=False, summary="evenly spaced in time"),
    "fps": Policy(
        uniform,
        needs_pictures=False,
        summary="the frames on screen at a rate, thinned to the budget",
        domain=rate_rows,
        uses=("fps",),
    ),
    "keyframes": Policy(
        uniform,
        needs_pictures=False,
        summary="codec keyframes, evenly spaced in time",
        domain=keyframe_rows,
    ),
    "segment_mid": Policy(
        segment_mid, needs_pictures=False, summary="the middles of equal segments of time"
    ),
    "multiscale": Policy(
        multiscale,
        needs_pictures=False,
        summary="dense around a moment, ever sparser away from it",
        uses=("anchor_seconds",),
    ),
    "shots": Policy(
        shots,
        needs_pictures=False,
        summary="one frame a shot, more for longer shots",
        needs_signals=True,
    ),
    "kcenter": Policy(
        kcenter,
        needs_pictures=True,
        summary="farthest-first over picture signatures",
        is_nested=True,
    ),
    "dpp": Policy(
        dpp,
        needs_pictures=True,
        summary="the largest volume of signatures: greedy determinantal selection",
        uses=("coverage", "relevance"),
        is_nested=True,
    ),
    "maxvol": Policy(
        maxvol,
        needs_pictures=True,
        summary="a nearly largest submatrix of the leading directions; up to k_max frames",
        uses=("k_max",),
    ),
    "facility": Policy(
        facility,
        needs_pictures=True,
        summary="representatives: greedy facility location, plus relevance",
        uses=("coverage", "relevance"),
        is_nested=True,
    ),
    "query": Policy(
        query,
        needs_pictures=True,
        summary="peaks of relevance + representation - redundancy",
        uses=("coverage", "relevance"),
        is_nested=True,
    ),
    "cdf": Policy(
        cdf,
        needs_pictures=False,
        summary="relevance, sampled by inverting its cumulative distribution",
        uses=("coverage", "relevance", "seed"),
    ),
    "aks": Policy(
        aks,
        needs_pictures=False,
        summary="relevance, judged and split: the best frames of every part",
        uses=("coverage", "relevance"),
    ),
    "runtime:qwen_vl_utils": _runtime(
        runtimes.qwen_vl_utils, "as qwen-vl-utils 0.0.14 samples", "fps", "span"
    ),
    "runtime:transformers_qwen2_vl": _runtime(
        runtimes.transformers_qwen2_vl,
        "as Qwen2-VL and Qwen2.5-VL of transformers 5.23 sample",
        "fps",
    ),
    "runtime:transformers_qwen3_vl": _runtime(
        runtimes.transformers_qwen3_vl, "as Qwen3-VL of transformers 5.23 samples", "fps"
    ),
    "runtime:transformers_internvl": _runtime(
        runtimes.transformers_internvl, "as InternVL of transformers 5.23 samples"
    ),
    "runtime:vllm": _runtime(
        runtimes.vllm, "as the default video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_qwen2_vl": _runtime(
        runtimes.vllm_qwen2_vl, "as the Qwen2-VL video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_qwen3_vl": _runtime(
        runtimes.vllm_qwen3_vl, "as the Qwen3-VL video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_opencv_dynamic": _runtime(
        vllm_loaders.opencv_dynamic, "as the GLM-4V video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_glm46v": _runtime(
        vllm_loaders.glm46v, "as the GLM-4.6V video loader of vLLM 0.33 samples"
    ),
    "runtime:vllm_glm5next": _runtime(
        vllm_loaders.glm5next, "as the GLM-5.3 video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_glmga": _runtime(
        vllm_loaders.glmga, "as the GLM-GA video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_molmo2": _runtime(
        vllm_loaders.molmo2,
        "as the Molmo2 video loader of vLLM 0.33 samples, with the last frame",
        "fps",
    ),
    "runtime:vllm_openpangu": _runtime(
        vllm_loaders.openpangu, "as the openPangu video loader of vLLM 0.33 samples", "fps"
    ),
    "runtime:vllm_embedding_gemma2": _runtime(
        vllm_loaders.embedding_gemma2,
        "as the EmbeddingGemma 2 video loader of vLLM 0.33 samples",
        "fps",
    ),
    "runtime:vllm_clef_omni": _runtime(
        vllm_loaders.clef_omni, "as the Clef-Omni video loader of vLLM 0.33 samples", "fps"
    ),
}
"""Name -> policy. A new one is one function and one row here."""


def policies() -> Mapping[str, Policy]:
    """Every policy by name: the table's, then those of other packages, which get loaded.

    >>> "adaptive" in policies()
    True
    """
    others = sorted({point.name for point in entry_points(group=ENTRY_POINTS)} - POLICIES.keys())
    return POLICIES | {name: policy_named(name) for name in others}


def policy_named(name: str) -> Policy:
    """Finds a policy in the table, or loads it from another package.

    Raises:
        ValueError: No policy has this name.
        TypeError: Another package's entry point does not name a `Policy`.

    >>> policy_named("kcenter").is_nested
    True
    """
    if name in POLICIES:
        return POLICIES[name]
    points = entry_points(group=ENTRY_POINTS)
    if name not in points.names:
        known = ", ".join([*POLICIES, *sorted(points.names - POLICIES.keys())])
        raise ValueError(f"policy={name!r} is unknown; pass one of {known}")
    policy = points[name].load()
    if not isinstance(policy, Policy):
        raise TypeError(
            f"policy={name!r} is {type(policy).__name__} at {points[name].value!r}, not a Policy; "
            "mend the package that names it"
        )
    return policy
