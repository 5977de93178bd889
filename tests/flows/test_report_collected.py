from collections import Counter
from dataclasses import replace

import made_run
import pytest

from flows.plot import Bar, bars
from flows.report import html
from flows.report_collected import Asked, _rejected, asked_of, costs, ended_rows, histogram
from flows.result import load_result

REPORT = replace(
    made_run.report(), accuracy=None, low=None, high=None, change=None, change_low=None,
    change_high=None, tokens=2000, prompt_tokens=400, selected=2, pass_rate=0.5,
    pass_rate_low=0.4, pass_rate_high=0.6,
)  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "bar"),
    [([0.0], "never"), ([1.0], "always"), ([0.05], "0–10"), ([0.1], "10–20"), ([0.999], "90–100"),
     ([0.3], "30–40"), ([0.7], "70–80")],
)  # fmt: skip
def test_a_rate_is_in_one_bar(rates: list[float], bar: str) -> None:
    shown = histogram(rates)
    assert len(shown) == 12
    assert [b.label for b in shown if b.count] == [bar]


def test_bars_are_as_high_as_their_counts() -> None:
    text = bars([Bar("a<b", 1000), Bar("none", 0)], title="t", colour="a")
    assert "a&lt;b" in text
    assert "1,000" in text
    assert 'height="0.0"' in text
    assert bars([], title="t", colour="a").count("<rect") == 0


def test_costs_say_what_is_known() -> None:
    assert costs(REPORT) == {
        "prompt tokens": "400", "completion tokens": "2,000", "tokens per selected": "1,000",
    }  # fmt: skip
    assert costs(replace(REPORT, cost=1.5))["USD per selected"] == "0.75000"
    assert "USD per selected" not in costs(replace(REPORT, cost=1.5, selected=0))


def test_reasons_come_with_their_candidates() -> None:
    asked = Asked([0.5], Counter(correct=3, hopeless=1), Counter(correct=9, hopeless=8))
    assert ended_rows(asked) == [
        ["correct: enough right answers", "3", "9"],
        ["hopeless: none right among the first adaptive.hopeless", "1", "8"],
    ]


def test_what_the_outcome_rejected_is_told_by_outcome() -> None:
    report = replace(REPORT, wrong=2, unparsed=0, truncated=1, unverifiable=0)
    assert _rejected(report, {"outcome": 3, "duplicate": 1}) == [
        Bar("wrong", 2), Bar("truncated", 1), Bar("duplicate", 1),
    ]  # fmt: skip
    assert _rejected(report, {"finish": 9, "outcome": 2}) == [Bar("finish", 9), Bar("outcome", 2)]


def test_sources_are_counted_apart(tmp_path) -> None:
    store = made_run.write_run(tmp_path)
    assert asked_of(store).sources == []
    other = replace(made_run.problem("other", "train", 9), source="gym:gcd@2")
    store.write(made_run.PROBLEMS, 1, "more", [other])
    asked = replace(made_run.SOLVED, id="c-other", problem_id=other.id)
    store.write(made_run.CANDIDATES, 1, "more", [asked])
    assert asked_of(store).sources == [
        ["gym:gcd@2", "1", "1", "0", ""], ["gym:sums", "3", "5", "2", ""],
    ]  # fmt: skip


def test_the_page_of_a_run_without_training_shows_rates_and_no_accuracy(tmp_path) -> None:
    store = made_run.write_run(tmp_path)
    result = replace(load_result(store), rounds=[REPORT], base=None, start=None, change=None)
    sources = [["gym:gcd@1", "1", "2", "0", "0.250"], ["gym:gcd@2", "1", "2", "0", ""]]
    asked = Asked([0.0, 0.5, 1.0], Counter(num_samples=3), Counter(num_samples=5), sources)
    page = html(result, store.described() or {}, [], asked)
    for words in (
        "Pass rates of 3 problems",
        "What became of the candidates",
        "num_samples",
        "By source",
        "gym:gcd@2",
        "collected.jsonl",
        "teacher: student (embedded)",
    ):
        assert words in page
    for words in ("<h2>Accuracy", "<h2>Rounds", ">pool<", "None", "nan"):
        assert words not in page.partition("<details>")[0]
