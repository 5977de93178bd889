"""What is still to be asked: every problem's waves, as a policy wants them.

A problem is asked in waves: the policy says from its counts (candidates so far, how many of them
right) how many more to ask now, and 0 ends it. A wave counts once all of its candidates are decided
and only then is the next one sized, so that a problem's counts move along the policy's own steps,
which the estimate of its pass rate relies on (docs/adaptive.md). Problems do not wait for each
other. Unverifiable candidates say nothing about a problem: a policy that looks at outcomes has
others asked in their place, up to a bound. A rerun replays what is known already in the order of
the index and continues every wave where it was. Problems are read when their turn comes and
forgotten when they end: only those under way are in memory. Not covered: a policy that looks at
other problems.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from generators.sample import Asking, Planned
from rsfactory.records import Outcome, Problem

FAULTS = 4
"""Unverifiable candidates after which a problem is given up, if they are more than the others."""


class Policy(Protocol):
    """How often a problem is asked; a function of its counts alone."""

    @property
    def num_samples(self) -> int:
        """Candidates of a problem at most."""
        ...

    def wanted(self, asked: int, correct: int) -> int:
        """How many more candidates to ask for now; 0 ends the problem."""
        ...

    def reason(self, asked: int, correct: int) -> str:
        """Why a problem with these counts has ended."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Every problem ``num_samples`` times, whatever comes out."""

    num_samples: int

    def wanted(self, asked: int, correct: int) -> int:
        """All at once."""
        return max(0, self.num_samples - asked)

    def reason(self, asked: int, correct: int) -> str:
        """There is one reason."""
        return "num_samples"


@dataclass(frozen=True, slots=True)
class Known:
    """A candidate that the store has, by its place in the problem's order."""

    attempt: int
    outcome: Outcome | None
    """None where nobody decides while sampling goes on."""
    redo: bool = False
    """It was cut off by a limit that is higher now."""


@dataclass(slots=True)
class State:
    """One problem's progress."""

    problem: Problem
    known: Mapping[int, Known] = field(default_factory=dict)
    """What the store has of it, by place."""
    asked: int = 0
    """Candidates of the waves that ended."""
    correct: int = 0
    wave: int = 0
    """Size of the wave under way."""
    todo: list[int] = field(default_factory=list)
    """Places that nobody was asked for yet, the next one last."""
    waiting: int = 0
    """Candidates of the wave that are not decided yet."""
    right: int = 0
    """Right ones in the wave under way."""
    unverifiable: int = 0
    reason: str | None = None
    """Why it ended; None while it is open."""

    @property
    def trials(self) -> int:
        """Candidates of the waves that ended, without those that our own fault left undecided."""
        return self.asked - self.unverifiable


