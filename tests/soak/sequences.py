"""Sequences: whatever is done one after the other, each id has the recording that it should have.

1. Commands at random (index under several recipes, with other content under a known id, with
   copies, with files that are none; rm of a video or a recipe, compact, prune, migrate, merge)
   change a store and a dictionary. Each command runs in a process of its own; some are killed at a
   random step, then given again or not.
2. After each, every video that is listed has the frames of the content and recipe that the
   dictionary says; after a kill, those of before or after.

Stores lie in a folder, and with ``--url`` on an S3 server on loopback.
``python tests/soak/sequences.py -n 500 -o bench/results/sequences.json`` is the long run.
"""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import click
from places import new_bucket, served
from sequence_steps import act, judge, look, seen_of

import fewframes as ff
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.errors import CrashedError
from fewframes.indexing.isolation import Worker
from fewframes.indexing.tasks import LOADED

RECIPES = ({"fps": None, "size": 32}, {"fps": 5, "size": 32}, {"fps": None, "size": 48})
CONTENTS = 4
USUAL = {"a.mp4": 0, "b.mp4": 1, "ward/c.mp4": 0}
"""The content that a film mostly has."""
OTHER = 0.25
"""Share of films that have any content."""
NO_FILM = -1
"""The content of a file that is no film."""
KILLS = 0.25
"""Share of commands that are killed, if they take that many steps."""
MOST_STEPS = 25
AGAIN = 0.6
"""Share of killed commands that are given again at once."""
LENGTH = 8
"""Commands of a sequence."""


@dataclass(frozen=True)
class Stored:
    """What a store has of a video, or the dictionary says it has."""

    content: int
    created: dict[int, int] = field(default_factory=dict)
    """When each recipe was published."""
    choice: tuple[int, int] = (NO_FILM, 0)
    """The recipe that was asked for last though it was there, and when."""

    @property
    def current(self) -> int:
        """The recipe that was published or asked for last."""
        chosen, since = self.choice
        return max(
            self.created, key=lambda one: max(self.created[one], since if one == chosen else 0)
        )

    @property
    def seen(self) -> tuple[int, list[int], int]:
        """What a reader sees."""
        return self.content, sorted(self.created), self.current


Model = dict[str, Stored]


class StoreFaultError(AssertionError):
    """A store is not what the dictionary says."""


class Trial:
    """Films, and what each looks like under each recipe."""

    def __init__(self, folder: Path, bucket: str = "") -> None:
        self.folder, self.bucket = folder, bucket
        self.films = [folder / f"film_{n}.mp4" for n in range(CONTENTS)]
        self.truth: dict[tuple[str, str], tuple[int, int]] = {}
        self.count = 0
        for content, film in enumerate(self.films):
            write_film(film, Film(frames=6 + content, size=(48, 64)))
            for number, recipe in enumerate(RECIPES):
                ff.index(film, folder / f"alone_{content}_{number}", workers=1, **recipe)
                (video,) = ff.open(folder / f"alone_{content}_{number}").values()
                self.truth[seen_of(video)] = content, number

    def place(self) -> str:
        """Gives the place of a new store."""
        self.count += 1
        name = f"store_{self.count}"
        return f"{self.bucket}/{name}" if self.bucket else str(self.folder / name)

    def drop(self, where: str) -> None:
        """Removes a store."""
        if not self.bucket:
            shutil.rmtree(where, ignore_errors=True)

    def given(self, films: dict[str, int], chance: random.Random) -> str:
        """A folder with these films: copies, of the same time or another."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for name, content in films.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            if content == NO_FILM:
                path.write_bytes(b"no film" * 99)
            else:
                (shutil.copy2 if chance.random() < 0.5 else shutil.copy)(self.films[content], path)
        return str(folder)


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Calls in a process of its own."""
    with Worker(
        load=f"{LOADED} {__name__} pyarrow.parquet pyarrow.compute simplejpeg fastcrc"
    ) as worker:
        return worker.call(function, *args, limit_seconds=120)


