import asyncio
import json
from collections.abc import Sequence

import pytest

from generators.prompts import pick
from generators.sample import Asking, PlannedShard, canonical, plan, sample_planned
from generators.teachers import ScriptedTeacher
from rsfactory.contracts import Completion, Request
from rsfactory.errors import ChildDied
from rsfactory.ids import seed_of
from rsfactory.records import Problem

SETTINGS = '{"temperature": 0.9, "top_p": 1.0, "seed": 7}'


def make(number: int) -> Problem:
    prompt, answer = f"How much is {number} + 1?", str(number + 1)
    return Problem(
        id=Problem.key("t", prompt, answer), source="t", split="train", domain="math",
        verifier="math", prompt=prompt, answer=answer, choices=[], solution=None, row=number,
    )  # fmt: skip


PROBLEMS = [make(i) for i in range(10)]


def planned(
    problems: Sequence[Problem] = PROBLEMS, num_samples: int = 2, shard_size: int = 4, **changes
) -> list[PlannedShard]:
    hinted = changes.get("hinted", False)
    settings = {
        "prompt_for": lambda problem: pick(None, problem, hinted=hinted),
        "teacher": "scripted:0.5",
        "sampling": canonical(json.loads(changes.pop("sampling", SETTINGS))),
        "round": 1,
    }
    asking = Asking(**{**settings, **changes})
    return plan(problems, asking, num_samples=num_samples, shard_size=shard_size)


def sampled(shards, teacher, **more):
    return [
        c for s in shards for c in asyncio.run(sample_planned(teacher, s, max_tokens=64, **more))
    ]


def test_more_samples_only_add_shards() -> None:
    two, three = planned(num_samples=2), planned(num_samples=3)
    assert [s.id for s in three][: len(two)] == [s.id for s in two]
    assert [len(s.items) for s in three] == [4, 4, 2] * 3
    assert len({s.id for s in three}) == 9


def test_every_problem_comes_num_samples_times_with_indices_that_go_on() -> None:
    first = {PROBLEMS[0].id: 5}
    items = [item for shard in planned(num_samples=3, first_index=first) for item in shard.items]
    assert len({item.id for item in items}) == 30
    indices = {p.id: [i.index for i in items if i.problem.id == p.id] for p in PROBLEMS}
    assert indices.pop(PROBLEMS[0].id) == [5, 6, 7]
    assert all(found == [0, 1, 2] for found in indices.values())


@pytest.mark.parametrize(
    "change",
    [
        {"sampling": SETTINGS.replace("7", "8")},
        {"teacher": "k-1"},
        {"hinted": True},
        {"first_index": {p.id: 2 for p in PROBLEMS}},
    ],
)
def test_other_seed_teacher_prompt_or_index_is_another_candidate(change) -> None:
    ids = [{i.id for s in shards for i in s.items} for shards in (planned(), planned(**change))]
    assert not ids[0] & ids[1]


def test_the_key_does_not_depend_on_layout_round_or_how_json_is_written() -> None:
    loose = '{"seed":7,   "top_p":1.0, "temperature":0.9}'
    for change in ({"shard_size": 3}, {"round": 2}, {"sampling": loose}):
        ids = [{i.id for s in shards for i in s.items} for shards in (planned(), planned(**change))]
        assert ids[0] == ids[1]


def test_no_problems_no_shards() -> None:
    assert planned([]) == []


def test_candidates_come_in_order_with_their_seeds_and_again_the_same() -> None:
    teacher = ScriptedTeacher(0.5, PROBLEMS)
    shards = planned()
    candidates = sampled(shards, teacher)
    assert [c.id for c in candidates] == [item.id for shard in shards for item in shard.items]
    assert all(c.seed == seed_of(c.id) and c.max_tokens == 64 for c in candidates)
    assert candidates == sampled(shards, ScriptedTeacher(0.5, PROBLEMS), concurrency=1)


class Recording:
    """Answers with the prompt, and counts how many requests are under way."""

    identity = "recording"

    def __init__(self) -> None:
        self.now = self.most = 0

    async def complete(self, request: Request) -> list[Completion]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        text = request.messages[-1].content
        return [Completion(text=text, finish_reason="stop", prompt_tokens=1, tokens=3)]

    def close(self) -> None:
        pass


def test_concurrency_bounds_the_requests_under_way_and_progress_counts_up() -> None:
    teacher, told = Recording(), []
    [shard, *_] = planned(shard_size=10)
    run = sample_planned(
        teacher, shard, max_tokens=9, concurrency=3, progress=lambda *now: told.append(now)
    )
    assert len(asyncio.run(run)) == 10
    assert teacher.most == 3
    assert told == [(n, 3 * n) for n in range(1, 11)]


def test_only_hinted_requests_carry_the_answer() -> None:
    problem = make(12345678)
    for hinted in (False, True):
        [candidate] = sampled(planned([problem], num_samples=1, hinted=hinted), Recording())
        assert (problem.answer in candidate.completion) is hinted
        assert candidate.hinted is hinted


class Dying(Recording):
    async def complete(self, request: Request) -> list[Completion]:
        if "3 + 1" in request.messages[-1].content:
            raise ChildDied("gone")
        return await super().complete(request)


def test_a_teacher_that_dies_ends_the_shard_with_its_own_error() -> None:
    with pytest.raises(ChildDied, match="gone"):
        sampled(planned(), Dying())
