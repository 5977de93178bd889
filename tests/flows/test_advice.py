from dataclasses import replace

import made_run
import pytest

from flows.advice import advice, of_round
from flows.report import html
from flows.result import load_result


@pytest.mark.parametrize(
    ("counts", "limit", "trains", "says"),
    [
        ({"correct": 90, "truncated": 10}, 256, False, []),
        ({"correct": 89, "truncated": 11}, 256, False,
         ["11 of 100 candidates reached the length limit of 256 tokens; raise it with "
          "--set sample.max_tokens=512, which asks again for those alone"]),
        ({"truncated": 2}, 4096, True, ["limit of 4,096 tokens; raise it with --set sample.max_"
                                        "tokens=16384"]),
        ({"truncated": 2}, 0, False, []),
        ({"wrong": 1, "unparsed": 1, "unverifiable": 3}, 9, False,
         ["3 of 5 candidates could not be decided", "1 of 5 candidates have no answer"]),
        ({}, 9, False, []),
    ],
)  # fmt: skip
def test_what_is_told(counts: dict[str, int], limit: int, trains: bool, says: list[str]) -> None:
    told = advice(counts, limit, trains=trains)
    assert len(told) == len(says)
    assert all(part in sentence for part, sentence in zip(says, told, strict=True))
    assert not trains or "again" not in told[0]


def test_a_round_and_its_report(tmp_path) -> None:
    store = made_run.write_run(tmp_path)
    report = replace(made_run.report(), correct=1, wrong=0, unparsed=0, truncated=1, unverifiable=0)
    [told] = of_round(report, store)
    assert told.startswith("1 of 2 candidates reached the length limit of")
    page = html(load_result(store), store.described() or {}, [], None, [told + " <b>"])
    assert "<p>1 of 2 candidates reached" in page
    assert "&lt;b&gt;" in page
