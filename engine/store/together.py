"""Together: which films must fall on one side of a split, since they show the same pictures?

``duplicates.json`` maps the digest of a film to that of an anchor: films of one anchor belong
together. It knows films by their content and not by ids, so that copies, renamed videos and those
that are added later are in it, too. An anchor stays one for as long as a film has it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import DUPLICATES
from fewframes.store.recipes import canonical_json
from fewframes.store.record_rules import is_text
from fewframes.store.untrusted import load_json

MOST_BYTES = 1 << 28
"""Three million films."""
Edges = Iterable[tuple[str, str]]
"""Films that share pictures, in pairs, by their digests."""


def read_anchors(store: StoreBackend) -> dict[str, str]:
    """Gives the anchor of each film that shares pictures with others; none where none was saved.

    Raises:
        CorruptStoreError: The file is damaged.
    """
    try:
        data = store.read(DUPLICATES, most_bytes=MOST_BYTES)
        anchors: dict[str, str] = load_json(data)["anchors"]
        is_sound = data == _sealed(anchors) and all(map(is_text, [*anchors, *anchors.values()]))
    except FileNotFoundError:
        return {}
    except UnreachableStoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        is_sound = False
    if not is_sound:
        raise CorruptStoreError(
            f"{DUPLICATES} of {store.name!r} is damaged; run 'fewframes duplicates --save'"
        )
    return anchors


def write_anchors(store: StoreBackend, anchors: Mapping[str, str]) -> None:
    """Puts anchors in place of those before, in one step."""
    store.put(DUPLICATES, _sealed(anchors))


def anchors_for(
    edges: Edges, *, known: Mapping[str, str], created: Mapping[str, str]
) -> dict[str, str]:
    """Gives each film of a pair the anchor of all that it is connected with.

    That is the one they have already, of several the most common; else the film that was there
    first, since its side of a split may be in use.

    >>> created = {"a": "2026", "b": "2025", "c": "2027"}
    >>> anchors_for([("a", "b"), ("c", "b")], known={}, created=created)
    {'a': 'b', 'b': 'b', 'c': 'b'}
    >>> anchors_for([("a", "b")], known={"a": "z"}, created=created)
    {'a': 'z', 'b': 'z'}
    """
    heads: dict[str, str] = {}
    for one, other in edges:
        heads[_head(heads, one)] = _head(heads, other)
        heads.setdefault(other, other)
    groups: dict[str, list[str]] = {}
    for film in sorted(heads):
        groups.setdefault(_head(heads, film), []).append(film)
    anchors: dict[str, str] = {}
    for films in groups.values():
        often = Counter(known[film] for film in films if film in known)
        first = min(films, key=lambda film: (created.get(film, ""), film))
        anchor = min(often, key=lambda name: (-often[name], name), default=first)
        anchors |= dict.fromkeys(films if films != [anchor] else (), anchor)
    return dict(sorted(anchors.items()))


def _head(heads: dict[str, str], film: str) -> str:
    """The film that stands for all that one is connected with; paths are halved on the way."""
    while heads.setdefault(film, film) != film:
        heads[film] = heads[heads[film]]
        film = heads[film]
    return film


def _sealed(anchors: Mapping[str, str]) -> bytes:
    """The file as it is written, with the digest of what it says."""
    import xxhash

    facts = {"anchors": dict(anchors)}
    return (
        canonical_json({**facts, "xxh3": xxhash.xxh3_128_hexdigest(canonical_json(facts))}) + b"\n"
    )
