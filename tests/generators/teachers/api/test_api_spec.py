"""Names of teachers, where they lead, what is kept secret, and what the doctor says."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.teachers.api import ApiTeacher, parse, probe
from generators.teachers.api.where import Mask, proxy_of, reach
from rsfactory.errors import InputError, NoAnswer
from rsfactory.recipe import EndpointSection
from tests.faulty_server import serving
from tests.generators.teachers.api.asking import KEY, one, teacher

VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_CUSTOM_HEADERS")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("spec", "model", "addresses"),
    [
        ("openai:gpt-x", "gpt-x", ["https://api.openai.com/v1"]),
        ("openai:org/m:free", "org/m:free", ["https://api.openai.com/v1"]),
        ("openai:m@2024", "m@2024", ["https://api.openai.com/v1"]),
        ("openai:m@http://h:1/v1", "m", ["http://h:1/v1"]),
        ("openai:m@http://h:1/v1/", "m", ["http://h:1/v1"]),
        ("openai:m@2@https://h/v1", "m@2", ["https://h/v1"]),
        ("openai:m@http://h:1/v1,https://i", "m", ["http://h:1/v1", "https://i"]),
        ("openai:m@http://h:1/v1,http://h:1/v1/", "m", ["http://h:1/v1"]),
    ],
)
def test_a_name(spec: str, model: str, addresses: list[str]) -> None:
    assert parse(spec) == (model, addresses)


def test_the_address_is_the_clients_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    assert parse("openai:m") == ("m", ["http://localhost:8000/v1"])


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("openai:", "expected openai:MODEL"),
        ("openai", "expected openai:MODEL"),
        ("local:m", "expected openai:MODEL"),
        ("openai: m", "expected openai:MODEL"),
        ("openai:m@", "begins with http://"),
        ("openai:m@localhost:8000/v1", "begins with http://"),
        ("openai:m@host.example/v1", "begins with http://"),
        ("openai:m@http://", "no such address"),
        ("openai:m@http://h,", "no such address"),
        ("openai:m@http://h,ftp://i", "no such address"),
        ("openai:m@http://h:x/v1", "not valid"),
        ("openai:m@http://h/v1?key=1", "more than a path"),
        ("openai:m@http://me:secret@h/v1", "name or password"),
        ("openai:m@http://secret@h/v1", "name or password"),
        ("openai:m@me:secret@h:80/v1", "begins with http://"),
    ],
)
def test_what_is_no_name(spec: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as wrong:
        parse(spec)
    assert "secret" not in str(wrong.value).replace("OPENAI_API_KEY", "")


@given(st.text(max_size=20).map(lambda rest: f"openai:{rest}@http://h"))
def test_a_name_is_read_or_refused(spec: str) -> None:
    try:
        model, addresses = parse(spec)
    except InputError:
        return
    assert spec.startswith(f"openai:{model}@")
    assert addresses


def test_the_identity_is_model_and_addresses() -> None:
    with teacher("http://h:2/v1/", "http://h:1/v1") as asked:
        assert asked.identity == "openai:m@http://h:1/v1,http://h:2/v1"
    made = ApiTeacher(
        "m", ["http://h:1"], key=None, settings=EndpointSection(), identity="vllm:k-1"
    )
    assert made.identity == "vllm:k-1"


def test_headers_are_the_clients_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Title: mine")
    with serving() as server, teacher(server.url) as asked:
        one(asked)
        sent = server.seen[0].headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert (sent["openai-organization"], sent["x-title"]) == ("org-1", "mine")
    assert sent["user-agent"] == "rsfactory"
    assert not [name for name in sent if name.startswith("x-stainless")]


def test_a_custom_header_may_carry_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Basic abcdef")
    assert reach("http://h:1/v1", KEY)[1]["Authorization"] == "Basic abcdef"
    assert reach("http://h:1/v1", None)[1]["Authorization"] == "Basic abcdef"


def test_without_a_key() -> None:
    with serving() as server:
        with teacher(server.url, key=None) as asked:
            one(asked)
        assert "authorization" not in server.seen[0].headers
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        reach("https://api.openai.com/v1", None)


@pytest.mark.parametrize(
    "url", ["http://a\\b/v1", "http://\uff11\uff12/v1", "http://256.1.1.1/v1", "http://a\x00b/v1"]
)
def test_an_address_that_only_looks_like_one(url: str) -> None:
    with pytest.raises(InputError), teacher(url):
        pass


def test_a_name_that_cannot_be_looked_up() -> None:
    bad = "http://a..b/v1"
    with teacher(bad, max_requests=1) as asked, pytest.raises(NoAnswer, match="connect"):
        one(asked)


@pytest.mark.parametrize("key", ["sk-1\n", "sk \u00e9", "\u043a\u043b", "sk\r1"])
def test_a_key_that_no_header_may_have(key: str) -> None:
    with pytest.raises(InputError, match="OPENAI_API_KEY") as wrong, teacher("http://h", key=key):
        pass
    assert key not in str(wrong.value)


def test_secrets_are_hidden() -> None:
    mask = Mask({"Authorization": "Bearer abcd-1234", "X-Api-Key": "other-key", "Accept": "json"})
    said = "key abcd-1234, other-key, sk-proj-abc***xyz, json"
    assert mask(said) == "key [key], [key], [key], json"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("407, url='http://bob:hunter2@proxy:3128'", "407, url='http://[key]@proxy:3128'"),
        ("bob:hunter2@proxy:3128", "[key]@proxy:3128"),
        ("your key is abcd-12…", "your key is [key]…"),  # cut in its middle
        ("your key is abcd", "your key is [key]"),
        ("it is a", "it is a"),
        ("write to me@example.com: now", "write to me@example.com: now"),
    ],
)
def test_names_passwords_and_beginnings_of_secrets_are_hidden(said: str, shown: str) -> None:
    assert Mask({"Authorization": "Bearer abcd-1234"})(said) == shown


def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_of("https://api.example/v1") == "http://proxy:3128"
    assert proxy_of("https://inside.example/v1") is None
    assert proxy_of("https://127.0.0.1:8000/v1") is None


def test_the_doctor_finds() -> None:
    with serving() as server:
        assert probe("m", server.url, None, 5).ok
        unknown = probe("other", server.url, KEY, 5)
    assert (unknown.ok, unknown.found) == (False, "model unknown: it lists m")
    gone = probe("m", server.url, KEY, 5)
    assert not gone.ok
    assert gone.found.startswith("not reachable")
    assert not probe("m", "nonsense", KEY, 5).ok


def test_the_doctor_waits_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert probe("m", url, KEY, 0.3).found == "not reachable: no answer in time"
