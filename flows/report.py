"""``report.html``: one plain page about a run. Self-contained, without scripts or network.

Everything a model or a problem file said is escaped. What is left out: candidates beyond the three
examples (`factory why` and `factory sql` have them all).
"""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from flows.advice import of_round
from flows.plot import Line, Point, plot
from flows.report_collected import Asked, asked_of, costs, ended_rows, plots
from flows.result import FILES, RunResult, load_result
from flows.tallies import SHOWN, cells
from rsfactory.records import Candidate, Evaluation, Outcome, Problem, RoundReport
from rsfactory.store import (
    CANDIDATES,
    PROBLEMS,
    SELECTIONS,
    VERDICTS,
    Store,
    read_shard,
    write_file,
)
from rsfactory.words import counted

CSS = """
:root { color-scheme: light dark; --line: light-dark(#d8dce2, #3a3f47);
  --soft: light-dark(#5b6470, #9aa4b0); --back: light-dark(#fff, #16181c);
  --box: light-dark(#f5f6f8, #1f2227); --a: light-dark(#1f6feb, #6aa8ff);
  --b: light-dark(#b35900, #f0a04b); --c: light-dark(#1a7f37, #57c775); }
body { font: 15px/1.5 system-ui, sans-serif; background: var(--back); max-width: 66rem;
  margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
h1 + p, .soft { color: var(--soft); margin-top: .2rem; }
.headline { font-size: 1.15rem; margin: 1.2rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { padding: .3rem .55rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child { text-align: left; }
table.settings td { text-align: left; white-space: normal; }
pre { background: var(--box); padding: .8rem 1rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: .4rem 0; font-size: 13px; max-height: 24rem; overflow: auto; }
svg { width: 100%; height: auto; max-width: 46rem; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.grid { stroke: var(--line); } polyline, svg path { fill: none; stroke-width: 2; }
polyline.a, path.a { stroke: var(--a); } circle.a, i.a { fill: var(--a); background: var(--a); }
polyline.b, path.b { stroke: var(--b); } circle.b, i.b { fill: var(--b); background: var(--b); }
polyline.c, path.c { stroke: var(--c); } circle.c, i.c { fill: var(--c); background: var(--c); }
rect.a { fill: var(--a); } rect.b { fill: var(--b); } rect.c { fill: var(--c); }
.legend span { margin-right: 1.4rem; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%;
  margin-right: .4rem; }
details > summary { cursor: pointer; color: var(--soft); }
"""


def write_report(store: Store, path: Path) -> None:
    """Writes the page of a run, whole or not at all.

    Raises:
        StoreError: The run cannot be read, or the file cannot be written.
    """
    result = load_result(store)
    asked = asked_of(store) if collected(result) else Asked()
    last = result.rounds[-1] if result.rounds else None
    told = of_round(last, store) if last else []
    page = html(result, store.described() or {}, examples(store), asked, told)
    write_file(path, page.encode())


def collected(result: RunResult) -> bool:
    """Whether the run trains nothing."""
    return bool(result.rounds) and result.rounds[-1].accuracy is None


def html(
    result: RunResult,
    described: dict[str, Any],
    shown: list[tuple[str, str]],
    asked: Asked | None = None,
    told: Sequence[str] = (),
) -> str:
    """The page as text."""
    recipe = described["recipe"]
    sections = [
        f"<h1>{escape(result.run)}</h1>",
        f"<p>{escape(recipe.get('description') or recipe['name'])} · seed {described['seed']} · "
        f"{escape(described['created'])}<br>{escape(asked_words(recipe))}</p>",
        f'<p class="headline">{escape(headline(result))}</p>',
        *(f"<p>{escape(sentence)}.</p>" for sentence in told),
        *(
            [f"<p>The selected rows: {' and '.join(FILES)} in the run's folder.</p>"]
            if collected(result)
            else []
        ),
        *_plots(result),
        *(_collected_sections(result.rounds[-1], asked or Asked()) if collected(result) else ()),
        *_tables(result),
        *_examples(shown),
        "<h2>Settings</h2>",
        _settings(described),
    ]
    title = escape(f"{result.run} · factory")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def asked_words(recipe: dict[str, Any]) -> str:
    """Who was asked what."""
    section = recipe["sample"]
    teacher = section["teacher"]
    who = f"{teacher} ({recipe['model']['student']})" if teacher == "student" else teacher
    return (
        f"problems: {recipe['problems']['source']} · teacher: {who} · {section['num_samples']} "
        f"samples of each at most, temperature {section['temperature']:g}"
    )


