"""`factory run collect` and the commands that look at what it left, from the command line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from faulty_server import FaultyServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with FaultyServer() as made:
        yield made


@pytest.fixture
def words(server: FaultyServer, tmp_path: Path) -> list[str]:
    """A run of 40 candidates; a seed's answer is right for one of 97 golds."""
    file = tmp_path / "problems.jsonl"
    rows = [{"problem": f"How much is {i} and nothing?", "answer": str(i)} for i in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ["run", "collect", "--teacher", f"openai:m@{server.url}", "--problems", str(file),
            "--run", "c", "--set", "endpoint.n=1"]  # fmt: skip


def test_one_document_and_the_files(
    factory: Callable, words: list[str], server: FaultyServer
) -> None:
    said = factory(*words, "--json")
    assert said.code == 0, said.err
    [row] = said.json["rounds"]
    assert row["sampled"] == 40
    assert row["accuracy"] is None
    assert [Path(name).exists() for name in said.json["files"]] == [True, True]
    assert "sk-secret" not in said.out + said.err
    folder = Path(said.json["folder"])
    everything = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert b"sk-secret" not in everything
    assert factory("report", "c").code == 0
    assert "c" in factory("status").out
    listed = factory("status", "--json").json
    assert "sk-secret" not in json.dumps(listed)
    counts = factory("sql", "c", "SELECT count(*) AS n, count(selected) AS s FROM lineage",
                     "--json").json  # fmt: skip
    assert "40" in json.dumps(counts)
    key = pl.read_parquet(next(folder.glob("candidates/*/*.parquet")))["id"][0]
    why = factory("why", "c", key)
    assert why.code == 0, why.err
    assert server.url in why.out
    again = factory("verify", "c", "--verifier", "math")
    assert again.code == 0, again.err
    assert len(server.seen) == 40
    assert factory("rm", "c", "--yes").code == 0
    assert not folder.exists()


def test_a_budget_that_ends_says_what_there_is(factory: Callable, words: list[str]) -> None:
    said = factory(*words, "--budget", "300tok", "--set", "endpoint.concurrency=1", "--json")
    assert said.code == 3
    assert "budget is used up" in said.json["error"]
    assert [Path(name).exists() for name in said.json["files"]] == [True, True]
    assert 0 < said.json["rounds"][0]["sampled"] < 40
    assert [run["state"] for run in factory("status", "--json").json["runs"]] == ["stopped"]
    again = factory(*words, "--budget", "300tok", "--set", "endpoint.concurrency=1")
    assert "collected.jsonl" in again.out
    assert again.err.strip().splitlines()[-1].startswith("the budget is used up")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--set", "sample.num_sample=3"], "did you mean 'num_samples'?"),
        (["--set", "adaptive.policy=often"], "adaptive.policy"),
        (["--set", "adaptive.policy=correct", "--set", "adaptive.first=9"], "adaptive.first"),
        (["--problems", "{tmp}/empty.jsonl"], "is empty"),
        (["--problems", "{tmp}/absent.jsonl"], "does not exist"),
        (["--reuse", "absent"], "no run to reuse answers of is called 'absent'"),
        (["--budget", "20"], "budget"),
        (["--budget", "20USD"], "price"),
        (["--teacher", "openai:m@http://127.0.0.1:9/v1"], "nobody answers at"),
        (["--teacher", "openai:"], "no teacher is called 'openai:'"),
        (["--teacher", "nobody"], "no teacher is called 'nobody'"),
    ],
)
def test_wrong_input_is_told_at_once(
    factory: Callable, words: list[str], tmp_path: Path, more: list[str], expected: str
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    said = factory(*words, *(word.replace("{tmp}", str(tmp_path)) for word in more), "--json")
    assert said.code == 2, said.err
    assert expected in said.json["error"]
    assert expected in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("status 401", "OPENAI_API_KEY"), ("status 404", "model's name"),
     ("status 402", "paid"), ("status 403", "may not use")],
)  # fmt: skip
def test_a_server_that_refuses_is_told_with_its_reason(
    factory: Callable, words: list[str], server: FaultyServer, fault: str, expected: str
) -> None:
    server.plan = lambda asked: fault
    said = factory(*words, "--json")
    assert said.code == 2, said.err
    assert expected in said.json["error"]
    assert "sk-secret" not in said.out + said.err
    server.plan = lambda asked: None
    assert factory(*words).code == 0
