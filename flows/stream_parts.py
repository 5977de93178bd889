"""Sampling from an address in several processes: each has a share of the problems and the limits.

One process is bound by one core at some thousand answers a second; `sample.processes` divides the
problems among children, each with its own connections, journal and verifiers. They write the run's
shards themselves; what comes back here are counts. Limits and concurrency of an address are divided
evenly, so that together the children keep them.

Each child has an equal share of the budget that is left, and ends at it as one process does. Where
one of them needs less, the caller divides what is left once more.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from typing import Any

from flows.context import Run
from generators.agenda import Agenda
from generators.engine import Remote
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


@dataclass
class Told:
    """What the children said so far."""

    by_child: dict[int, list[int]] = field(default_factory=dict)
    """Child -> answers, tokens, prompt tokens, requests."""
    stopped: bool = False
    """Whether the budget ended one of them."""
    missing: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def sample(
    run: Run, round: int, stage: str, agenda: Agenda, problems: Sequence[str], *, hinted: bool
) -> bool:
    """Asks for everything on the agenda, each child for its share of the problems.

    Args:
        run: The run; its budget is not nearly used up (`near_the_budget`).
        round: The round.
        stage: What is shown.
        agenda: Says how much is to be asked.
        problems: Keys of the agenda's problems, which are in the store.
        hinted: Whether the answers are hinted.

    Returns:
        Whether all was asked; False where a child's share of the budget is used up.

    Raises:
        NoAnswer: Some candidates had no answer; the same command asks for them again.
        ChildDied: A child ended early; what it was answered is kept.
    """
    parts, told = run.recipe.sample.processes, Told()
    run.release()
    children = [
        Child(CHILD, log=run.log_file(f"sampling-{part}"), name=f"sampling process {part}")
        for part in range(parts)
    ]
    try:
        for part, child in enumerate(children):
            child.send(_job(run, round, parts, problems[part::parts], hinted=hinted))
        with (
            run.stage(round, stage, agenda.total, "completions"),
            ThreadPoolExecutor(parts) as pool,
        ):
            listening = [
                pool.submit(_listen, run, child, part, told, agenda.total)
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
    if told.missing and not told.stopped:
        raise NoAnswer(
            f"{counted(len(told.missing), 'requests')} had no answer within the bounds; the last: "
            f"{told.missing[-1]}; all others are kept, the same command asks again"
        )
    return not told.stopped


def near_the_budget(run: Run, teacher: Remote) -> bool:
    """Whether what may be under way could use the budget up: then one process asks alone."""
    return run.meter.enough(run.recipe.endpoint.concurrency * getattr(teacher, "addresses", 1))


def divided(section: EndpointSection, parts: int) -> EndpointSection:
    """An address's limits for one of several processes."""
    limits = {
        name: value / parts for name in DIVIDED if (value := getattr(section, name)) is not None
    }
    return section.model_copy(
        update={**limits, "concurrency": max(1, section.concurrency // parts)}
    )


def _job(
    run: Run, round: int, parts: int, problems: Sequence[str], *, hinted: bool
) -> dict[str, Any]:
    """What a child needs: no secret is in it, keys are in the environment."""
    endpoint = divided(run.recipe.endpoint, parts)
    length = run.recipe.sample.model_copy(update={"max_tokens": run.max_tokens(), "processes": 1})
    recipe = run.recipe.model_copy(update={"endpoint": endpoint, "sample": length, "budget": None})
    share = run.meter.share(parts)
    return {
        "folder": str(run.store.folder), "name": run.name, "recipe": recipe.model_dump(mode="json"),
        "seed": run.seed, "round": round, "problems": problems, "hinted": hinted,
        "budget": share and asdict(share),
    }  # fmt: skip


def _listen(run: Run, child: Child, part: int, told: Told, total: int) -> None:
    for message in child.messages():
        with told.lock:
            if "counts" in message:
                _book(run, told, part, message)
                done, tokens = (sum(c[i] for c in told.by_child.values()) for i in (0, 1))
                run.reporter.steps(done, max(total, done))
                run.reporter.advance(done, tokens)
            told.missing += message.get("missing", [])
            told.stopped |= message.get("stopped", False)


def _book(run: Run, told: Told, part: int, message: dict[str, Any]) -> None:
    """Takes a child's counts, which are absolute."""
    before = told.by_child.get(part, [0, 0, 0, 0])
    answers, tokens, prompt_tokens, requests = message["counts"]
    told.by_child[part] = message["counts"]
    spent = Spent(
        completion_tokens=tokens - before[1],
        prompt_tokens=prompt_tokens - before[2],
        requests=requests - before[3],
    )
    run.meter.book(answers - before[0], spent)
    for outcome, count in message["outcomes"].items():
        for _ in range(count):
            run.reporter.outcome(Outcome(outcome))
