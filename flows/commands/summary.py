"""The end of ``factory run``: what every round did, where things are, what to type next."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.commands.common import (
    data_words,
    plain_table,
    print_numbers,
    print_table,
    size_words,
)  # fmt: skip
from rsfactory.records import Outcome
from rsfactory.words import counted

if TYPE_CHECKING:
    from flows.result import RunResult
    from rsfactory.records import Evaluation, RoundReport
    from rsfactory.store import Store

COUNTS = ("sampled", *(outcome.value for outcome in Outcome), "hinted", "selected", "pool")
ALWAYS = ("sampled", "correct", "wrong", "selected", "pool")
"""Counts that are shown though they are 0 in all rounds."""


RARE = ("cached", "time-outs", "faults")
"""Counts of a verifier that are shown where there are any."""


def print_summary(result: "RunResult", data: Path, wall: float = 0.0) -> None:
    """Prints a run's figures for a person, as wide as the terminal.

    ``wall`` is the seconds since the command started: what opening a run takes is in no stage.
    """
    from rsfactory.store import Store

    store = Store(result.folder)
    if result.rounds:
        _print_counts(result.rounds)
        _print_per_key("rejected by", result.rounds, "rejected_by")
        _print_per_key("seconds", result.rounds, "seconds")
        _print_verification(result)
    if result.start is not None or any(r.accuracy is not None for r in result.rounds):
        _print_accuracy(result)
    _print_pass_rate(result, store)
    _print_outcome(result, store, wall)
    _print_places(result, store, data)


def _print_counts(rounds: "list[RoundReport]") -> None:
    """Outcomes and what was selected; a column of zeros says nothing and is left out."""
    counts = {
        report.round: {name: getattr(report, name, report.hinted_sampled) for name in COUNTS}
        for report in rounds
    }
    trained = any(report.accuracy is not None for report in rounds)
    always = ALWAYS if trained else ALWAYS[:-1]  # a collection has no pool
    shown = [n for n in COUNTS if n in always or any(count[n] for count in counts.values())]
    rows = [[str(round), *(str(count[n]) for n in shown)] for round, count in counts.items()]
    print_numbers(("round", *shown), rows)


def _print_accuracy(result: "RunResult") -> None:
    right = ("accuracy", "95% interval", "change")
    table = plain_table(("", *right, "gate", "why"), right=right)
    for name, measured in (("base", result.base), ("start", result.start)):
        if measured is not None:
            table.add_row(name, *accuracy_words(measured), "", "", "")
    for report in result.rounds:
        change = f"{report.change:+.3f}"
        gate = (report.gate.value, report.gate_reason)
        table.add_row(f"round {report.round}", *accuracy_words(report), change, *gate)
    print_table(table)


def _print_pass_rate(result: "RunResult", store: "Store") -> None:
    """How often the last round's problems were solved, why they ended, and what it cost."""
    from flows.report_collected import asked_of

    last = result.rounds[-1] if result.rounds else None
    if last is None or last.accuracy is not None:
        return
    if last.pass_rate is not None:
        click.echo(
            f"mean pass rate {last.pass_rate:.3f} (95% interval {last.pass_rate_low:.3f} to "
            f"{last.pass_rate_high:.3f}) over {counted(last.problems, 'problems')}"
        )
    ended = asked_of(store).stopped_by
    if set(ended) - {"num_samples"}:
        words = ", ".join(f"{count} by {reason}" for reason, count in ended.most_common())
        click.echo(f"problems ended: {words}")
    cost = "" if last.cost is None else f", {last.cost:.2f} USD"
    prompts = f"{counted(last.prompt_tokens, 'tokens')} of prompts"
    click.echo(f"{counted(last.requests, 'requests')}, {prompts}{cost}")
    if last.judge_requests:
        votes = counted(last.judge_requests, "requests")
        click.echo(f"the judge: {votes}, {counted(last.judge_tokens, 'tokens')}")


def accuracy_words(measured: "Evaluation | RoundReport") -> tuple[str, str]:
    """Accuracy, and its 95% interval."""
    return f"{measured.accuracy:.3f}", f"{measured.low:.3f} to {measured.high:.3f}"


def _print_per_key(title: str, rounds: "list[RoundReport]", field: str) -> None:
    """A table of what a report keeps as JSON: rejections by rule, seconds by stage."""
    values = {report.round: json.loads(getattr(report, field)) for report in rounds}
    keys = list(dict.fromkeys(key for value in values.values() for key in value))
    if not keys:
        return
    columns = (*keys, "total") if field == "seconds" else tuple(keys)
    largest = max(value.get(key, 0) for value in values.values() for key in keys)
    digits = 1 if field == "seconds" and largest < 10 else 0
    rows = []
    for round, value in values.items():
        numbers = [value.get(key, 0) for key in keys]
        numbers += [sum(numbers)] if field == "seconds" else []
        rows.append([f"round {round}", *(f"{number:.{digits}f}" for number in numbers)])
    print_numbers((title, *columns), rows)


