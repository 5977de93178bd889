"""`factory doctor`: keys and endpoints, and that it all fits on one screen."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from flows.commands.finding import Finding, lines

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""

SECRET = "sk-very-secret-1234567890"


class Models(BaseHTTPRequestHandler):
    """Lists two models for whoever has the key, and nothing else."""

    def do_GET(self) -> None:
        """The only path there is."""
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        key = self.headers.get("Authorization")
        public = getattr(self.server, "public", False)
        status = 200 if public or key == f"Bearer {SECRET}" else 401
        status = status if self.path.startswith("/v1") else 404
        listed = [{"id": name, "object": "model"} for name in ("one", "two")]
        body: dict[str, Any] = {"object": "list", "data": listed}
        if status != 200:
            body = {"error": {"message": f"no such key: {key}"}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Models)
    served.asked = []  # type: ignore[attr-defined]
    thread = Thread(target=served.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment, and no attacks on the sandbox."""
    from flows.commands import doctor

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "sandbox", lambda: Finding(name="sandbox", ok=True, found="well"))


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/v1"


def checks(said: Any) -> dict[str, Any]:
    return {check["name"]: check for check in said.json["checks"]}


def test_nobody_is_asked_whom_nobody_named(factory: Factory, server: ThreadingHTTPServer) -> None:
    found = checks(factory("doctor", "--json"))
    assert found["endpoint"]["found"].startswith("not used")
    assert found["endpoint"]["ok"]
    assert "key" not in found
    assert not server.asked  # type: ignore[attr-defined]


CASES = [
    ("one", SECRET, True, "reachable; one is there"),
    ("three", SECRET, False, "model unknown: it lists one, two"),
    ("one", "sk-another-wrong-key", False, "key refused"),
    ("one", None, False, "key refused"),
]


@pytest.mark.parametrize(("model", "key", "ok", "found"), CASES)
def test_what_is_found_at_an_address(
    factory: Factory, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch,
    model: str, key: str | None, ok: bool, found: str,
) -> None:  # fmt: skip
    if key:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    said = factory("doctor", "--json", "--teacher", f"openai:{model}@{url(server)}")
    seen = checks(said)
    assert seen["endpoint"]["ok"] is ok
    assert found in seen["endpoint"]["found"]
    assert seen["key"]["ok"] is (key is not None)
    assert bool(seen["endpoint"]["advice"]) is not ok
    if not ok:
        assert said.code == 1
    assert not key or key not in said.out + said.err
    assert len(server.asked) == (2 if ok else 1)  # type: ignore[attr-defined]


def test_a_list_for_everybody_says_nothing_of_the_key(
    factory: Factory, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "public", True, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-wrong-key")
    seen = checks(factory("doctor", "--json", "--teacher", f"openai:one@{url(server)}"))
    assert "the first request shows whether the key is taken" in seen["endpoint"]["found"]


def test_an_address_without_its_path(factory: Factory, server: ThreadingHTTPServer) -> None:
    seen = checks(factory("doctor", "--json", "--teacher", f"openai:one@{url(server)[:-3]}"))
    assert seen["endpoint"]["found"].endswith("it does not list its models")
    assert "/v1" in seen["endpoint"]["advice"]


def test_the_environments_address(
    factory: Factory, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", url(server))
    found = checks(factory("doctor", "--json"))
    assert found["endpoint"]["found"] == f"{url(server)}: reachable; it lists 2 models"
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://me:{SECRET}@127.0.0.1/v1")
    said = factory("doctor", "--json")
    assert not checks(said)["endpoint"]["ok"]
    assert SECRET not in said.out + said.err


def test_nobody_is_there(factory: Factory) -> None:
    said = factory("doctor", "--json", "--teacher", "openai:m@http://127.0.0.1:9/v1")
    assert said.code == 1
    assert "not reachable" in checks(said)["endpoint"]["found"]
    assert factory("doctor", "--teacher", "student").code == 2


def test_one_screen(factory: Factory) -> None:
    out = factory("doctor").out.splitlines()
    assert len(out) <= 24
    assert sum("packages" in line for line in out) == 1
    assert sum("click" in line for line in out) == 0


def test_a_package_that_does_not_fit_has_a_line() -> None:
    def package(name: str, ok: bool) -> Finding:
        return Finding(name=name, ok=ok, found="1", advice="" if ok else "do it", group="packages")

    found = list(lines([package("a", True), package("b", False), package("c", True)]))
    assert len(found) == 2
    assert "2 of 3 as wanted" in found[0]
    assert found[1].startswith("FAIL  b")
    assert found[1].endswith("do it")
