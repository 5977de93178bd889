"""A finish reason that nobody knows is said early, once, with what to do about it."""

import pytest

from flows.ends import SEEN, Ends

WHOLE = ["stop", "dataset"]


@pytest.mark.parametrize(
    ("reasons", "last", "said"),
    [
        (["eos_token"] * SEEN, False, "finish_reason 'eos_token'"),
        (["null"] * SEEN, False, "finish_reason 'null'"),
        (["eos_token"] * (SEEN - 1), False, ""),
        (["eos_token"] * 3, True, "eos_token"),
        (["eos_token"] * SEEN + ["stop"] * SEEN, False, ""),  # a few strange ones among many
        (["length"] * SEEN, True, ""),
        (["content_filter"] * SEEN, True, ""),
        ([], True, ""),
    ],
)
def test_what_is_said(reasons: list[str], last: bool, said: str) -> None:
    text = Ends(WHOLE, "r-1").count(reasons, last=last)
    assert said in text
    assert bool(text) == bool(said)
    if text:
        assert "--reuse r-1" in text
        assert f'select.finish_reasons=["stop", "dataset", "{reasons[0]}"]' in text


def test_it_is_said_once() -> None:
    ends = Ends(WHOLE, "r-1")
    said = [bool(ends.count(["x"] * 30)) for _ in range(4)]
    assert [*said, bool(ends.count((), last=True))] == [False, True, False, False, False]
