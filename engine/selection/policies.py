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
from functools import partial
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


_no_pictures = partial(Policy, needs_pictures=False)
"""The row of a policy that reads no signatures."""
_greedy = partial(Policy, needs_pictures=True, uses=("coverage", "relevance"), is_nested=True)
"""The row of a policy that takes, again and again, the frame that adds most."""


def _runtime(function: Callable[..., I64], summary: str, *uses: str) -> Policy:
    """The row of another runtime's sampler."""
    return _no_pictures(function, summary=summary, uses=uses, is_upstream_sampler=True)


def _vllm(function: Callable[..., I64], loader: str, *uses: str) -> Policy:
    """The row of one of vLLM's video loaders."""
    return _runtime(function, f"as the {loader} video loader of vLLM 0.33 samples", *uses)


POLICIES: dict[str, Policy] = {
    "adaptive": Policy(
        adaptive,
        needs_pictures=True,
        summary="what is unusual in the film, apart in time; typical frames where nothing is",
        uses=("coverage", "relevance"),
        coverage=0.5,
    ),
    "uniform": _no_pictures(uniform, summary="evenly spaced in time"),
    "fps": _no_pictures(
        uniform,
        summary="the frames on screen at a rate, thinned to the budget",
        domain=rate_rows,
        uses=("fps",),
    ),
    "keyframes": _no_pictures(
        uniform, summary="codec keyframes, evenly spaced in time", domain=keyframe_rows
    ),
    "segment_mid": _no_pictures(segment_mid, summary="the middles of equal segments of time"),
    "multiscale": _no_pictures(
        multiscale,
        summary="dense around a moment, ever sparser away from it",
        uses=("anchor_seconds",),
    ),
    "shots": _no_pictures(
        shots, summary="one frame a shot, more for longer shots", needs_signals=True
    ),
    "kcenter": Policy(
        kcenter,
        needs_pictures=True,
        summary="farthest-first over picture signatures",
        is_nested=True,
    ),
    "dpp": _greedy(dpp, summary="the largest volume of signatures: greedy determinantal selection"),
    "maxvol": Policy(
        maxvol,
        needs_pictures=True,
        summary="a nearly largest submatrix of the leading directions; up to k_max frames",
        uses=("k_max",),
    ),
    "facility": _greedy(
        facility, summary="representatives: greedy facility location, plus relevance"
    ),
    "query": _greedy(query, summary="peaks of relevance + representation - redundancy"),
    "cdf": _no_pictures(
        cdf,
        summary="relevance, sampled by inverting its cumulative distribution",
        uses=("coverage", "relevance", "seed"),
    ),
    "aks": _no_pictures(
        aks,
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
    "runtime:vllm": _vllm(runtimes.vllm, "default", "fps"),
    "runtime:vllm_qwen2_vl": _vllm(runtimes.vllm_qwen2_vl, "Qwen2-VL", "fps"),
    "runtime:vllm_qwen3_vl": _vllm(runtimes.vllm_qwen3_vl, "Qwen3-VL", "fps"),
    "runtime:vllm_opencv_dynamic": _vllm(vllm_loaders.opencv_dynamic, "GLM-4V", "fps"),
    "runtime:vllm_glm46v": _vllm(vllm_loaders.glm46v, "GLM-4.6V"),
    "runtime:vllm_glm5next": _vllm(vllm_loaders.glm5next, "GLM-5.3", "fps"),
    "runtime:vllm_glmga": _vllm(vllm_loaders.glmga, "GLM-GA", "fps"),
    "runtime:vllm_molmo2": _runtime(
        vllm_loaders.molmo2,
        "as the Molmo2 video loader of vLLM 0.33 samples, with the last frame",
        "fps",
    ),
    "runtime:vllm_openpangu": _vllm(vllm_loaders.openpangu, "openPangu", "fps"),
    "runtime:vllm_embedding_gemma2": _vllm(
        vllm_loaders.embedding_gemma2, "EmbeddingGemma 2", "fps"
    ),
    "runtime:vllm_clef_omni": _vllm(vllm_loaders.clef_omni, "Clef-Omni", "fps"),
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
