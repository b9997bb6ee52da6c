"""Haystacks: long films of real footage with short events at known times, and stores of them.

    fewframes bench haystack FOOTAGE -o WORK --set train --films 8

writes ``WORK/train.jsonl``, one line a film, and ``WORK/train.zarr``, a store of all. A film is
made and indexed once: what is in the folder already stays. See `fewframes.bench.haystack_films`.
"""

import functools
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click

from fewframes.bench.haystack_clips import Clip, SetName, clips_of
from fewframes.bench.haystack_films import HaystackFilm
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.recipes import Recipe

MINUTES, A_GRADE = 30.0, 9
"""Length of a film, and how many events of each grade it holds, where nothing else is asked."""
CANDIDATES_FPS = 2.0
"""Rate at which films are indexed."""


@dataclass(frozen=True, slots=True)
class Work:
    """Which films to make, of what, and where."""

    footage: Path
    """A folder of films."""
    folder: Path
    """Where stores, annotations and what was read of the footage are kept."""
    set_name: SetName = "train"
    minutes: float = MINUTES
    a_grade: int = A_GRADE
    """Events a grade in a film."""
    same: tuple[str, ...] = ()
    """Films of the footage whose names hold the same of these words are one recording."""
    keeps_films: bool = False

    @property
    def name(self) -> str:
        """What sets of different sizes are told apart by."""
        is_usual = (self.minutes, self.a_grade) == (MINUTES, A_GRADE)
        return self.set_name if is_usual else f"{self.set_name}-{self.minutes:g}min-{self.a_grade}"

    @property
    def store(self) -> Path:
        """The store of the set."""
        return self.folder / f"{self.name}.zarr"

    @property
    def annotations(self) -> Path:
        """The true events, a line a film."""
        return self.folder / f"{self.name}.jsonl"


def make_films(work: Work, seeds: Sequence[int], *, workers: int = 1) -> None:
    """Makes and indexes the films of these seeds that are not there yet, and writes the truth."""
    work.folder.mkdir(parents=True, exist_ok=True)
    known = truth_of(work)
    missing = [seed for seed in seeds if video_id(seed) not in known]
    _clips(work)  # read the footage once, not in each process
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for made in as_completed([pool.submit(make_film, work, seed) for seed in missing]):
            with work.annotations.open("a", encoding="utf-8") as out:  # a stopped run goes on here
                out.write(made.result() + "\n")


def truth_of(work: Work) -> dict[str, dict[str, object]]:
    """Reads the annotations that are there: id -> line."""
    if not work.annotations.exists():
        return {}
    lines = map(json.loads, work.annotations.read_text(encoding="utf-8").splitlines())
    return {line["video"]: line for line in lines}


def video_id(seed: int) -> str:
    """What a film is called.

    >>> video_id(7)
    'film_0007'
    """
    return f"film_{seed:04d}"


@functools.lru_cache(1)
def _clips(work: Work) -> list[Clip]:
    """The clips of the set, remembered for the next film."""
    return clips_of(work.footage, work.folder / "clips", work.set_name, same=work.same)


def make_film(work: Work, seed: int) -> str:
    """Makes one film, indexes it, and gives its line of the annotations."""
    film = HaystackFilm(
        work.set_name, seed, _clips(work), minutes=work.minutes, a_grade=work.a_grade
    )
    path = work.folder / f"{work.name}_{video_id(seed)}.mp4"
    if not path.exists():
        part = path.with_suffix(".part.mp4")
        film.write(part)
        part.rename(path)
    index_film(FilmTask(path, work.store, video_id(seed), Recipe(fps=CANDIDATES_FPS)))
    if not work.keeps_films:
        path.unlink()
    return json.dumps(film.truth(video_id(seed)))


@click.command()
@click.argument("footage", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the films and of their store.",
)
@click.option(
    "--set",
    "set_name",
    type=click.Choice(["train", "test"]),
    default="train",
    show_default=True,
    help="Part of the footage to use; the sets share no recording.",
)
@click.option("--films", default=4, show_default=True, help="Number of films.")
@click.option("--first-seed", default=0, show_default=True, help="Seed of the first film.")
@click.option("--minutes", default=30.0, show_default=True, help="Length of each film.")
@click.option("--a-grade", default=9, show_default=True, help="Events of each grade in a film.")
@click.option("--same", multiple=True, help="Names with this word are one recording; repeat it.")
@click.option("--keep-films", is_flag=True, help="Keep the films beside the store.")
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
def main(
    footage: Path,
    output: Path,
    set_name: SetName,
    films: int,
    first_seed: int,
    minutes: float,
    a_grade: int,
    same: tuple[str, ...],
    keep_films: bool,
    workers: int,
) -> None:
    """Makes long films with planted events from a folder of FOOTAGE, and a store of them."""
    work = Work(footage, output, set_name, minutes, a_grade, same, keep_films)
    seeds = range(first_seed, first_seed + films)
    make_films(work, seeds, workers=workers)
    click.echo(f"{films} films in {work.store}, their events in {work.annotations}")
