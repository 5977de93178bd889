"""One of several processes that sample from an address: ``python -m flows.stream_child``.

One message in, the job (`flows.stream_parts`); out come counts several times a second, and at the
end ``done``. It ends early where its share of the budget is used up.
"""

import contextlib
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from filters.verify.code import sandboxed
from filters.verify.pool import VerifierPool
from flows import known, stream
from flows.asking import asking_of, policy_for
from flows.context import Run
from flows.meter import Meter
from flows.progress import SilentReporter
from generators.agenda import Agenda, Fixed
from generators.engine import Remote
from generators.problems.finite import FiniteSet
from generators.problems.options import Options
from rsfactory.budget import Budget, Spent
from rsfactory.child import Parent
from rsfactory.errors import FactoryError, InputError, NoAnswer, Stopped
from rsfactory.recipe import Recipe, parse
from rsfactory.records import Outcome, Problem
from rsfactory.store import PROBLEMS, Store

TOLD_EVERY = 0.2
"""Seconds between two messages with counts."""


class Telling(SilentReporter):
    """Counts for the parent."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._outcomes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.counts = [0, 0, 0, 0]
        self._told = 0.0

    def outcome(self, outcome: Outcome) -> None:
        """One more candidate was verified."""
        with self._lock:
            self._outcomes[outcome.value] += 1

    def tell(self, *, now: bool = False) -> None:
        """Sends what there is, at most every `TOLD_EVERY` seconds."""
        if now or time.monotonic() - self._told >= TOLD_EVERY:
            self._told = time.monotonic()
            with self._lock:
                outcomes, self._outcomes = dict(self._outcomes), Counter()
            self._parent.send(counts=self.counts, outcomes=outcomes)


class Shared(Meter):
    """The meter of a child: it tells the parent, and knows its share of the budget only."""

    def __init__(self, recipe: Recipe, share: dict[str, Any] | None, telling: Telling) -> None:
        super().__init__(recipe, None)
        self._budget = Budget(**share) if share else None
        self._telling = telling

    def book(self, answers: int, spent: Spent) -> None:
        """Books answers, and tells the parent now and then."""
        super().book(answers, spent)
        counts = self._telling.counts
        counts[0] += answers
        counts[1] += spent.completion_tokens
        counts[2] += spent.prompt_tokens
        counts[3] += spent.requests
        self._telling.tell()


def main() -> None:
    """Samples one part, and ends."""
    parent = Parent()
    job = parent.receive()
    telling = Telling(parent)
    missing: list[str] = []
    stopped = False
    try:
        _sample(job, telling)
    except NoAnswer as error:
        missing = [str(error)]
    except Stopped:
        stopped = True
    except FactoryError as error:
        parent.send(error=str(error), input=isinstance(error, InputError))
        return
    telling.tell(now=True)
    parent.send(done=True, missing=missing, stopped=stopped)


def _sample(job: dict[str, Any], telling: Telling) -> None:
    store, round, hinted = Store(Path(job["folder"])), job["round"], job["hinted"]
    recipe = parse(job["recipe"], job["name"])
    there = {problem.id: problem for problem in store.read(PROBLEMS, round)}
    mine = [there[key] for key in job["problems"]]
    if not mine:
        return
    with contextlib.ExitStack() as held:
        held.enter_context(sandboxed(recipe.sandbox))
        verifiers = held.enter_context(VerifierPool())
        meter = Shared(recipe, job["budget"], telling)
        run = Run(job["name"], recipe, job["seed"], store, telling, _source(mine, job["seed"]),
                  None, verifiers, meter, journals=False)  # fmt: skip
        held.callback(run.release)
        teacher = run.teacher(None)
        if not isinstance(teacher, Remote):
            name = recipe.sample.teacher
            raise InputError(f"sample.processes is for teachers behind an address, not {name}")
        asking = asking_of(run, round, teacher.identity, hinted=hinted)
        policy = Fixed(recipe.rationalize.num_samples) if hinted else policy_for(recipe)
        agenda = Agenda(mine, asking, policy, known.known(run, asking, run.max_tokens()))
        stage = "rationalize" if hinted else "sample"
        stream.sample(run, round, stage, teacher, agenda, {p.id: p for p in mine})


def _source(problems: list[Problem], seed: int) -> FiniteSet:
    """The part's problems as a source."""
    options = Options(seed=seed, purpose="train", gold=False)
    return FiniteSet("part", problems, options)


if __name__ == "__main__":
    main()
