"""How a server is asked, and what it teaches about that: n, seeds, names of fields."""

import pytest

from generators.teachers.api import work
from generators.teachers.api.faults import Rejected
from generators.teachers.api.form import SHORT, SHORT_PROVEN, Form
from rsfactory.errors import EndpointRefused, InputError, NoAnswer
from rsfactory.recipe import EndpointSection
from tests.faulty_server import Asked, serving, text_of
from tests.generators.teachers.api.asking import ask, one, request, teacher


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BASE", 0.01)


def test_n_in_one_request() -> None:
    with serving() as server, teacher(server.url, n=4) as asked:
        got = one(asked, 11, 12, 13, 14)
        assert [g.text for g in got] == [text_of(11, place) for place in range(4)]
        assert [g.prompt_tokens for g in got] == [10, 0, 0, 0]
        assert sum(g.tokens for g in got) == 28
        assert [g.seed for g in got] == [11] * 4
        assert [(a.seed, a.body["n"]) for a in server.seen] == [(11, 4)]
        assert asked.per_request == 4


def test_more_seeds_than_a_request_may_have() -> None:
    with serving() as server, teacher(server.url, n=2) as asked:
        got = one(asked, 1, 2, 3, 4, 5)
        assert [g.text for g in got] == [
            text_of(1), text_of(1, 1), text_of(3), text_of(3, 1), text_of(5),
        ]  # fmt: skip
        assert sorted(server.asked) == [1, 3, 5]
        assert [g.seed for g in got] == [1, 1, 3, 3, 5]


@pytest.mark.parametrize(("gives", "learned"), [(1, 1), (3, 3)])
def test_a_server_that_gives_fewer(gives: int, learned: int) -> None:
    with serving(gives=gives) as server, teacher(server.url, n=8) as asked:
        requests = [request(*range(first, first + 8)) for first in range(100, 180, 8)]
        got = ask(asked, *requests, at_once=1)
        texts = [g.text for answers in got for g in answers]
        assert len(set(texts)) == 80
        assert asked.per_request == learned
        assert any(f"gives {learned}" in lesson for lesson in asked.stats.learned)
        at_most = 8 // learned + (8 % learned > 0)
        assert len(server.seen) <= 10 * at_most + 8
        assert server.seen[-1].body.get("n", 1) <= learned


def test_one_short_answer_is_no_lesson() -> None:
    plan = lambda asked: "choices one" if asked.number % 5 == 1 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, n=4) as asked:
        requests = [request(*range(first, first + 4)) for first in range(0, 400, 4)]
        got = ask(asked, *requests, at_once=1)
        assert asked.per_request == 4
        assert all(len(answers) == 4 for answers in got)
        first = next(a for a in got if a[1].requests == 2)
        assert [g.requests for g in first] == [1, 2, 2, 2]
        assert asked.stats.short == sum(a.number % 5 == 1 for a in server.seen)


def test_the_rule_for_n() -> None:
    form = Form("m", EndpointSection(n=8))
    assert [form.saw(8, 1) for _ in range(SHORT)][-1] != ""
    assert form.per_request == 1
    form = Form("m", EndpointSection(n=8))
    form.saw(8, 8)
    assert not any(form.saw(8, 4) for _ in range(SHORT_PROVEN - 1))
    assert form.saw(8, 2) == "it gives 4 completions a request at most"


@pytest.mark.parametrize("fault", ["choices unordered", "choices doubled", "choices more"])
def test_order_and_repetitions(fault: str) -> None:
    with serving(plan=lambda asked: fault) as server, teacher(server.url) as asked:
        got = one(asked, 1, 2, 3)
        assert [g.text for g in got] == [text_of(1, place) for place in range(3)]
        assert server.asked == {1: 1}


@pytest.mark.parametrize(
    ("field", "message", "lesson"),
    [
        ("max_tokens", "'max_tokens' unsupported: use 'max_completion_tokens'", "_completion_"),
        ("n", "'n' : number must be at most 1", "gives 1"),
        ("seed", "Extra inputs are not permitted: seed", "seeds of 0 bits"),
        ("top_p", "Unsupported parameter: 'top_p' is not supported with this model.", "no top_p"),
        ("top_p", "`temperature` and `top_p` cannot both be specified", "no top_p"),
    ],
)  # fmt: skip
def test_a_400_that_names_a_field(field: str, message: str, lesson: str) -> None:
    plan = lambda asked: f"status 400 {message}" if field in asked.body else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url) as asked:
        got = one(asked, 1, 2)
        assert [g.finish_reason for g in got] == ["stop", "stop"]
        assert lesson in asked.stats.learned[0]
        [after] = one(asked, 3)
        assert (after.note, after.seed) == ((work.NO_SEED, None) if field == "seed" else ("", 3))
        assert field not in server.seen[-1].body
        assert sum(field in a.body for a in server.seen) == 1
        if field == "max_tokens":
            assert server.seen[-1].body["max_completion_tokens"] == 100