def headline(result: RunResult) -> str:
    """What came out, in one sentence."""
    if collected(result):
        return _collected(result, result.rounds[-1])
    if not result.rounds or result.start is None or result.change is None:
        return "No round has ended yet."
    last, change = result.rounds[-1], result.change
    return (
        f"Held-out accuracy {result.start.accuracy:.3f} → {last.accuracy:.3f} after round "
        f"{last.round}: {change.mean:+.3f} (95% interval {change.low:+.3f} to {change.high:+.3f}, "
        f"{len(result.start.problem_ids)} problems). "
        f"{result.seconds / 60:.1f} minutes, {result.tokens:,} tokens sampled."
    )


def _time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    return counted(round(seconds), "seconds") if seconds < 120 else f"{seconds / 60:.1f} minutes"


def _collected(result: RunResult, report: RoundReport) -> str:
    """What came out of a run that trains nothing."""
    rate = ""
    if report.pass_rate is not None:
        rate = (
            f" Mean pass rate {report.pass_rate:.3f} (95% interval {report.pass_rate_low:.3f} to "
            f"{report.pass_rate_high:.3f}, {report.problems} problems)."
        )
    cost = "" if report.cost is None else f", {report.cost:.2f} USD"
    return (
        f"{report.selected} of {report.sampled} candidates selected.{rate} "
        f"{_time(result.seconds)}, {result.tokens:,} tokens sampled{cost}."
        + (f" Stopped before everything was asked: {report.stopped}." if report.stopped else "")
    )


def _collected_sections(report: RoundReport, asked: Asked) -> list[str]:
    parts = plots(asked, report, json.loads(report.rejected_by))
    if len(asked.sources) > 1:
        head = ["", "problems", "candidates", "selected", "mean pass rate"]
        parts += ["<h2>By source</h2>", table(head, asked.sources)]
    if rows := ended_rows(asked):
        parts += ["<h2>Why problems ended</h2>", table(["", "problems", "candidates"], rows)]
    took = costs(report)
    return [*parts, "<h2>What it took</h2>", table(list(took), [list(took.values())])]


def _plots(result: RunResult) -> list[str]:
    known: list[tuple[str, Evaluation | RoundReport]] = []
    known += [("base", result.base)] if result.base else []
    known += [("start", result.start)] if result.start else []
    known += [(f"round {r.round}", r) for r in result.rounds]
    points = [
        Point(label=name, value=m.accuracy, low=m.low, high=m.high)
        for name, m in known
        if m.accuracy is not None
    ]
    if not points:
        return []
    accuracy = Line(name="held-out accuracy, greedy", colour="a", points=points)
    parts = [
        "<h2>Accuracy</h2>",
        plot([p.label for p in points], [accuracy], title="Accuracy over rounds"),
    ]
    if not result.rounds:
        return parts
    yields = [
        Line(name="correct of sampled", colour="c", points=_shares(result.rounds, "correct")),
        Line(name="selected of sampled", colour="b", points=_shares(result.rounds, "selected")),
    ]
    labels = [f"round {report.round}" for report in result.rounds]
    return [*parts, "<h2>Yield</h2>", plot(labels, yields, title="Yield over rounds")]


def _shares(rounds: list[RoundReport], field: str) -> list[Point]:
    return [
        Point(label=f"round {r.round}", value=getattr(r, field) / max(1, r.sampled)) for r in rounds
    ]


def _tables(result: RunResult) -> list[str]:
    if not result.rounds:
        return []
    rounds = result.rounds
    measured = [r for r in rounds if r.accuracy is not None]
    tables = ["<h2>Rounds</h2>", _rounds_table(result, measured)] if measured else []
    tables += ["<h2>Candidates</h2>", _candidates_table(rounds)]
    for title, field in (
        ("Rejected by rule", "rejected_by"), ("Seconds by stage", "seconds"), ("GRPO", "grpo"),
    ):  # fmt: skip
        table = _keyed_table(rounds, field)
        tables += [f"<h2>{title}</h2>", table] if table else []
    return [*tables, *_verification_tables(result)]


def _rounds_table(result: RunResult, measured: list[RoundReport]) -> str:
    head = ["", "accuracy", "95% interval", "change", "95% interval", "gate", "why", "checkpoint"]
    rows = [
        [
            label,
            f"{e.accuracy:.3f}",
            f"{e.low:.3f} to {e.high:.3f}",
            "",
            "",
            "",
            "",
            e.checkpoint_id,
        ]
        for label, e in (("base", result.base), ("start", result.start))
        if e is not None
    ]
    rows += [
        [
            f"round {r.round}", f"{r.accuracy:.3f}", f"{r.low:.3f} to {r.high:.3f}",
            f"{r.change:+.3f}", f"{r.change_low:+.3f} to {r.change_high:+.3f}", r.gate.value,
            r.gate_reason, r.checkpoint_id,
        ]
        for r in measured
    ]  # fmt: skip
    return table(head, rows)


