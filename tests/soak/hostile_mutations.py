"""Mutations of stores: what somebody might put into one, each given by a number.

`STEPS` are functions of a store, of a canary beside it that links lead to, and of chance. Each says
what it has done. Digests are right where the store's own writer would have made them right.
"""

import contextlib
import copy
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import xxhash

from fewframes.store import shard_format as form
from fewframes.store.recipes import canonical_json

DEEP = '{"a":' * 3000 + "1" + "}" * 3000
VALUES: list[Any] = [
    None, True, -1, 0, 1 << 40, 10**30, 1e308, "", "x" * 100_000, "\ud800", "a\0b", "1/0", "0/1",
    "../../canary", "/etc/passwd", [], [[1]], {}, {"a": []}, [1, 2, 3], ["a"], "ok", "99", 2.5,
]  # fmt: skip
"""What a fact of a record may be told to be."""
NAMES = (".nfs0001", ".DS_Store", "film~", "#film#", "lost+found", "%zz", "x" * 200, "a b", "..x")
Step = Callable[[Path, Path, random.Random], str]
"""Mutates a store, given it, the canary and chance; says how."""


def sealed(record: dict[str, Any]) -> bytes:
    """A record with its own digest, as a program would write it."""
    record = {name: value for name, value in record.items() if name != "xxh3"}
    with contextlib.suppress(ValueError, RecursionError):  # NaN has no canonical form
        record["xxh3"] = xxhash.xxh3_128_hexdigest(canonical_json(record))
    return json.dumps(record, indent=1).encode("ascii") + b"\n"


def place_of(group: Path) -> Path:
    """The folder of a group's files, of which its record has the name."""
    return group / str(json.loads((group / "commit.json").read_bytes())["attempt"])


def reseal(group: Path) -> None:
    """Makes a group's record agree with its files, whatever they are now."""
    record = json.loads((group / "commit.json").read_bytes())
    for file in record["files"]:
        path = group / record["attempt"] / file["path"]
        if path.is_file():
            data = path.read_bytes()
            file.update(size=len(data), xxh3=xxhash.xxh3_128_hexdigest(data))
    (group / "commit.json").write_bytes(sealed(record))


DIGEST_BYTES = 16
INDEXED = "frames/c/0/0/0/0"
"""A shard, among the files of its group."""


def groups(store: Path) -> list[Path]:
    found = (store / "videos").glob("*/*/commit.json")
    return sorted(file.parent for file in found if file.is_file())