def _print_verification(result: "RunResult") -> None:
    """What each check flagged (and how much of it is correct), and what each verifier cost."""
    from flows.tallies import SHOWN, cells

    told = [(report.round, result.tally(report.round)) for report in result.rounds]
    checks = list(dict.fromkeys(check for _, tally in told for check in tally.flags))
    if checks:
        rows = []
        for round, tally in told:
            right = tally.flagged_correct
            counts = [f"{tally.flags.get(c, 0)} ({right.get(c, 0)})" for c in checks]
            rows.append([f"round {round}", *counts])
        print_numbers(("flagged (correct)", *checks), rows)
    costs = [
        [str(round), name, *cells(cost)]
        for round, tally in told
        for name, cost in tally.verifiers.items()
    ]
    if costs:
        heads = ("round", "verifier", *SHOWN)
        seen = [i for i, head in enumerate(heads)
                if head not in RARE or any(row[i] != "0" for row in costs)]  # fmt: skip
        rows = [[row[i] for i in seen] for row in costs]
        print_numbers([heads[i] for i in seen], rows, words=2)


def _print_outcome(result: "RunResult", store: "Store", wall: float) -> None:
    from flows.advice import of_round

    last = result.rounds[-1] if result.rounds else None
    if last is not None and result.change is not None and result.start is not None:
        change = result.change
        click.echo(
            f"change from start to round {last.round}: {change.mean:+.3f} "
            f"(95% interval {change.low:+.3f} to {change.high:+.3f}) on "
            f"{len(result.start.problem_ids)} held-out problems"
        )
        if change.high < 0:
            click.echo("accuracy fell: a lower rate, other problems or fewer rounds may help")
        elif change.low <= 0:
            click.echo("that is within the noise: more rounds or other problems may move it")
    if last is not None:
        if last.accuracy is not None:
            click.echo(f"gate of round {last.round}: {last.gate.value}, {last.gate_reason}")
        told = of_round(last, store)
        for sentence in told:
            click.echo(sentence)
        if last.correct == 0 and not told:
            other = "--model" if last.accuracy is not None else "another --teacher"
            click.echo(f"nothing was correct in that round: easier problems or {other} may help")
    seconds = max(result.seconds, wall)
    took = f"{seconds:.1f}" if seconds < 10 else f"{seconds:,.0f}"
    click.echo(f"took {took} s, {counted(result.tokens, 'tokens')} sampled\n")


def _print_places(result: "RunResult", store: "Store", data: Path) -> None:
    from flows.commands.ask import newest_checkpoint
    from flows.result import FILES

    checkpoint = newest_checkpoint(store)
    click.echo(f"folder       {store.folder} ({size_words(store.size())})")
    for name in (n for n in FILES if (store.folder / n).exists()):
        click.echo(f"data         {store.folder / name}")
    if checkpoint is not None and result.start is not None:
        click.echo(f"checkpoint   {store.folder / checkpoint.path}")
    click.echo(f"report       {store.folder / 'report.html'}\n")
    where = data_words(data)
    click.echo("next:")
    if checkpoint is not None and result.start is not None:
        click.echo(f'  factory ask {result.run} "{_question(store)}"{where}')
    click.echo(f"  factory why {result.run} {_example(store)}{where}")
    chat = "" if result.start is not None else " --chat"
    click.echo(f"  factory export-data {result.run} --out {result.run}.jsonl{chat}{where}")
    if result.start is None:
        query = "SELECT outcome, count(*) FROM lineage GROUP BY 1"
        click.echo(f'  factory sql {result.run} "{query}"{where}')


def _question(store: "Store") -> str:
    """A held-out problem where it fits in a line, as something to ask."""
    from rsfactory.store import PROBLEMS

    held_out = [p.prompt for p in store.read(PROBLEMS, 0) if p.split == "held_out"]
    question = held_out[0] if held_out else ""
    plain = question.isprintable() and not set(question) & set('"$`\\!')
    return question if plain and 0 < len(question) <= 80 else "What is 12 + 30?"


def _example(store: "Store") -> str:
    """A candidate to look at: a selected one where there is one."""
    from rsfactory.store import SELECTIONS

    rows = store.read(SELECTIONS)
    chosen = [row for row in rows if row.selected] or rows
    return chosen[-1].candidate_id if chosen else "0"