def only_ones(asked: Asked) -> str | None:
    """A reasoning model's server: no temperature but 1, and no top_p."""
    if asked.body.get("temperature", 1) != 1:
        return "status 400 Unsupported value: 'temperature' does not support 0.7 with this model."
    return "status 400 Unsupported parameter: 'top_p'" if "top_p" in asked.body else None


def test_a_server_that_takes_ones_only() -> None:
    with serving(plan=only_ones) as server, teacher(server.url) as asked:
        with pytest.raises(EndpointRefused, match=r"does not support 0\.7.*sample\.temperature=1"):
            one(asked, 1)
        assert one(asked, 1, temperature=1.0)[0].finish_reason == "stop"
        assert server.seen[-1].body["temperature"] == 1


def test_what_was_asked_for_is_never_left_out() -> None:
    form = Form("m", EndpointSection())
    body = form.body(request(1, top_p=0.9), [1])
    assert form.taught(Rejected(400, "Unsupported parameter: 'top_p'"), body) == ""


def test_a_server_whose_seeds_are_short() -> None:
    message = "status 400 Invalid value at 'seed' (TYPE_INT32)"
    plan = lambda asked: message if asked.seed >= 1 << 31 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url) as asked:
        got = [*one(asked, (5 << 40) + 77), *one(asked, (6 << 40) + 78)]
        assert [g.seed for g in got] == [77, 78]
        assert [a.seed for a in server.seen[1:]] == [77, 78]
        assert asked.stats.learned == ["it takes seeds of 31 bits"]


def test_greedy_requests_one_by_one() -> None:
    """What a server says of greedy ones teaches nothing about the others."""

    def plan(asked: Asked) -> str | None:
        greedy = asked.body["temperature"] == 0 and asked.n > 1
        return "status 400 n must be 1 when using greedy sampling" if greedy else None

    with serving(plan=plan) as server, teacher(server.url, n=4) as asked:
        assert len(one(asked, 1, 2, 3, temperature=0.0)) == 3
        assert asked.per_request == 4
        one(asked, 11, 12, 13)
        assert (server.seen[-1].seed, server.seen[-1].n) == (11, 3)


def test_what_came_before_the_bound_is_not_lost() -> None:
    plan = lambda asked: "choices one" if asked.n > 1 else "html"  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, max_requests=3) as asked:
        with pytest.raises(NoAnswer, match="3 requests") as ended:
            one(asked, 7, 8)
        assert {i: c.text for i, c in ended.value.answered.items()} == {0: text_of(7)}


def test_a_part_without_an_answer_costs_no_other() -> None:
    """Places are those of the request's seeds, not of the part's."""
    plan = lambda asked: "html" if asked.seed in (1, 5) else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, n=2, max_requests=2) as asked:
        with pytest.raises(NoAnswer, match="2 requests") as ended:
            one(asked, 1, 2, 3, 4, 5)
        assert {i: c.text for i, c in ended.value.answered.items()} == {
            2: text_of(3), 3: text_of(3, 1),
        }  # fmt: skip


def test_what_a_body_says() -> None:
    with serving() as server, teacher(server.url, extra={"reasoning_effort": "low"}) as asked:
        one(asked, 7, temperature=0.0, top_p=0.9, max_tokens=5, text="Grüße \ud800")
        body = server.seen[0].body
        assert body["messages"] == [{"role": "user", "content": "Grüße \ud800"}]
        assert (body["model"], body["seed"], body["max_tokens"]) == ("m", 7, 5)
        assert (body["temperature"], body["top_p"]) == (0.0, 0.9)
        assert body["reasoning_effort"] == "low"
        assert "n" not in body


def test_plain_completions() -> None:
    def plan(asked: Asked) -> None:
        assert asked.body["prompt"] == "What is 1 + 1?\n"

    with serving(plan=plan) as server, teacher(server.url, api="completions") as asked:
        assert one(asked, 7)[0].text == text_of(7)
        assert "messages" not in server.seen[0].body


@pytest.mark.parametrize("name", ["n", "seed", "max_tokens", "model", "stream"])
def test_fields_that_are_the_factorys_own(name: str) -> None:
    with pytest.raises(InputError, match=name), teacher("http://127.0.0.1:1", extra={name: 1}):
        pass


def test_extra_may_name_the_other_length_limit() -> None:
    with serving() as server:
        with teacher(server.url, extra={"max_completion_tokens": 1}) as asked:
            one(asked, 7)
        assert server.seen[0].body["max_completion_tokens"] == 100
        assert "max_tokens" not in server.seen[0].body
