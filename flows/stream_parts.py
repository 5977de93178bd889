"""Sampling from an address in several processes: each has a share of the problems and the limits.

One process is bound by one core at some thousand answers a second; `sample.processes` divides the
problems among children, each with its own connections, journal and verifiers. They write the run's
shards themselves; what comes back here are counts. Limits and concurrency of an address are divided
evenly, so that together the children keep them. So is what is left of the budget: each child ends
at most one request behind its share, and what others leave over is shared out anew, until it is
used up or nothing is left to ask.
"""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from flows.context import Run
from flows.live import Seen, stream_words
from generators.agenda import Agenda
from rsfactory.budget import Spent
from rsfactory.child import Child
from rsfactory.errors import NoAnswer
from rsfactory.recipe import EndpointSection
from rsfactory.records import Outcome
from rsfactory.words import counted

CHILD = "flows.stream_child"
DIVIDED = (
    "requests_per_minute", "prompt_tokens_per_minute", "completion_tokens_per_minute",
)  # fmt: skip

Who = tuple[int, int]
"""A child: how often the budget was shared out before it, and its part of the problems."""


@dataclass
class Told:
    """What the children said so far."""

    agenda: Agenda
    decides: bool
    """Whether they have verdicts while they sample."""
    began: float = field(default_factory=time.monotonic)
    by_child: dict[Who, list[int]] = field(default_factory=dict)
    """Child -> answers, tokens, prompt tokens, requests."""
    servers: dict[Who, Seen] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    stopped: bool = False
    """Whether one had candidates left when its share of the budget was used up."""
    lock: threading.Lock = field(default_factory=threading.Lock)


def sample(
    run: Run, round: int, stage: str, agenda: Agenda, *, decides: bool, hinted: bool
) -> None:
    """Asks for everything on the agenda, each child for its share of the problems.

    Raises:
        Stopped: The budget is used up.
        NoAnswer: Some candidates had no answer; the same command asks for them again.
        ChildDied: A child ended early; what it was answered is kept.
    """
    told = Told(agenda, decides)
    run.release()
    with run.stage(round, stage, agenda.total, "completions"):
        for again in itertools.count():  # each time at least a request, and mostly half of the rest
            told.stopped = False
            _ask(run, round, told, again, hinted=hinted)
            if told.stopped:
                run.meter.check()
            if told.missing or not told.stopped:
                break
    if told.missing:
        raise NoAnswer(
            f"{counted(len(told.missing), 'requests')} had no answer within the bounds; the last: "
            f"{told.missing[-1]}; all others are kept, the same command asks again"
        )


def _ask(run: Run, round: int, told: Told, again: int, *, hinted: bool) -> None:
    """Children for all parts, until each has asked for everything or has spent its share."""
    parts = run.recipe.sample.processes
    children = [
        Child(CHILD, log=run.log_file(f"sampling-{part}"), name=f"sampling process {part}")
        for part in range(parts)
    ]
    try:
        for part, child in enumerate(children):
            child.send(_job(run, round, part, parts, hinted=hinted))
        with ThreadPoolExecutor(parts) as pool:
            listening = [
                pool.submit(_listen, run, child, (again, part), told)
                for part, child in enumerate(children)
            ]
            try:
                for one in as_completed(listening):
                    one.result()
            except BaseException:
                for child in children:
                    child.kill()
                raise
    finally:
        for child in children:
            child.close()


def divided(section: EndpointSection, parts: int) -> EndpointSection:
    """An address's limits for one of several processes."""
    limits = {
        name: value / parts for name in DIVIDED if (value := getattr(section, name)) is not None
    }
    return section.model_copy(
        update={**limits, "concurrency": max(1, section.concurrency // parts)}
    )


def _job(run: Run, round: int, part: int, parts: int, *, hinted: bool) -> dict[str, Any]:
    """What a child needs: no secret is in it, keys are in the environment."""
    endpoint = divided(run.recipe.endpoint, parts)
    length = run.recipe.sample.model_copy(update={"max_tokens": run.max_tokens(), "processes": 1})
    recipe = run.recipe.model_copy(update={"endpoint": endpoint, "sample": length, "budget": None})
    share = run.meter.share(parts)
    return {
        "folder": str(run.store.folder), "name": run.name, "recipe": recipe.model_dump(mode="json"),
        "seed": run.seed, "round": round, "part": part, "parts": parts, "hinted": hinted,
        "share": None if share is None else (share.kind, share.amount),
    }  # fmt: skip


def _listen(run: Run, child: Child, who: Who, told: Told) -> None:
    for message in child.messages():
        with told.lock:
            if "counts" in message:
                _book(run, told, who, message)
                _show(run, told)
            if "note" in message:
                run.say(message["note"])
            told.missing += message.get("missing", [])
            told.stopped |= message.get("stopped", False)


def _book(run: Run, told: Told, who: Who, message: dict[str, Any]) -> None:
    """Takes a child's counts, which are absolute."""
    before = told.by_child.get(who, [0, 0, 0, 0])
    answers, tokens, prompt_tokens, requests = message["counts"]
    told.by_child[who] = message["counts"]
    if message["server"] is not None:
        told.servers[who] = Seen(**message["server"])
    spent = Spent(
        completion_tokens=tokens - before[1],
        prompt_tokens=prompt_tokens - before[2],
        requests=requests - before[3],
    )
    run.meter.book(answers - before[0], spent)
    told.outcomes.update(message["outcomes"])
    for outcome, count in message["outcomes"].items():
        for _ in range(count):
            run.reporter.outcome(Outcome(outcome))


def _show(run: Run, told: Told) -> None:
    """What one process says of itself, of all of them together."""
    done, tokens = (sum(counts[i] for counts in told.by_child.values()) for i in (0, 1))
    seconds = time.monotonic() - told.began
    correct = told.outcomes[Outcome.CORRECT.value] if told.decides else None
    words = stream_words(correct, seconds, run.meter.cost(), Seen.together(told.servers.values()))
    run.reporter.detail(words, grows=told.agenda.grows)
    run.reporter.steps(done, max(told.agenda.total, done))
    run.reporter.advance(done, tokens)