def paths_in(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in nested JSON."""
    if at:
        yield at
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, below in items:
            yield from paths_in(below, (*at, name))


def set_in(value: Any, at: tuple[Any, ...], new: Any) -> None:
    for name in at[:-1]:
        value = value[name]
    if new is DEEP:
        value[at[-1]] = "DEEP"
    elif new is ...:
        del value[at[-1]]
    else:
        value[at[-1]] = copy.deepcopy(new)


def mutate_record(store: Path, _canary: Path, chance: random.Random) -> str:
    """Changes, removes or nests facts of a record that is sealed again."""
    group, words = chance.choice(groups(store)), []
    record = json.loads((group / "commit.json").read_bytes())
    for _ in range(chance.choice([1, 1, 2])):
        at = chance.choice(list(paths_in(record)))
        new = chance.choice([*VALUES, ..., DEEP, float("nan"), float("inf")])
        with contextlib.suppress(KeyError, IndexError, TypeError):
            set_in(record, at, new)
        words.append(f"{at}={str(new)[:30]!r}")
    data = sealed(record).replace(b'"DEEP"', DEEP.encode())
    (group / "commit.json").write_bytes(data)
    return f"record {', '.join(words)}"


def mutate_files(store: Path, canary: Path, chance: random.Random) -> str:
    """A record that names files elsewhere."""
    group = chance.choice(groups(store))
    record = json.loads((group / "commit.json").read_bytes())
    up = "../" * chance.randrange(1, 6)
    elsewhere = ["/etc/passwd", f"{up}canary/fewframes-store.json", "..", ".", "", "a\0b", "a//b"]
    path = chance.choice([*elsewhere, str(canary / "fewframes-store.json"), "x" * 5000])
    entry = {"path": path, "size": chance.choice([0, 52, 1 << 60]), "xxh3": "0" * 32}
    record["files"].append(entry) if chance.random() < 0.5 else record["files"].insert(0, entry)
    (group / "commit.json").write_bytes(sealed(record))
    return f"file {path[:40]!r}"


def mutate_table(store: Path, _canary: Path, chance: random.Random) -> str:
    """A table of other rows, types or values, with right digests."""
    group = chance.choice(
        [group for group in groups(store) if (place_of(group) / "frames.parquet").is_file()]
    )
    file = place_of(group) / "frames.parquet"
    table = pq.read_table(file)
    name, kind = chance.choice(table.column_names), chance.randrange(8)
    at = table.column_names.index(name)
    if kind == 0:
        rows = chance.choice([3_000_000, 20_000_000])
        table = pa.table({column: pa.nulls(rows, pa.int8()).fill_null(1) for column in "ab"})
    elif kind == 1:
        table = table.drop_columns([name])
    elif kind == 2:
        table = table.set_column(at, name, pa.array(["text"] * len(table)))
    elif kind == 3:
        table = table.set_column(at, name, pa.nulls(len(table), table[name].type))
    elif kind == 4:
        table = table.set_column(at, name, pa.array([-(2**31)] * len(table), pa.int32()))
    elif kind == 5:
        table = table.append_column("slot", table["slot"])
    elif kind == 6:
        table = table.set_column(at, name, pa.array([[1.0]] * len(table)))
    else:
        table = table.slice(0, chance.randrange(len(table)))
    with file.open("wb") as out:
        pq.write_table(table, out, compression="zstd")
    reseal(group)
    return f"table {kind} {name}"


def mutate_bytes(store: Path, _canary: Path, chance: random.Random) -> str:
    """Any file flipped, cut, filled or empty, sealed again or not."""
    file = chance.choice(sorted(path for path in store.rglob("*") if path.is_file()))
    data, kind = bytearray(file.read_bytes() or b"x"), chance.randrange(4)
    at = chance.randrange(len(data))
    if kind == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at : at + 8] = b"\xff\xff\xff\xff\xff\xff\xff\x7f"
    else:
        data[:] = chance.choice([b"", b"[" * 200_000, b"\0" * 5000, b'{"NaN": NaN}'])
    file.write_bytes(data)
    group = next((group for group in groups(store) if file.is_relative_to(group)), None)
    if group and chance.random() < 0.7 and file.name != "commit.json":
        reseal(group)
    return f"bytes {kind} {file.relative_to(store)}"


def mutate_shape(store: Path, _canary: Path, chance: random.Random) -> str:
    """The metadata of an array of pictures or vectors, in record and array alike."""
    group = chance.choice(groups(store))
    file = chance.choice(sorted(path for path in group.rglob("zarr.json") if path.is_file()))
    facts = json.loads(file.read_bytes())
    at = chance.choice(list(paths_in(facts)))
    new = chance.choice([*VALUES, 1 << 31, 1 << 62, ...])
    with contextlib.suppress(KeyError, IndexError, TypeError):
        set_in(facts, at, new)
    file.write_text(json.dumps(facts))
    reseal(group)
    return f"shape {at}={str(new)[:30]!r} in {file.relative_to(store)}"


def mutate_index(store: Path, _canary: Path, chance: random.Random) -> str:
    """The index of a shard, with a right checksum."""
    group = chance.choice(
        [group for group in groups(store) if (place_of(group) / INDEXED).is_file()]
    )
    file = place_of(group) / INDEXED
    data = file.read_bytes()
    index = np.frombuffer(data[-form.INDEX_BYTES : -4], "<u8").reshape(-1, 2).copy()
    values = [0, 1, 4, 5, len(data), 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
    for _ in range(chance.randrange(1, 6)):
        index[chance.randrange(8), chance.randrange(2)] = chance.choice(values)
    file.write_bytes(data[: -form.INDEX_BYTES] + form.encode_index(index))
    reseal(group)
    return "index"


def mutate_snapshot(store: Path, _canary: Path, chance: random.Random) -> str:
    """A catalogue whose digest is right for its bytes."""
    (file,) = (store / "catalogue").glob("snapshot-*.arrows")
    table = pa.ipc.open_stream(file.read_bytes()[:-DIGEST_BYTES]).read_all()
    kind = chance.randrange(5)
    options = pa.ipc.IpcWriteOptions(compression="zstd" if kind == 4 else None)
    if kind == 0:
        table = table.drop_columns(["rows"])
    elif kind == 1:
        table = table.set_column(0, "id", pa.nulls(len(table), pa.binary()))
    elif kind == 2:
        table = table.set_column(table.column_names.index("rows"), "rows", pa.array(["x"] * 2))
    elif kind == 4:
        table = pa.concat_tables([table] * 2000)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    data = bytearray(sink.getvalue().to_pybytes())
    if kind == 3:
        for _ in range(20):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
    file.unlink()
    name = f"snapshot-{chance.randrange(1, 99):010d}.arrows"
    (store / "catalogue" / name).write_bytes(bytes(data) + xxhash.xxh3_128_digest(data))
    return f"snapshot {kind}"


def mutate_note(store: Path, _canary: Path, chance: random.Random) -> str:
    """A note of an attempt that is dead, with a right digest: it names places to be removed."""
    group = chance.choice(groups(store))
    home = group.relative_to(store).as_posix()
    others = [home, f"{home}/frames", f"{home}/../x", "../canary", f"{home}/{'b' * 32}", "videos"]
    places = chance.choice(
        [[chance.choice(others)], [place_of(group).relative_to(store).as_posix()]]
    )
    facts = {"id": group.parent.name, "places": chance.choice([places, places, "x", [1], None])}
    facts["xxh3"] = xxhash.xxh3_64_hexdigest(canonical_json(facts))
    name = "a" * 32
    (store / "catalogue" / name).write_bytes(canonical_json(facts) + b"\n")
    return f"note {facts['places']}"


def mutate_link(store: Path, canary: Path, chance: random.Random) -> str:
    """A folder or file that is a link: to the same place in the canary, to any, or to nothing."""
    path = chance.choice(sorted(store.rglob("*")))
    return linked(path, store, canary, chance)


def mutate_own_link(store: Path, canary: Path, chance: random.Random) -> str:
    """One of the store's own folders is a link."""
    names = (".attempts", ".parts", "failures", "videos", "catalogue")
    names += ("videos/film", ".parts/film", "failures/bad")
    return linked(store / chance.choice(names), store, canary, chance)


def linked(path: Path, store: Path, canary: Path, chance: random.Random) -> str:
    target = canary / path.relative_to(store)
    target = chance.choice([target, target, target, canary, Path("/etc/passwd"), Path("nowhere")])
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(target)
    return f"link {path.relative_to(store)} to {target.name}"


def mutate_kind(store: Path, _canary: Path, chance: random.Random) -> str:
    """A pipe, folder, file or nothing in place of something."""
    path = chance.choice(sorted(store.rglob("*")))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    kind = chance.randrange(4)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.write_bytes(b"\xff")
    return f"kind {kind} {path.relative_to(store)}"


def mutate_name(store: Path, _canary: Path, chance: random.Random) -> str:
    """Foreign files and folders anywhere, and things under other names."""
    for folder in [store, *[path for path in store.rglob("*") if path.is_dir()]]:
        path = folder / chance.choice(NAMES)
        if not path.exists():
            path.mkdir() if chance.random() < 0.3 else path.write_bytes(b"{}")
    path = chance.choice(sorted(store.rglob("*")))
    to = path.with_name(chance.choice([*NAMES, "f" * 16, "f" * 32, f"{'f' * 16}.{'f' * 16}"]))
    if not to.exists():
        path.rename(to)
    return f"name {path.relative_to(store)} is {to.name[:20]}"


def mutate_json(store: Path, _canary: Path, chance: random.Random) -> str:
    """A small file of JSON with other words: the mark, a failure, a choice of a group."""
    file = chance.choice([store / "fewframes-store.json", store / "failures/bad", store / "q"])
    file = store / "videos/film.mp4/current.json" if file.name == "q" else file
    facts = json.loads(file.read_text()) if file.is_file() else {"key": "0" * 16, "since": "9"}
    at, new = (
        chance.choice(list(paths_in(facts))),
        chance.choice([*VALUES, ..., float("nan"), DEEP]),
    )
    set_in(facts, at, new)
    file.write_text(json.dumps(facts).replace('"DEEP"', DEEP))
    return f"json {file.name} {at}={str(new)[:30]!r}"


STEPS: tuple[Step, ...] = (
    mutate_record, mutate_record, mutate_record, mutate_files, mutate_table, mutate_bytes,
    mutate_shape, mutate_index, mutate_snapshot, mutate_link, mutate_own_link, mutate_kind,
    mutate_name, mutate_json, mutate_note,
)  # fmt: skip
