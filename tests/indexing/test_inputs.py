"""Inputs: the films that words mean, under ids that do not change with what else is meant."""

import csv
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bindings.obstore import ObstoreBackend
from fewframes.cli.main import main
from fewframes.errors import NoSpaceError, StaleIndexError, UnreadableMediaError
from fewframes.files.probing import identify
from fewframes.indexing import fetching
from fewframes.indexing.fetching import on_disk, size_of, source_of
from fewframes.indexing.inputs import find_inputs
from fewframes.indexing.options import FilmTask
from fewframes.indexing.tasks import execute
from fewframes.media.timeline_cache import cache_home
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store

NAMES = ("a/001.mp4", "a/002.mkv", "b/001.mp4", "b/notes.txt", "c [1].mp4")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of empty films, in which the test runs."""
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_rows(file: Path, rows: list[dict[str, object]]) -> str:
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return f"@{file.name}"


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["a/001.mp4"], ["001.mp4"]),
        (["a"], ["001.mp4", "002.mkv"]),
        (["a", "a/001.mp4"], ["001.mp4", "002.mkv"]),
        (["*/*.mp4"], ["a/001.mp4", "b/001.mp4"]),
        (["a/*"], ["001.mp4", "002.mkv"]),
        (["**/*.mp4"], ["a/001.mp4", "b/001.mp4", "c [1].mp4"]),
        (["c [1].mp4"], ["c [1].mp4"]),
        (["b/notes.txt"], ["notes.txt"]),
        ([Path("c [1].mp4")], ["c [1].mp4"]),
        (["s3://bucket/films/a/001.mp4"], ["001.mp4"]),
    ],
)
def test_words_mean_films_with_ids_below_what_is_given(place, words, ids):
    assert list(find_inputs(words)) == ids


def test_a_pattern_that_ends_in_a_suffix_takes_what_it_matches(place):
    for name in ("x.dat", "y.DAT", ".z.dat", "b/w.dat"):
        Path(name).touch()
    assert list(find_inputs(["*.dat"])) == ["x.dat"]
    assert list(find_inputs(["**/*.dat"])) == ["b/w.dat", "x.dat"]
    assert list(find_inputs(["*/notes.txt"])) == ["b/notes.txt"]
    with pytest.raises(UnreadableMediaError, match=r"no film matches 'b/n\*': .* \.mp4 .*; end"):
        find_inputs(["b/n*"])


@pytest.mark.parametrize("suffix", ["dav", "f4v", "mod", "trp", "gif", "ts2", "MP4"])
def test_folders_are_searched_for_what_cameras_and_recorders_write(tmp_path, suffix):
    (tmp_path / f"x.{suffix}").touch()
    assert list(find_inputs([tmp_path])) == [f"x.{suffix}"]


def test_a_folder_without_a_film_says_what_it_was_searched_for(place):
    for name in ("x.dat", ".hidden.mp4"):
        (place / "empty" / name).parent.mkdir(exist_ok=True)
        (place / "empty" / name).touch()
    words = r"'empty' holds no film: .* in \.264 .*\.ts2 .*\.y4m; name a file itself to take it"
    with pytest.raises(UnreadableMediaError, match=words):
        find_inputs(["empty"])
    result = CliRunner().invoke(main, ["index", "empty", "-o", "s"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert list(find_inputs(["empty/x.dat"])) == ["x.dat"]


def test_linked_folders_are_searched_once_and_by_the_path_of_the_link(place, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "deep").mkdir()
    (elsewhere / "deep" / "004.mp4").touch()
    before = find_inputs([place])
    (place / "0 loop").symlink_to(place)
    (place / "0 twin").symlink_to(place / "a")
    (place / "a" / "up").symlink_to("..")
    (place / "a" / "self").symlink_to("self")
    (place / "a" / "gone.mp4").symlink_to("nowhere")
    (elsewhere / "deep" / "back").symlink_to(elsewhere)
    assert find_inputs([place]) == before
    (place / "b" / "more").symlink_to(elsewhere)
    (place / "c").symlink_to(elsewhere)
    found = find_inputs([place])
    assert found == {**before, "b/more/deep/004.mp4": place / "b/more/deep/004.mp4"}
    deep = ["b/more/deep/004.mp4", "c [1].mp4"]
    assert list(found) == ["a/001.mp4", "a/002.mkv", "b/001.mp4", *deep]
    assert list(find_inputs(["**/*.mp4"])) == ["a/001.mp4", "b/001.mp4", *deep]
    assert list(find_inputs(["0 t*/*.mp4"])) == ["0 twin/001.mp4"]


def test_a_list_gives_the_ids_that_are_written_in_it_in_any_order(place):
    lines = ["# films", "", "b/001.mp4", "./a/001.mp4 ", "s3://bucket/day 1/001.mp4", "a/*.mkv"]
    for text in (lines, lines[::-1]):
        Path("films.txt").write_text("\n".join(text))
        assert find_inputs(["@films.txt"]) == {
            "b/001.mp4": Path("b/001.mp4"),
            "a/001.mp4": Path("a/001.mp4"),
            "day 1/001.mp4": "s3://bucket/day 1/001.mp4",
            "002.mkv": Path("a/002.mkv"),
        }


def test_paths_of_a_list_count_from_its_own_folder(place):
    (place / "a" / "films.txt").write_text("001.mp4\n../b/001.mp4\n")
    words = r"'a/\.\./b/001\.mp4' \(films\.txt line 2\) are two films with the id '001\.mp4'"
    with pytest.raises(ValueError, match=words):
        find_inputs(["@a/films.txt"])
    (place / "a" / "films.txt").write_text("001.mp4\n../c [1].mp4\n")
    assert list(find_inputs(["@a/films.txt"])) == ["001.mp4", "c [1].mp4"]


@pytest.mark.parametrize("name", ["films.csv", "films.parquet"])
def test_manifests_give_ids_and_ignore_other_columns(place, name):
    rows = [
        {"split": "train", "id": "case 7/left", "path": "a/001.mp4"},
        {"split": "test", "id": None, "path": "b/001.mp4"},
        {"split": "test", "id": "again", "path": "a/001.mp4"},
        {"split": "test", "id": "far", "path": "s3://bucket/x.mp4"},
    ]
    films = find_inputs([write_rows(Path(name), rows), "a/002.mkv"])
    assert list(films) == ["case 7/left", "b/001.mp4", "again", "far", "002.mkv"]
    assert films["case 7/left"] == films["again"] == Path("a/001.mp4")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"path": "a/009.mp4"}, r"line \d: 'a/009.mp4' does not exist; check the path"),
        ({"path": "a/*.avi"}, r"line \d: no film matches 'a/\*\.avi'"),
        ({"path": ""}, r"line \d: there is no path; fill it in"),
        ({"path": "a", "id": "x"}, r"line \d: 'a' is not one film and cannot have the id 'x'"),
        ({"path": "@films.csv"}, r"line \d: '@films.csv' is a list in a list"),
    ],
)
@pytest.mark.parametrize("name", ["films.csv", "films.parquet"])
def test_errors_of_a_manifest_name_the_line(place, row, words, name):
    file = write_rows(Path(name), [{"path": "a/001.mp4", "id": "one"}, {"id": "", **row}])
    with pytest.raises((ValueError, UnreadableMediaError), match=f"{name} {words}"):
        find_inputs([file])


@pytest.mark.parametrize("name", ["films.csv", "films.parquet"])
def test_two_films_of_one_id_are_named_with_their_lines(place, name):
    file = write_rows(Path(name), [{"path": f"{one}/001.mp4", "id": "x"} for one in "ab"])
    films = rf"'a/001\.mp4' \({name} line \d\) and 'b/001\.mp4' \({name} line \d\)"
    with pytest.raises(ValueError, match=f"{films} are two films with the id 'x'; name the folder"):
        find_inputs([file])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, "list 'none.txt' does not exist"),
        ("a.csv", b"film\nx.mp4\n", r"has no column 'path' \(it has film\)"),
        ("a.csv", b"", r"has no column 'path' \(it is empty\)"),
        ("a.txt", b"caf\xe9.mp4\n", "is not text in UTF-8"),
        ("a.parquet", b"path\n", "is no Parquet file"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_sentence(place, name, content, words):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises((ValueError, UnreadableMediaError), match=words):
        find_inputs([f"@{name}"])


@pytest.mark.slow
def test_a_prefix_is_searched_as_a_folder_is(place, bucket):
    objects = resolve_store(bucket)
    for name in ("a/001.mp4", "a/day 2#1.mkv", ".hidden.mp4", "notes.txt", "001.mp4"):
        objects.put(name, b"x")
    films = find_inputs([f"{bucket}/"])
    assert films == {
        "001.mp4": f"{bucket}/001.mp4",
        "a/001.mp4": f"{bucket}/a/001.mp4",
        "a/day 2#1.mkv": f"{bucket}/a/day 2#1.mkv",
    }
    assert size_of(films["a/day 2#1.mkv"]) == 1
    with pytest.raises(UnreadableMediaError, match="no film is below"):
        find_inputs([f"{bucket}/b/"])


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1000, 1 << 20, 3_000_000])
def test_a_film_by_url_is_fetched_once_and_gone_after(bucket, tmp_path, size):
    data = bytes(i * i % 251 for i in range(size % 4096)) + bytes(size - size % 4096)
    resolve_store(bucket).put("film 1.mp4", data)
    url, signs = f"{bucket}/film 1.mp4", []
    with on_disk(url, lambda: signs.append(1)) as file:
        assert file.read_bytes() == data
        assert file.name == "film 1.mp4"
        there, here = source_of(url), identify(file)
        facts = (there.size_bytes, there.mtime_ns, there.edges_xxh3)
        assert facts == (here.size_bytes, here.mtime_ns, here.edges_xxh3)
        assert bool(signs) == bool(size)
    assert not file.exists()
    assert list((cache_home() / "films" / ".attempts").iterdir()) == []


class OneFilm(BaseHTTPRequestHandler):
    """A plain web server with one film, which gives parts of it."""

    data = (bytes(range(251)) * 8356)[: 1 << 21]

    def do_GET(self):
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = map(int, found.groups()) if found else (0, len(self.data) - 1)
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 20:00:00 GMT")
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.data[first : last + 1])

    do_HEAD = do_GET  # noqa: N815 (the name that a server calls)

    def log_message(self, *_):
        pass


def test_a_film_on_a_web_server_is_fetched_too():
    pytest.importorskip("obstore", reason="obstore is not installed; pip install 'fewframes[s3]'")
    with ThreadingHTTPServer(("127.0.0.1", 0), OneFilm) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/films/a.mp4"
        with on_disk(url) as file:
            assert file.read_bytes() == OneFilm.data
            there, here = source_of(url), identify(file)
            assert (there.mtime_ns, there.edges_xxh3) == (here.mtime_ns, here.edges_xxh3)
        server.shutdown()


@pytest.mark.slow
def test_a_film_that_is_not_there_too_large_or_changed_is_one_sentence(bucket, monkeypatch):
    url = f"{bucket}/film.mp4"
    with pytest.raises(UnreadableMediaError, match="does not exist; check the URL, and end a"):
        size_of(url)
    objects = resolve_store(bucket)
    objects.put("film.mp4", bytes(1000))
    bucket_at, key, facts = fetching._look(url)
    objects.put("film.mp4", bytes(999))
    with pytest.raises(StaleIndexError, match="was changed while it was fetched"):
        list(bucket_at.blocks(key, facts))
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Disk", (), {"free": 10}))
    with pytest.raises(NoSpaceError, match="but 0 MB are free in the cache folder"), on_disk(url):
        pass


@pytest.mark.slow
def test_films_by_url_are_indexed_as_those_on_disk_and_fetched_once(films, bucket, tmp_path):
    film = films("x264_uneven")
    resolve_store(bucket).put("films/ward 1/a.mp4", film.read_bytes())
    resolve_store(bucket).put("films/bad.mp4", b"this is no film\n" * 9)
    ff.index(film, tmp_path / "one", size=64)
    url = f"{bucket}/films/"
    report = ff.index(url, tmp_path / "s", size=64, workers=1)
    assert {o.video_id: o.status for o in report.outcomes} == {
        "ward 1/a.mp4": "ok",
        "bad.mp4": "failed",
    }
    assert "'bad.mp4' is not a video" in report.with_status("failed")[0].reason
    here, there = ff.open(tmp_path / "one")["x264_uneven"], ff.open(tmp_path / "s")["ward 1/a"]
    assert here.encoded(range(len(here.slots))) == there.encoded(range(len(there.slots)))
    assert there.facts["source"]["name"] == "a.mp4"
    assert there.facts["source"]["digest"] == here.facts["source"]["digest"]
    assert ff.index(url, tmp_path / "s", size=64).outcomes[-1].status == "done"
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(ObstoreBackend, "blocks")
        task = FilmTask(f"{url}ward 1/a.mp4", tmp_path / "s", "ward 1/a.mp4", Recipe(size="64"))
        assert execute(task).status == "done"
    assert list((cache_home() / "films" / ".attempts").iterdir()) == []
    resolve_store(bucket).put("films/ward 1/a.mp4", films("x264_no_b").read_bytes())
    assert ff.index(url, tmp_path / "s", size=64, replace=True).outcomes[-1].status == "ok"
    assert (
        ff.open(tmp_path / "s")["ward 1/a"].facts["source"]["digest"]
        != here.facts["source"]["digest"]
    )


@pytest.mark.parametrize("nothing", ["", None, 3])
def test_nothing_names_no_films(tmp_path, nothing):
    with pytest.raises(ValueError, match="names no films; pass a path"):
        ff.index([nothing], tmp_path / "s")
    assert not (tmp_path / "s").exists()