class Agenda:
    """All problems of a stage. One thread at a time."""

    def __init__(
        self,
        problems: Sequence[Problem],
        asking: Asking,
        policy: Policy,
        known: dict[str, dict[int, Known]] | None = None,
    ) -> None:
        """Plans nothing yet: candidates are made when they are taken, so that memory stays small.

        Args:
            problems: Each once; read in their order, as they are asked.
            asking: How they are asked.
            policy: When a problem has been asked often enough.
            known: Problem's key -> place (0 is the first of this stage) -> what the store has.
        """
        self._asking = asking
        self._policy = policy
        self._known: dict[str, dict[int, Known]] = {}
        """Of the problems that are not taken up yet."""
        self._ready: deque[State] = deque()
        self._taken: State | None = None
        self._open: dict[str, State] = {}
        """Problems with a wave under way."""
        self.total = 0
        """Candidates to be asked for, as far as it is known now."""
        self._fresh = self._begin(problems, known or {})

    @property
    def grows(self) -> bool:
        """Whether `total` may still grow: waves depend on what comes out."""
        return not isinstance(self._policy, Fixed)

    def take(self, most: int) -> list[Planned]:
        """Up to ``most`` candidates of one problem; none where nothing can be asked now."""
        state = self._taken or self._next()
        if state is None:
            return []
        count = min(most, len(state.todo))
        places = [state.todo.pop() for _ in range(count)]
        self._taken = state if state.todo else None
        return [self._planned(state, place) for place in places]

    def wave(self) -> list[Planned]:
        """All candidates of the waves under way, known ones too, problem by problem."""
        while (state := self._next()) is not None:
            state.todo = []
        return [
            self._planned(state, place)
            for state in self._open.values()
            for place in range(state.asked, state.asked + state.wave)
        ]

    def known(self, item: Planned) -> bool:
        """Whether the store had this candidate of a wave (this attempt of it) from the start."""
        place = item.index - self._asking.first_index.get(item.problem.id, 0)
        there = self._open[item.problem.id].known.get(place)
        return there is not None and there.attempt >= item.attempt

    def decide(self, problem_id: str, outcome: Outcome | None) -> None:
        """Books one candidate of a problem; the last one of its wave opens the next."""
        state = self._open[problem_id]
        state.waiting -= 1
        state.right += outcome is Outcome.CORRECT
        state.unverifiable += outcome is Outcome.UNVERIFIABLE
        if state.waiting:
            return
        if _advance(state, self._policy):
            self._ready.append(state)
            self.total += len(state.todo)
        else:
            del self._open[problem_id]

    def _begin(
        self, problems: Sequence[Problem], known: Mapping[str, dict[int, Known]]
    ) -> Iterator[Problem]:
        """Problems with something to ask, counted now and read later; the others are forgotten."""
        if not known:
            self.total = self._policy.wanted(0, 0) * len(problems)
            return iter(problems)
        places = array("L")
        for place, state in enumerate(replay(problems, self._policy, known)):
            if state.todo:
                self.total += len(state.todo)
                places.append(place)
                if there := known.get(state.problem.id):
                    self._known[state.problem.id] = there
        return (problems[place] for place in places)

    def _next(self) -> State | None:
        """The next problem with something to ask."""
        if self._ready:
            return self._ready.popleft()
        for problem in self._fresh:
            state = State(problem, self._known.pop(problem.id, {}))
            if _advance(state, self._policy):
                self._open[problem.id] = state
                return state
        return None

    def _planned(self, state: State, place: int) -> Planned:
        there = state.known.get(place)
        attempt = 0 if there is None else there.attempt + there.redo
        return self._asking.planned(state.problem, place, attempt)


def replay(
    problems: Iterable[Problem], policy: Policy, known: Mapping[str, dict[int, Known]]
) -> Iterator[State]:
    """Where every problem stands by what is known of it, in their order."""
    for problem in problems:
        state = State(problem, known.get(problem.id, {}))
        _advance(state, policy)
        yield state


def _advance(state: State, policy: Policy) -> bool:
    """Goes on to the first wave that is not all known; False where the problem ends."""
    while True:
        state.asked, state.correct = state.asked + state.wave, state.correct + state.right
        state.wave, state.right = _wanted(state, policy), 0
        if not state.wave:
            return False
        for place in range(state.asked, state.asked + state.wave):
            there = state.known.get(place)
            if there is None or there.redo:
                state.todo.append(place)
                continue
            state.right += there.outcome is Outcome.CORRECT
            state.unverifiable += there.outcome is Outcome.UNVERIFIABLE
        state.todo.reverse()
        state.waiting = len(state.todo)
        if state.todo:
            return True


def _wanted(state: State, policy: Policy) -> int:
    """Size of the next wave; where there is none, the state says why."""
    trials = state.trials if not isinstance(policy, Fixed) else state.asked
    if state.unverifiable >= FAULTS and state.unverifiable > state.trials:
        state.reason = "unverifiable"
        return 0
    wave = policy.wanted(trials, state.correct)
    if not wave:
        state.reason = policy.reason(trials, state.correct)
    return wave
