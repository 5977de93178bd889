import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators import engine
from generators.agenda import Agenda, Fixed, Known, Policy, State, replay
from generators.engine import Remote, Sampling
from generators.prompts import pick
from generators.sample import Asking, canonical
from rsfactory.contracts import Completion, Request
from rsfactory.errors import EndpointRefused, NoAnswer, StoreError
from rsfactory.records import Candidate, Outcome, Problem

CORRECT, WRONG = Outcome.CORRECT, Outcome.WRONG


def problem(number: int) -> Problem:
    prompt, answer = f"How much is {number} + 1?", str(number + 1)
    return Problem(
        id=Problem.key("t", prompt, answer), source="t", split="train", domain="math",
        verifier="math", prompt=prompt, answer=answer, choices=[], solution=None, row=number,
    )  # fmt: skip


PROBLEMS = [problem(i) for i in range(12)]
ASKING = Asking(
    prompt_for=lambda p: pick(None, p, hinted=False),
    teacher="fake",
    sampling=canonical({}),
    round=1,
)


@dataclass(frozen=True)
class UntilRight:
    """Two at a time until one is right, six at most."""

    num_samples: int = 6

    def wanted(self, asked: int, correct: int) -> int:
        return 0 if correct or asked >= 6 else 2

    def reason(self, asked: int, correct: int) -> str:
        return "correct" if correct else "num_samples"


@dataclass(frozen=True)
class Noting:
    """A policy that notes with which counts problems end, and why."""

    policy: Policy
    ended: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def num_samples(self) -> int:
        return self.policy.num_samples

    def wanted(self, asked: int, correct: int) -> int:
        return self.policy.wanted(asked, correct)

    def reason(self, asked: int, correct: int) -> str:
        self.ended.append((asked, correct, self.policy.reason(asked, correct)))
        return self.ended[-1][2]


class Fake:
    """Answers after a moment; asked seeds are counted. Not a model, not a server."""

    identity = "fake"

    def __init__(self, per_request: int = 1, dice: int = 0, fails: Sequence[int] = ()) -> None:
        self.per_request = per_request
        self.asked: Counter[int] = Counter()
        self.most = self.now = 0
        self._dice, self._fails = random.Random(dice), set(fails)

    async def complete(self, request: Request) -> list[Completion]:
        number = len(self.asked)
        self.asked.update(request.seeds)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self._dice.random() * 0.004)
        self.now -= 1
        if number in self._fails:
            raise NoAnswer("nothing came")
        return [
            Completion(text="Answer: 1", finish_reason="stop", prompt_tokens=2, tokens=3)
            for _ in request.seeds
        ]

    def close(self) -> None:
        """Holds nothing."""


def sampling(agenda: Agenda, teacher: Fake, decide: engine.Decide, **more) -> list[Candidate]:
    kept: list[Candidate] = []
    made = Sampling(teacher, agenda, 8, kept.append, decide, **more)
    asyncio.run(made.run(5))
    assert kept == kept
    sampling.last = made
    return kept


def nobody(pairs: engine.Pairs) -> list[None]:
    return [None] * len(pairs)


def replayed(policy: Policy, outcomes: dict[tuple[str, int], Outcome]) -> list[State]:
    """Where problems stand after these outcomes, as a rerun sees it."""
    known: dict[str, dict[int, Known]] = {}
    for (key, place), outcome in outcomes.items():
        known.setdefault(key, {})[place] = Known(0, outcome)
    return list(replay(PROBLEMS, policy, known))


@pytest.mark.parametrize("per_request", [1, 3, 8])
def test_every_candidate_is_asked_for_once_and_kept_once(per_request: int) -> None:
    teacher = Fake(per_request)
    assert isinstance(teacher, Remote)
    kept = sampling(Agenda(PROBLEMS, ASKING, Fixed(4)), teacher, nobody)
    assert sorted(c.id for c in kept) == sorted(
        ASKING.planned(p, i).id for p in PROBLEMS for i in range(4)
    )
    assert set(teacher.asked.values()) == {1}
    assert teacher.most <= 5


@settings(deadline=None, max_examples=30)
@given(dice=st.integers(0, 999), rate=st.floats(0, 1))
def test_waves_follow_the_policy_whatever_the_order_of_arrival(dice: int, rate: float) -> None:
    agenda = Agenda(PROBLEMS, ASKING, UntilRight())
    chance = random.Random(dice)
    outcomes: dict[tuple[str, int], Outcome] = {}

    def decide(pairs: engine.Pairs) -> list[Outcome]:
        found = [CORRECT if chance.random() < rate else WRONG for _ in pairs]
        keys = [(p.id, c.index) for p, c in pairs if p.id == c.problem_id]
        outcomes.update(zip(keys, found, strict=True))
        return found

    kept = sampling(agenda, Fake(2, dice), decide)
    asked = Counter(c.problem_id for c in kept)
    right = Counter(key for (key, _), outcome in outcomes.items() if outcome is CORRECT)
    ended = replayed(UntilRight(), outcomes)
    for state in ended:
        assert state.asked == asked[state.problem.id]
        assert state.correct == right[state.problem.id]
        assert state.reason == ("correct" if state.correct else "num_samples")
        assert state.asked == 6 or state.correct
    assert len(ended) == len(PROBLEMS)
    assert agenda.total == len(kept)
    assert not agenda.wave()


