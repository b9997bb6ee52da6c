"""Kinds of sidecars: what may be made of a group and kept beside it. Whoever adds one adds a row.

A kind that is not in the table is a newer version's: it is listed, checked by its digests, merged
and removed like any other, and read by nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fewframes.store.embedding import Identity
from fewframes.store.record_rules import (
    ATTEMPT,
    LAYOUT,
    MOST_SIDE,
    RULES,
    TEXT,
    Rule,
    check_rules,
    is_int,
)

VECTORS = "vectors"
_DIM: Rule = (lambda value: is_int(value, 1, MOST_SIDE), f"1 to {MOST_SIDE}")
_GROUP: Rule = (lambda value: isinstance(value, dict), "key and time of a group")
COMMON: dict[str, Rule] = {
    "id": RULES["id"],
    "attempt": ATTEMPT,
    "layout": LAYOUT,
    "created": TEXT,
    "group": _GROUP,
    "kind": TEXT,
}
"""What the record of every sidecar has."""


@dataclass(frozen=True, slots=True)
class SidecarKind:
    """What the sidecars of one kind have in common."""

    rules: Mapping[str, Rule]
    """What their records have, beside `COMMON`."""
    name: Callable[[Mapping[str, Any]], str] = lambda _: ""
    """Tells those of one group apart, by the facts of a record."""
    fits: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] = lambda _facts, _group: True
    """Whether the facts of a record go with those of its group."""
    made: str = "read"
    """What was done to a video to make one."""
    cure: str = "make them again"
    """How one that is damaged or out of date is made again."""


UNKNOWN = SidecarKind(rules={})
KINDS = {
    VECTORS: SidecarKind(
        rules={"model.name": TEXT, "model.revision": TEXT, "model.dim": _DIM}
        | {"rows": RULES["counts.stored"]},
        name=lambda facts: str(Identity(**facts["model"])),
        fits=lambda facts, group: facts["rows"] == group["counts"]["stored"],
        made="embedded",
        cure="embed it again",
    ),
}
"""Every kind that this version makes and reads, by the ``kind`` of its records."""


def check_sidecar_facts(facts: Mapping[str, Any], name: str) -> None:
    """Refuses with a CorruptStoreError facts that are not those of a sidecar."""
    check_rules(facts, COMMON, name)
    check_rules(facts, KINDS.get(facts["kind"], UNKNOWN).rules, name)
