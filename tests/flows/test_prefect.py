"""The same run on a real Prefect server: tasks, logs and the round table are there afterwards."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RUN = [
    "run", "star", "--rounds", "1", "--model", "scripted:0.5", "--teacher", "scripted:0.5",
    "--set", "train.trainer=dry-run", "--set", "problems.per_round=12",
    "--set", "sample.shard_size=10", "--set", "evaluate.problems=32", "--json",
]  # fmt: skip


def post(api: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{api}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    environment = {
        **os.environ, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }  # fmt: skip
    log = (home / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    api = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(240):
            assert process.poll() is None, (home / "server.log").read_text()
            try:
                urllib.request.urlopen(f"{api}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail("the Prefect server did not become healthy in 120 s")
        yield api
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def test_a_run_shows_up_with_tasks_logs_and_a_round_table(server: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "flows.commands", *RUN, "--data", str(tmp_path / "data")],
        env=environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert result["rounds"][0]["sampled"] >= 24

    (flow,) = post(server, "/flow_runs/filter", {})
    assert flow["name"] == result["run"]
    assert flow["state"]["type"] == "COMPLETED"
    tasks = post(server, "/task_runs/filter", {"limit": 200})
    names = {task["name"].split(" ")[0] for task in tasks}
    assert {"sample", "verify", "select", "train"} <= names
    assert all(task["state"]["type"] == "COMPLETED" for task in tasks)
    wanted = {"logs": {"flow_run_id": {"any_": [flow["id"]]}}, "limit": 200}
    logs = [row["message"] for row in wait_for_logs(server, wanted)]
    assert any(text.startswith("sampled 10 completions") for text in logs)
    gate = result["rounds"][0]["gate"]
    assert any(text.startswith(f"round 1: {gate} (") for text in logs)
    (artifact,) = post(server, "/artifacts/latest/filter", {})
    assert artifact["type"] == "table"
    assert json.loads(artifact["data"])[0]["sampled"] == result["rounds"][0]["sampled"]


def wait_for_logs(server: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Prefect sends logs in batches, some of them after the run ended."""
    rows: list[dict[str, Any]] = []
    for _ in range(40):
        rows = post(server, "/logs/filter", wanted)
        if any(row["message"].startswith("round 1: ") and " (" in row["message"] for row in rows):
            break
        time.sleep(0.5)
    return rows
