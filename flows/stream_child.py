"""One of several processes that sample from an address: ``python -m flows.stream_child``.

One message in, the job (`flows.stream_parts`); out come counts several times a second, notes, and
at the end ``done``, with whether it was ``stopped`` because its share of the budget is spent.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from filters.verify.code import sandboxed
from filters.verify.pool import VerifierPool
from flows import deciders, known, stream
from flows.asking import asking_of, policy_for
from flows.context import Run
from flows.live import Counts, Seen
from flows.meter import Meter
from flows.problems import in_store, kinds
from flows.progress import SilentReporter
from flows.sample import failed, hintable
from generators.agenda import Agenda, Fixed
from generators.engine import Remote
from generators.problems.finite import FiniteSet
from generators.problems.options import Options
from generators.problems.shelf import Shelf
from rsfactory.budget import Budget, Kind, Spent, left
from rsfactory.child import Parent
from rsfactory.errors import FactoryError, InputError, NoAnswer, Stopped
from rsfactory.recipe import Recipe, parse
from rsfactory.records import Outcome, Problem
from rsfactory.store import Store

TOLD_EVERY = 0.2
"""Seconds between two messages with counts."""


class Telling(SilentReporter):
    """Counts for the parent."""

    stats: Counts | None = None
    """The teacher's own, once there is one."""

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

    def note(self, text: str) -> None:
        """A line that stays."""
        self._parent.send(note=text)

    def detail(self, text: str, *, grows: bool = False) -> None:
        """Comes several times a second, also where no answer does; the parent has words itself."""
        self.tell()

    def tell(self, *, now: bool = False) -> None:
        """Sends what there is, at most every `TOLD_EVERY` seconds."""
        if now or time.monotonic() - self._told >= TOLD_EVERY:
            self._told = time.monotonic()
            with self._lock:
                outcomes, self._outcomes = dict(self._outcomes), Counter()
            server = None if self.stats is None else asdict(Seen.of(self.stats))
            self._parent.send(counts=self.counts, outcomes=outcomes, server=server)


class Shared(Meter):
    """The meter of a child: it counts for the parent, and has a share of the budget for itself."""

    def __init__(
        self, recipe: Recipe, store: Store, share: tuple[Kind, float] | None, telling: Telling
    ) -> None:
        super().__init__(recipe, store)
        self._telling = telling
        self._share = None if share is None else Budget(*share)
        self._here = Spent()

    def book(self, answers: int, spent: Spent) -> None:
        """Books answers, and tells the parent now and then."""
        super().book(answers, spent)
        self._here += spent
        counts = self._telling.counts
        counts[0] += answers
        counts[1] += spent.completion_tokens
        counts[2] += spent.prompt_tokens
        counts[3] += spent.requests
        self._telling.tell()

    def enough(self, under_way: int) -> bool:
        """Whether the share is used up once those under way are answered."""
        if self._share is None:
            return False
        spent = self._here + Spent(seconds=self.seconds) + self._foreseen(under_way)
        return left(self._share, spent, self.prices) <= 0

    def check(self) -> None:
        """Comes where the share is used up, and candidates are left.

        Raises:
            Stopped: Always; the parent knows whether others left something over.
        """
        raise Stopped("its share of the budget is used up")


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
    mine = Shelf(islice(in_store(store, round), job["part"], None, job["parts"]))
    if not mine:
        return
    with contextlib.ExitStack() as held:
        held.enter_context(sandboxed(recipe.sandbox))
        verifiers = held.enter_context(VerifierPool())
        meter = Shared(recipe, store, job["share"], telling)
        run = Run(job["name"], recipe, job["seed"], store, telling, _source(mine, job["seed"]),
                  None, verifiers, meter, journals=False)  # fmt: skip
        held.callback(run.release)
        teacher = run.teacher(None)
        if not isinstance(teacher, Remote):
            name = recipe.sample.teacher
            raise InputError(f"sample.processes is for teachers behind an address, not {name}")
        telling.stats = getattr(teacher, "stats", None)
        asking = asking_of(run, round, teacher.identity, hinted=hinted)
        if hinted:
            mine = hintable(failed(run, round, mine))
        policy = Fixed(recipe.rationalize.num_samples) if hinted else policy_for(recipe)
        agenda = Agenda(mine, asking, policy, known.known(run, asking, run.max_tokens()))
        stage = "rationalize" if hinted else "sample"
        decides = deciders.at_once(kinds(mine))
        stream.sample(run, round, stage, teacher, agenda, decides=decides)


def _source(problems: Iterable[Problem], seed: int) -> FiniteSet:
    """The part's problems as a source."""
    options = Options(seed=seed, purpose="train", gold=False)
    return FiniteSet("part", problems, options)


if __name__ == "__main__":
    main()
