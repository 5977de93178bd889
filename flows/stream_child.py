"""One of several processes that sample from an address: ``python -m flows.stream_child``.

One message in, the job (`flows.stream_parts`); out come counts several times a second, and at the
end ``done``. ``{"op": "stop"}`` ends it once what is under way is answered.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from filters.verify.code import sandboxed
from filters.verify.pool import VerifierPool
from flows import deciders, known, stream
from flows.asking import asking_of, policy_for
from flows.context import Run
from flows.meter import Meter
from flows.problems import in_store, kinds
from flows.progress import SilentReporter
from flows.sample import failed, hintable
from generators.agenda import Agenda, Fixed
from generators.engine import Remote
from generators.problems.finite import FiniteSet
from generators.problems.options import Options
from generators.problems.shelf import Shelf
from rsfactory.budget import Spent
from rsfactory.child import Parent
from rsfactory.errors import FactoryError, InputError, NoAnswer, Stopped
from rsfactory.recipe import parse
from rsfactory.records import Outcome, Problem
from rsfactory.store import Store

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
    """The meter of a child: it counts, and the parent says when it is enough."""

    def __init__(self, recipe: Any, store: Store, parent: Parent, telling: Telling) -> None:
        super().__init__(recipe, store)
        self._telling = telling
        self._stop = threading.Event()
        threading.Thread(target=self._wait, args=(parent,), daemon=True).start()

    def _wait(self, parent: Parent) -> None:
        parent.receive()
        self._stop.set()

    def book(self, answers: int, spent: Spent) -> None:
        """Books answers, and tells the parent now and then."""
        counts = self._telling.counts
        counts[0] += answers
        counts[1] += spent.completion_tokens
        counts[2] += spent.prompt_tokens
        counts[3] += spent.requests
        self._telling.tell()

    def enough(self, under_way: int) -> bool:
        """Whether the parent said so."""
        return self._stop.is_set()


def main() -> None:
    """Samples one part, and ends."""
    parent = Parent()
    job = parent.receive()
    telling = Telling(parent)
    missing: list[str] = []
    try:
        _sample(job, parent, telling)
    except NoAnswer as error:
        missing = [str(error)]
    except Stopped:
        pass
    except FactoryError as error:
        parent.send(error=str(error), input=isinstance(error, InputError))
        return
    telling.tell(now=True)
    parent.send(done=True, missing=missing)


def _sample(job: dict[str, Any], parent: Parent, telling: Telling) -> None:
    store, round, hinted = Store(Path(job["folder"])), job["round"], job["hinted"]
    recipe = parse(job["recipe"], job["name"])
    mine = Shelf(islice(in_store(store, round), job["part"], None, job["parts"]))
    if not mine:
        return
    with contextlib.ExitStack() as held:
        held.enter_context(sandboxed(recipe.sandbox))
        verifiers = held.enter_context(VerifierPool())
        meter = Shared(recipe, store, parent, telling)
        run = Run(job["name"], recipe, job["seed"], store, telling, _source(mine, job["seed"]),
                  None, verifiers, meter, journals=False)  # fmt: skip
        held.callback(run.release)
        teacher = run.teacher(None)
        if not isinstance(teacher, Remote):
            name = recipe.sample.teacher
            raise InputError(f"sample.processes is for teachers behind an address, not {name}")
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