@given(st.data())
def test_a_rerun_asks_for_what_is_missing_and_nothing_else(data: st.DataObject) -> None:
    policy = data.draw(st.sampled_from([Fixed(4), UntilRight()]))
    outcomes = {
        (p.id, place): data.draw(st.sampled_from([CORRECT, WRONG]))
        for p in PROBLEMS[:3]
        for place in range(6)
    }

    def run(known: dict[str, dict[int, Known]]) -> tuple[dict[tuple[str, int], int], list]:
        noting = Noting(policy)
        agenda, made = Agenda(PROBLEMS[:3], ASKING, noting, known), {}
        while items := agenda.take(1):
            place = (items[0].problem.id, items[0].index)
            made[place] = items[0].attempt
            agenda.decide(place[0], outcomes[place])
        return made, sorted(noting.ended)

    whole, ended = run({})
    there = data.draw(st.sets(st.sampled_from(sorted(whole))))
    redone = data.draw(st.sets(st.sampled_from(sorted(there)))) if there else set()
    known: dict[str, dict[int, Known]] = {}
    for key, place in there:
        outcome, redo = outcomes[key, place], (key, place) in redone
        known.setdefault(key, {})[place] = Known(0, outcome, redo)
    again, ended_again = run(known)
    assert ended_again == ended
    assert again == {k: int(k in redone) for k in whole if k not in there or k in redone}


def test_the_wave_of_a_batch_teacher_shows_known_candidates_too() -> None:
    known = {PROBLEMS[0].id: {0: Known(0, WRONG)}}
    agenda = Agenda(PROBLEMS[:2], ASKING, UntilRight(), known)
    wave = agenda.wave()
    assert [(i.problem.row, i.index) for i in wave] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [agenda.known(i) for i in wave] == [True, False, False, False]
    for item in wave[1:]:
        agenda.decide(item.problem.id, CORRECT if item.problem.row else WRONG)
    assert [(i.problem.row, i.index) for i in agenda.wave()] == [(0, 2), (0, 3)]


def test_a_request_without_an_answer_costs_that_candidate_only() -> None:
    teacher = Fake(1, fails=[3, 7])
    kept = sampling(Agenda(PROBLEMS, ASKING, Fixed(2)), teacher, nobody)
    assert len(kept) == 22
    assert len(sampling.last.missing) == 2


def test_nothing_but_failures_ends_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HOPELESS", 5)
    teacher = Fake(1, fails=range(1000))
    with pytest.raises(NoAnswer, match=r"\d requests in a row"):
        sampling(Agenda(PROBLEMS, ASKING, Fixed(20)), teacher, nobody)
    assert len(teacher.asked) < 20


def test_the_budget_ends_it_and_what_is_under_way_is_kept() -> None:
    kept_by_then: list[int] = []
    teacher = Fake()

    def enough(under_way: int) -> bool:
        kept_by_then.append(under_way)
        return len(kept_by_then) > 20

    kept = sampling(Agenda(PROBLEMS, ASKING, Fixed(20)), teacher, nobody, enough=enough)
    assert sampling.last.stopped
    assert len(kept) == len(teacher.asked) == 20


def broken_decide(pairs: engine.Pairs) -> list[None]:
    raise StoreError("the disk is full")


@pytest.mark.parametrize("fault", ["decide", "teacher", "keep"])
def test_a_fault_ends_everything_at_once(fault: str) -> None:
    teacher = Fake()

    async def refuse(request: Request) -> list[Completion]:
        raise EndpointRefused("no such model")

    def full(candidate: Candidate) -> None:
        raise StoreError("the disk is full")

    if fault == "teacher":
        teacher.complete = refuse  # type: ignore[method-assign]
    decide = broken_decide if fault == "decide" else nobody
    keep = full if fault == "keep" else (lambda candidate: None)
    made = Sampling(teacher, Agenda(PROBLEMS, ASKING, Fixed(500)), 8, keep, decide)
    with pytest.raises(EndpointRefused if fault == "teacher" else StoreError):
        asyncio.run(made.run(5))
    assert sum(teacher.asked.values()) < 500


def test_slow_deciding_holds_requests_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAITING", 10)
    waiting: list[int] = []
    agenda, teacher = Agenda(PROBLEMS, ASKING, Fixed(20)), Fake()

    def slow(pairs: engine.Pairs) -> list[None]:
        waiting.append(len(pairs))
        return [None] * len(pairs)

    assert len(sampling(agenda, teacher, slow)) == 240
    assert max(waiting) <= 10 + 5
