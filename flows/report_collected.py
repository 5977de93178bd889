"""The part of ``report.html`` that only a run without training has: what came of the questions.

Pass rates over problems say whether a set is too easy or too hard for its teacher; what became of
the candidates says which rule costs most; why problems ended and what it took stand below. Not
shown: rates of problems whose verifier was at fault throughout (they have none).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.plot import Bar, bars
from rsfactory.catalog import open_catalog
from rsfactory.records import Outcome, RoundReport
from rsfactory.store import Store

BINS = 10
"""Bars of the histogram between those of the problems solved never and always."""


@dataclass(frozen=True)
class Asked:
    """How the problems of a run were asked, over all its teachers."""

    rates: Sequence[float] = ()
    """One for every problem that has one."""
    stopped_by: Counter[str] = field(default_factory=Counter)
    candidates: Counter[str] = field(default_factory=Counter)
    """The same reason -> candidates that its problems took."""
    sources: list[list[str]] = field(default_factory=list)
    """Of several sources (of generated problems: family and level) what `_SOURCES` counts."""


_SOURCES = """
WITH problem AS (SELECT DISTINCT ON (id) id, source FROM problems),
rate AS (
    SELECT source, avg(mean) AS mean FROM pass_rates q JOIN problem p ON p.id = q.problem_id
    GROUP BY source)
SELECT l.source, count(DISTINCT problem_id), count(*), count(*) FILTER (selected), any_value(mean)
FROM lineage l LEFT JOIN rate r ON r.source = l.source GROUP BY l.source ORDER BY l.source
"""
MEANINGS = {
    "num_samples": "asked sample.num_samples times",
    "correct": "enough right answers",
    "interval": "its pass rate is known well enough",
    "difficulty": "enough right answers for its difficulty",
    "hopeless": "none right among the first adaptive.hopeless",
    "budget": "the run ended before",
}
"""Reason that a problem was asked no further -> what that means."""


def asked_of(store: Store) -> Asked:
    """What the newest pass rates of a run say.

    Raises:
        StoreError: The shards cannot be read.
    """
    with open_catalog(store) as catalog:
        rows = catalog.execute("SELECT mean, stopped_by, asked FROM pass_rates").fetchall()
        apart = catalog.execute("SELECT count(DISTINCT source) > 1 FROM problems").fetchall()
        sources = catalog.execute(_SOURCES).fetchall() if apart == [(True,)] else []
    found = Asked(
        [mean for mean, _, _ in rows if mean is not None],
        sources=[
            [name, *(f"{count:,}" for count in counts), "" if mean is None else f"{mean:.3f}"]
            for name, *counts, mean in sources
        ],
    )
    for _, reason, asked in rows:
        found.stopped_by[reason] += 1
        found.candidates[reason] += asked
    return found


def plots(asked: Asked, report: RoundReport, rejected: dict[str, int]) -> list[str]:
    """Histogram of the pass rates, and what became of the candidates."""
    parts = []
    if asked.rates:
        title = f"Pass rates of {len(asked.rates):,} problems, in %"
        parts += [f"<h2>{title}</h2>", bars(histogram(asked.rates), title=title, colour="a")]
    if report.sampled:
        ends = [Bar("selected", report.selected), *_rejected(report, rejected)]
        title = "What became of the candidates"
        parts += [f"<h2>{title}</h2>", bars(ends, title=title, colour="c")]
    return parts


def _rejected(report: RoundReport, rejected: dict[str, int]) -> list[Bar]:
    """Rules with their counts; in place of ``outcome`` the outcomes that it rejects."""
    outcomes = {o.value: getattr(report, o.value) for o in Outcome if o is not Outcome.CORRECT}
    told = sum(outcomes.values()) == rejected.get("outcome")
    first = {name: count for name, count in outcomes.items() if count} if told else {}
    rest = {name: count for name, count in rejected.items() if not (told and name == "outcome")}
    return [Bar(name, count) for name, count in {**first, **rest}.items()]


def histogram(rates: Sequence[float]) -> list[Bar]:
    """Problems never solved, in tenths between, and always solved."""
    inside: Counter[int] = Counter(min(BINS - 1, int(r * BINS)) for r in rates if 0 < r < 1)
    names = [f"{100 * i // BINS}–{100 * (i + 1) // BINS}" for i in range(BINS)]
    return [
        Bar("never", sum(rate <= 0 for rate in rates)),
        *(Bar(name, inside[i]) for i, name in enumerate(names)),
        Bar("always", sum(rate >= 1 for rate in rates)),
    ]


def ended_rows(asked: Asked) -> list[list[str]]:
    """Why problems were asked no further: reason, problems, candidates."""
    return [
        [
            f"{reason}: {MEANINGS[reason]}" if reason in MEANINGS else reason,
            f"{count:,}",
            f"{asked.candidates[reason]:,}",
        ]
        for reason, count in asked.stopped_by.most_common()
    ]


def costs(report: RoundReport) -> dict[str, str]:
    """What it took, and how much of that a selected candidate took; USD where prices are known."""
    found = {
        "prompt tokens": f"{report.prompt_tokens:,}",
        "completion tokens": f"{report.tokens:,}",
    }
    if report.judge_requests:
        found["tokens of the judge"] = f"{report.judge_tokens:,}"
    if report.selected:
        found["tokens per selected"] = f"{report.tokens / report.selected:,.0f}"
    if report.cost is not None:
        found["USD"] = f"{report.cost:,.2f}"
        if report.selected:
            found["USD per selected"] = f"{report.cost / report.selected:,.5f}"
    return found