@dataclass
class Sequence:
    """One store and its dictionary."""

    trial: Trial
    chance: random.Random
    counts: Counter[str]
    where: str = ""
    model: Model = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    clock: int = 0
    told: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Gives commands and compares."""
        self.where = self.trial.place()
        self._index()
        for _ in range(LENGTH):
            self.chance.choices(
                [self._index, self._remove, self._remove_recipe, self._keep, self._merge],
                [8, 1, 2, 3, 1],
            )[0]()
        found = call(judge, self.where)
        if found:
            raise StoreFaultError(f"verify: {found}")
        self.trial.drop(self.where)

    def _index(self) -> None:
        names = self.chance.sample(sorted(USUAL), self.chance.randint(1, len(USUAL)))
        films = {name: USUAL[name] for name in names}
        for name in names:
            if self.chance.random() < OTHER:
                films[name] = self.chance.randrange(CONTENTS)
        if self.chance.random() < 0.1:
            films["bad.mp4"] = NO_FILM
        recipe = self.chance.randrange(len(RECIPES))
        more = {
            "replace": self.chance.random() < 0.3,
            "duplicates": self.chance.choice(["skip", "keep"]),
        }
        folder = self.trial.given(films, self.chance)
        after, failed, statuses = self._indexed(films, recipe, **more)
        words = f"index {films} {RECIPES[recipe]} {more}"
        result = self._give("index", (folder, RECIPES[recipe] | more), words, after, failed)
        if isinstance(result, dict) and result != statuses:
            raise StoreFaultError(f"{words}: {result}, not {statuses}")
        shutil.rmtree(folder)

    def _indexed(
        self, films: dict[str, int], recipe: int, *, replace: bool, duplicates: str
    ) -> tuple[Model, set[str], dict[str, str]]:
        """What a store is to be after films were indexed, and what is said of each."""
        after, failed, statuses = dict(self.model), set(self.failed), {}
        order = sorted(films, key=lambda name: (name not in self.model, _as_listed(name)))
        for name in order:
            content, there = films[name], after.get(name)
            if content == NO_FILM:
                statuses[name] = "failed"
                failed |= {name} - set(after)
                continue
            copies = [other for other, one in after.items() if one.content == content]
            if there is None and copies and duplicates == "skip":
                statuses[name] = "duplicate"
            elif there is None or (there.content != content and replace):
                after[name], statuses[name] = Stored(content, {recipe: self._now()}), "ok"
            elif there.content != content:
                statuses[name] = "failed"
            elif recipe in there.created:
                statuses[name] = "done"
                if there.current != recipe:
                    after[name] = Stored(content, there.created, (recipe, self._now()))
            else:
                created = there.created | {recipe: self._now()}
                after[name], statuses[name] = Stored(content, created, there.choice), "ok"
        return after, failed - set(after), statuses

    def _remove(self) -> None:
        if names := sorted(self.model.keys() | self.failed):
            name = self.chance.choice(names)
            after = {key: one for key, one in self.model.items() if key != name}
            self._give("rm", (name,), f"rm {name}", after, self.failed - {name})

    def _remove_recipe(self) -> None:
        several = [name for name in sorted(self.model) if len(self.model[name].created) > 1]
        if not several:
            return
        name = self.chance.choice(several)
        there = self.model[name]
        gone = self.chance.choice(sorted(there.created))
        left = {one: when for one, when in there.created.items() if one != gone}
        choice = (NO_FILM, 0) if there.choice[0] == gone else there.choice
        after = self.model | {name: Stored(there.content, left, choice)}
        words = f"rm {name} --recipe {RECIPES[gone]}"
        self._give("rm recipe", (name, _recipe(gone)), words, after, self.failed)

    def _keep(self) -> None:
        name = self.chance.choice(["compact", "prune", "migrate"])
        after = dict(self.model)
        if name == "prune":
            for key, one in self.model.items():
                created = {one.current: one.created[one.current]}
                choice = one.choice if one.choice[0] in created else (NO_FILM, 0)
                after[key] = Stored(one.content, created, choice)
        self._give(name, (), name, after, self.failed)

    def _merge(self) -> None:
        """Another store is made of a few films, and merged into this one."""
        other = Sequence(self.trial, self.chance, Counter(), self.trial.place(), clock=self.clock)
        for _ in range(3):
            other._index()
        self.clock = other.clock
        after = dict(self.model)
        for name, one in other.model.items():
            there = self.model.get(name, Stored(one.content))
            if there.content == one.content:
                after[name] = _united(there, one)
        failed = (self.failed | other.failed) - set(after)
        self._give("merge", (other.where,), f"merge {other.told}", after, failed)
        self.trial.drop(other.where)

    def _give(
        self, name: str, args: tuple[Any, ...], words: str, after: Model, failed: set[str]
    ) -> Any:
        """Gives a command, perhaps to be killed, and compares the store with the dictionary."""
        self.told.append(words)
        self.counts[name] += 1
        step = self.chance.randint(1, MOST_STEPS) if self.chance.random() < KILLS else 0
        try:
            result = call(act, name, self.where, step, args)
        except CrashedError:
            self.counts["killed"] += 1
            self.told.append(f"killed before step {step}")
            now = self._after_kill(after)
            if now is None or self.chance.random() < AGAIN:
                self.told.append("given again")
                call(act, name, self.where, 0, args)
            else:
                self.model, self.failed = now
                return None
            result = None
        self.model, self.failed = after, failed
        self._compare()
        return result

    def _observed(self) -> tuple[dict[str, list[tuple[int, int, bool]]], set[str]]:
        """Content, recipe and whether it is current, of each group; and which films failed."""
        told, found = call(look, self.where), dict[str, list[tuple[int, int, bool]]]()
        for name, groups in told["videos"].items():
            found[name] = []
            for recipe, is_current, *seen in groups:
                content, number = self.trial.truth.get(tuple(seen), (NO_FILM, NO_FILM))
                if content == NO_FILM or _recipe(number).to_dict() != recipe:
                    raise StoreFaultError(f"{name} has strange frames under {recipe}")
                found[name].append((content, number, is_current))
        return found, set(told["failed"])

    def _compare(self) -> None:
        """Raises StoreFaultError unless the store is what the dictionary says."""
        seen = {}
        there, failed = self._observed()
        for name, groups in there.items():
            contents = {content for content, _, _ in groups}
            current = [number for _, number, is_current in groups if is_current]
            seen[name] = sorted(contents), sorted(number for _, number, _ in groups), current
        wanted = {
            name: ([one.content], sorted(one.created), [one.current])
            for name, one in self.model.items()
        }
        if seen != wanted:
            raise StoreFaultError(f"the store has {seen}, not {wanted}")
        if failed != self.failed:
            raise StoreFaultError(f"failed are {failed}, not {self.failed}")

    def _after_kill(self, after: Model) -> tuple[Model, set[str]] | None:
        """What the store has after a kill, which must be of before or after; None for between."""
        if not Path(self.where).exists() and not self.trial.bucket:
            return None
        (found, failed), now, is_clean = self._observed(), dict[str, Stored](), True
        for name in self.model.keys() | after.keys() | found.keys():
            ends = [one[name] for one in (self.model, after) if name in one]
            groups = found.get(name, [])
            if not groups and len(ends) == 2:
                raise StoreFaultError(f"{name} is gone")
            (current,) = [(c, n) for c, n, is_current in groups if is_current] or [None]
            allowed = {(one.content, number) for one in ends for number in one.created}
            if not {(content, number) for content, number, _ in groups} <= allowed:
                raise StoreFaultError(f"{name} has {groups}, before and after it are {ends}")
            match = [one for one in ends if _is_seen(one, groups)]
            if groups and match:
                now[name] = match[-1]
            is_clean &= bool(match) or not groups
            if current and current not in allowed:
                raise StoreFaultError(f"{name} is {current}, before and after it are {ends}")
        return (now, failed) if is_clean else None

    def _now(self) -> int:
        self.clock += 1
        return self.clock


def _as_listed(name: str) -> tuple[str, ...]:
    """The order in which a search lists films."""
    return Path(name).parts


def _is_seen(one: Stored, groups: list[tuple[int, int, bool]]) -> bool:
    content, numbers, current = one.seen
    return sorted(groups) == [(content, number, number == current) for number in numbers]


def _united(there: Stored, other: Stored) -> Stored:
    """A video of two stores: every recipe, and the one that was published or chosen last."""
    created = {
        one: max(there.created.get(one, 0), other.created.get(one, 0))
        for one in there.created | other.created
    }
    choices = [one.choice for one in (there, other)]
    latest = max([there, other] if there.created else [other], key=_last)
    united = Stored(there.content, created, max(choices, key=lambda choice: choice[1]))
    if united.current != latest.current:
        return replace(united, choice=(latest.current, _last(latest)))
    return united


def _last(one: Stored) -> int:
    return max(max(one.created.values()), one.choice[1])


def _recipe(number: int) -> Any:
    return ff.IndexOptions(**RECIPES[number]).recipe


def sequences(trial: Trial, count: int, seed: int) -> dict[str, Any]:
    """Runs sequences; gives how often each command was given, and every fault with its commands."""
    counts, faults = Counter[str](), []
    for number in range(count):
        one = Sequence(trial, random.Random(f"{seed} {number}"), counts)
        try:
            one.run()
        except StoreFaultError as error:
            faults.append({"sequence": number, "commands": one.told, "fault": str(error)})
    return {"sequences": count, "seed": seed, "commands": dict(counts), "faults": faults}


@click.command()
@click.option("-n", "count", default=500, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--url", is_flag=True, help="Stores of an S3 server on loopback.")
@click.option("-o", "out", type=click.Path(path_type=Path), help="Where the result goes, as JSON.")
def main(count: int, seed: int, url: bool, out: Path | None) -> None:
    """Runs sequences of commands beside a dictionary."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if url:
            with served(path / "cache"):
                result = sequences(Trial(path, new_bucket()), count, seed)
        else:
            with mock.patch.dict(os.environ, {"FEWFRAMES_CACHE": str(path / "cache")}):
                result = sequences(Trial(path), count, seed)
    keep_result({"machine": machine(), "is_by_url": url, **result}, out)
    raise SystemExit(bool(result["faults"]))


if __name__ == "__main__":
    import sequences  # by its name: what a process is to call is looked up there

    sequences.main()