def _candidates_table(rounds: list[RoundReport]) -> str:
    counts = ["problems", "sampled", *(outcome.value for outcome in Outcome), "selected"]
    counts += ["pool"] if any(r.accuracy is not None for r in rounds) else []
    hinted = any(r.hinted_sampled for r in rounds)
    rows = [
        [
            f"round {r.round}",
            *(f"{getattr(r, name):,}" for name in counts),
            *([f"{r.hinted_correct} of {r.hinted_sampled}"] if hinted else []),
            f"{r.tokens:,}",
        ]
        for r in rounds
    ]
    return table(["", *counts, *(["hinted correct"] if hinted else []), "tokens"], rows)


def _keyed_table(rounds: list[RoundReport], field: str) -> str:
    """A table of what a report keeps as JSON; empty text where there is nothing."""
    values = [json.loads(getattr(r, field)) for r in rounds]
    keys = list(dict.fromkeys(key for value in values for key in value))
    rows = [
        [f"round {r.round}", *(_number(value.get(key)) for key in keys)]
        for r, value in zip(rounds, values, strict=True)
    ]
    return table(["", *keys], rows) if keys else ""


def _verification_tables(result: RunResult) -> list[str]:
    """What each check flagged, and what each verifier cost."""
    flags, costs = [], []
    for round in (report.round for report in result.rounds):
        tally = result.tally(round)
        for name, count in tally.flags.items():
            flags.append([f"round {round}", name, str(count), str(tally.flagged_correct[name])])
        for name, cost in tally.verifiers.items():
            isolation = ", ".join(cost["isolation"])
            costs.append([f"round {round}", name, *cells(cost), isolation])
    parts = [("Flags", ["", "check", "flagged", "of them correct"], flags),
             ("Verifiers", ["", "verifier", *SHOWN, "isolation"], costs)]  # fmt: skip
    return [f"<h2>{title}</h2>{table(head, rows)}" for title, head, rows in parts if rows]


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.3g}"
    return "" if value is None else str(value)


def table(head: list[str], rows: list[list[str]]) -> str:
    """An HTML table; every cell is escaped."""
    top = " ".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "\n".join(
        "<tr>" + " ".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{top}</tr>\n{body}</table></div>'


def examples(store: Store) -> list[tuple[str, str]]:
    """Up to three candidates of the last round with any: selected, wrong, rationalized."""
    for round in reversed(store.rounds(SELECTIONS)):
        found = _examples_of(store, round)
        if found:
            return found
    return []


def _examples_of(store: Store, round: int) -> list[tuple[str, str]]:
    problems = {p.id: p for p in store.read(PROBLEMS, round)}
    outcomes = {v.candidate_id: v for v in store.read(VERDICTS, round)}
    selected = {s.candidate_id for s in store.read(SELECTIONS, round) if s.selected}
    shards = store.shards(CANDIDATES, round)
    wanted = (
        ("Correct and selected", lambda c: c.id in selected and not c.hinted),
        ("Wrong", lambda c: outcomes[c.id].outcome is Outcome.WRONG and not c.hinted),
        ("Rationalized: correct once the answer was hinted, the hint removed for training",
         lambda c: c.id in selected and c.hinted),
    )  # fmt: skip
    found = []
    for title, fits in wanted:
        rows = (c for shard in shards for c in read_shard(CANDIDATES, shard) if c.id in outcomes)
        candidate = next((c for c in rows if fits(c) and c.problem_id in problems), None)
        if candidate is not None:
            text = _example(problems[candidate.problem_id], candidate)
            found.append((title, f"{text}\n\n{outcomes[candidate.id].reason}"))
    return found


def _example(problem: Problem, candidate: Candidate) -> str:
    return (
        f"{candidate.id}\n\nproblem: {problem.prompt}\nanswer: {problem.answer}\n\n"
        f"{candidate.trace}"
    )


def _examples(shown: list[tuple[str, str]]) -> list[str]:
    if not shown:
        return []
    parts = [f"<p>{escape(title)}</p><pre>{escape(text)}</pre>" for title, text in shown]
    return ["<h2>Examples</h2>", *parts]


def _settings(described: dict[str, Any]) -> str:
    """The resolved recipe and the versions, folded away."""
    values = {**described["recipe"], "versions": described["versions"]}
    flat: list[list[str]] = []
    for section, value in values.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat += [[f"{section}.{key}".rstrip("."), json.dumps(v)] for key, v in inner.items()]
    rows = "\n".join(f"<tr><td>{escape(k)}</td> <td>{escape(v)}</td></tr>" for k, v in flat)
    return (
        "<details><summary>recipe and versions</summary>\n"
        f'<div class="scroll"><table class="settings">\n{rows}\n</table></div></details>'
    )
