"""The catalog is disposable: missing, broken or stale, it shows what the shards say."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import made_run
import pytest

from rsfactory.catalog import open_catalog
from rsfactory.errors import StoreError
from rsfactory.records import Outcome, Verdict
from rsfactory.store import FLAGS, PROBLEMS, TABLES, VERDICTS, Store, schema

ROOT = Path(__file__).parents[2]


def ask(store: Store, query: str) -> list[tuple[Any, ...]]:
    with open_catalog(store) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return made_run.write_run(tmp_path)


def test_tables_without_shards_are_empty_and_typed(tmp_path: Path) -> None:
    empty = Store(tmp_path / "run")
    empty.folder.mkdir()
    full = made_run.write_run(tmp_path)
    for table in TABLES:
        assert ask(empty, f"SELECT * FROM {table.name}") == []
        described = ask(empty, f"DESCRIBE {table.name}")
        assert [row[:2] for row in described] == [
            row[:2] for row in ask(full, f"DESCRIBE {table.name}")
        ]
        assert set(schema(table.record)) <= {row[0] for row in described}
    assert ask(empty, "SELECT * FROM lineage") == []


def test_views_show_the_newest(store: Store) -> None:
    shown = {key for (key,) in ask(store, "SELECT id FROM candidates")}
    assert shown == {c.id for c in made_run.CANDIDATES_MADE} - {made_run.CUT.id}
    assert len(ask(store, "SELECT id FROM all_candidates")) == 6
    again = [
        made_run.verdict(made_run.MISSED, Outcome.CORRECT, version)
        for version in ("9", "10", "1.9")
    ]
    store.write(VERDICTS, 1, "again", again)
    query = f"SELECT version FROM verdicts WHERE candidate_id = '{made_run.MISSED.id}'"
    assert ask(store, query) == [("10",)]


def test_lineage_has_one_row_a_candidate_with_the_verdict_that_decided(store: Store) -> None:
    other = Verdict(
        id="v-other", candidate_id=made_run.SOLVED.id, verifier="format", version="3",
        outcome=Outcome.WRONG, extracted=None, reason="", seconds=0.0, isolation="none",
    )  # fmt: skip
    store.write(VERDICTS, 1, "other", [other])
    store.write(PROBLEMS, 2, "train", made_run.P)  # the same problems again in a later round
    query = """SELECT candidate_id, verifier, outcome, flags, selected, rejected_by, trained_in,
        checkpoint_id, gate, accuracy, template, hinted FROM lineage"""
    rows = {row[0]: row[1:] for row in ask(store, query)}
    assert len(rows) == len(ask(store, query)) == 5
    last = made_run.LAST.id
    solved = ("math", "correct", [], True, None, [1], last, "advance", 1.0, "math", False)
    assert rows[made_run.SOLVED.id] == solved
    explained = (*solved[:-2], "math_hinted", True)
    assert rows[made_run.EXPLAINED.id] == explained
    missed = rows[made_run.MISSED.id]
    assert missed[1:6] == ("wrong", ["wrong_step"], False, "outcome", [])
    assert missed[6:9] == (None, None, None)


def test_new_shards_show_without_a_new_catalog(store: Store) -> None:
    with open_catalog(store) as connection:
        before = (store.folder / "catalog.duckdb").stat().st_ino
        store.write(PROBLEMS, 5, "train", made_run.P)
        assert connection.execute("SELECT count(*) FROM problems").fetchall() == [(8,)]
    assert ask(store, "SELECT count(*) FROM problems WHERE round = 5") == [(3,)]
    assert (store.folder / "catalog.duckdb").stat().st_ino == before


def test_the_first_shard_of_a_table_rebuilds(tmp_path: Path) -> None:
    store = made_run.write_run(tmp_path, done=False)
    assert ask(store, "SELECT count(*) FROM flags") == [(0,)]
    store.write(FLAGS, 1, "0", [made_run.Flag.make("c", "check", "evidence")])
    assert ask(store, "SELECT count(*) FROM flags") == [(1,)]


def test_a_reader_does_not_block_a_newer_catalog(tmp_path: Path) -> None:
    store = made_run.write_run(tmp_path, done=False)
    with open_catalog(store) as old:
        store.write(FLAGS, 1, "0", [made_run.Flag.make("c", "check", "evidence")])
        assert ask(store, "SELECT count(*) FROM flags") == [(1,)]
        assert old.execute("SELECT count(*) FROM flags").fetchall() == [(0,)]


def test_a_moved_run_is_read_where_it_is_now(store: Store, tmp_path: Path) -> None:
    assert ask(store, "SELECT count(*) FROM problems") == [(5,)]
    moved = Store(tmp_path / "elsewhere")
    shutil.copytree(store.folder, moved.folder)
    moved.write(PROBLEMS, 7, "more", made_run.P)
    assert ask(moved, "SELECT count(*) FROM problems") == [(8,)]
    assert ask(store, "SELECT count(*) FROM problems") == [(5,)]


@pytest.mark.parametrize("content", [b"", b"junk" * 2000])
def test_a_broken_catalog_is_built_again(store: Store, content: bytes) -> None:
    (store.folder / "catalog.duckdb").write_bytes(content)
    assert ask(store, "SELECT count(*) FROM candidates") == [(5,)]


def test_odd_names_and_relative_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = made_run.write_run(Path("round=9") / "it's [odd]*?")
    assert ask(store, "SELECT DISTINCT round FROM training_rows") == [(1,)]
    monkeypatch.chdir("/")
    assert ask(Store(tmp_path / store.folder), "SELECT count(*) FROM problems") == [(5,)]


def test_a_damaged_shard_is_an_error_that_says_what_to_do(store: Store) -> None:
    (store.folder / "flags/round=1/part-0.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match="cannot be read"):
        open_catalog(store)
    assert list(store.folder.glob(".writing-*")) == []


def test_nothing_is_left_aside(store: Store) -> None:
    ask(store, "SELECT 1")
    left = [f.name for f in store.folder.iterdir() if f.name.startswith((".", "catalog"))]
    assert left == ["catalog.duckdb"]


def test_many_readers_in_threads(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: ask(store, "SELECT count(*) FROM lineage"), range(8)))
    assert counts == [[(5,)]] * 8


def test_many_readers_in_processes(store: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from rsfactory.catalog import open_catalog; "
        "from rsfactory.store import Store; c = open_catalog(Store(Path(sys.argv[1]))); "
        "print(c.execute('SELECT count(*) FROM lineage').fetchall()); "
    )
    command = [sys.executable, "-c", code, str(store.folder)]
    with open_catalog(store):
        readers = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        said = [reader.communicate()[0] for reader in readers]
    assert said == ["[(5,)]\n"] * 2
