"""``judge``: a language model decides, by a rubric; for proofs and for answers in words.

Each of `votes` votes is two requests to the judge's teacher (`filters.verify.judge_prompt` says why
and how the text that is judged is kept from writing the verdict). A vote is ``correct`` or
``wrong`` where both layouts say so. The outcome is what at least the share `agreement` of all votes
says; `Verdict.share` is that share, `Verdict.results` has every vote. Everything else is our fault
and UNVERIFIABLE: votes that disagree, contradict themselves, are unreadable, cut off, refused or
undecided, and a teacher that fails. WRONG is only ever said by the judge.

Texts that answer nothing (`filters.verify.judge_blank`) are UNPARSED before a judge is asked. A
cut-off completion is TRUNCATED. Thinking is not shown to the judge.

A verdict's version is ``1+`` and a hash of the prompt, the rubric, the teacher's identity and the
settings: another judge is another verifier. Not covered: how good a judge is; measure it on
labelled rows before trusting it. A judge trained on its own verdicts learns to please itself.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, replace

from filters.verify import judge_prompt
from filters.verify.exact import normal
from filters.verify.extract import visible
from filters.verify.judge_blank import says_nothing
from filters.verify.judge_prompt import BadRubric, Sheet
from filters.verify.judge_reading import read
from filters.verify.verdicts import Stamp, shorten, unanswered, verdict
from rsfactory.contracts import Completion, Message, Request, Teacher
from rsfactory.errors import FactoryError, Stopped
from rsfactory.ids import content_id, seed_of
from rsfactory.records import Candidate, Outcome, Problem, Verdict

LONGEST = 40_000
"""Characters of an attempt that a judge is shown; no judge reads more without losing the thread."""
FAILED = "the judge failed"
"""Begins the reason of a verdict whose judge did not answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmJudge:
    """A `rsfactory.contracts.Judge` with its settings."""

    name = "judge"
    version = "1"

    rubric: str
    """Name in `judge_prompt.RUBRICS` or a text, for problems without a rubric of their own."""
    votes: int
    agreement: float
    """Share of all votes that must say the same; above a half."""
    temperature: float
    max_tokens: int
    """Of one answer of the judge."""

    async def judge(self, problem: Problem, candidate: Candidate, teacher: Teacher) -> Verdict:
        """The verdict; never raises for what a model wrote or a teacher failed at.

        Raises:
            Stopped: A budget or a signal ended the work.
        """
        began = time.monotonic()
        text = visible(candidate.completion).strip()
        try:
            rubric = judge_prompt.rubric_for(problem, self.rubric)
        except BadRubric as error:
            stamp = self._stamp("", teacher)
            return verdict(stamp, candidate, Outcome.UNVERIFIABLE, str(error), began=began)
        stamp = self._stamp(rubric, teacher)
        if unasked := _unasked(stamp, problem, candidate, text, began):
            return unasked
        try:
            sheets = judge_prompt.sheets(problem, text, rubric)
            answers = await self._answers(sheets, candidate, teacher)
        except Stopped:
            raise
        except FactoryError as error:
            reason = f"{FAILED}: {shorten(str(error), 300)}"
            return verdict(stamp, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        votes = [
            _vote(_ruling(one, sheets[0]), _ruling(other, sheets[1]))
            for one, other in zip(*answers, strict=True)
        ]
        return _with_costs(self._decide(stamp, candidate, votes, began), answers)

    async def _answers(
        self, sheets: tuple[Sheet, Sheet], candidate: Candidate, teacher: Teacher
    ) -> list[list[Completion]]:
        """What is said to each layout, a completion a vote; both are asked at once."""
        asked = (teacher.complete(self._request(sheet, candidate)) for sheet in sheets)
        return list(await asyncio.gather(*asked))

    def _decide(
        self, stamp: Stamp, candidate: Candidate, votes: list[str], began: float
    ) -> Verdict:
        counts = Counter(votes)
        ruling = max(("correct", "wrong"), key=lambda word: counts[word])
        share = counts[ruling] / len(votes)
        if share >= self.agreement:
            outcome = Outcome(ruling)
            reason = f"{counts[ruling]} of {len(votes)} votes say {ruling}"
        else:
            outcome = Outcome.UNVERIFIABLE
            said = ", ".join(f"{count} {vote}" for vote, count in counts.most_common())
            reason = f"less than {self.agreement:g} of {len(votes)} votes say the same: {said}"
        return verdict(
            stamp, candidate, outcome, reason, began=began, results=votes, share=share
        )  # fmt: skip

    def _request(self, sheet: Sheet, candidate: Candidate) -> Request:
        seeds = tuple(seed_of(sheet.label, candidate.id, vote) for vote in range(self.votes))
        return Request(
            messages=(Message("user", sheet.text),),
            seeds=seeds,
            temperature=self.temperature,
            top_p=1.0,
            max_tokens=self.max_tokens,
        )

    def _stamp(self, rubric: str, teacher: Teacher) -> Stamp:
        """Name and version of this judge with a rubric and a teacher."""
        prompt = (judge_prompt.TASK, judge_prompt.COMMON, judge_prompt.RIGHT, judge_prompt.WRONG)
        settings = (self.votes, self.agreement, self.temperature, self.max_tokens)
        key = content_id("j", prompt, rubric, teacher.identity, settings)
        return Stamp(self.name, f"{self.version}+{key[2:10]}")


def _with_costs(verdict: Verdict, answers: list[list[Completion]]) -> Verdict:
    """The verdict with what it took; the completion that has its prompt stands for a request."""
    made = [completion for answer in answers for completion in answer]
    return replace(
        verdict,
        requests=sum(one.requests for one in made if one.prompt_tokens),
        prompt_tokens=sum(one.prompt_tokens for one in made),
        tokens=sum(one.tokens for one in made),
    )


def _unasked(
    stamp: Stamp, problem: Problem, candidate: Candidate, text: str, began: float
) -> Verdict | None:
    """The verdict on a text that no judge need see; None for any other."""
    if candidate.finish_reason == "length":
        return unanswered(stamp, candidate, "the attempt is not finished", began=began)
    gold = normal(problem.answer)
    if says_nothing(text) and not (gold and normal(text) == gold):
        return unanswered(stamp, candidate, f"no answer in {shorten(text)!r}", began=began)
    if len(text) > LONGEST:
        reason = f"too long to be judged ({len(text)} characters, at most {LONGEST})"
        return verdict(stamp, candidate, Outcome.UNVERIFIABLE, reason, began=began)
    return None


def _ruling(completion: Completion, sheet: Sheet) -> str:
    """``correct``, ``wrong``, ``undecided``, or why there is none."""
    if completion.finish_reason == "length":
        return "cut off"
    if completion.finish_reason == "content_filter":
        return "unreadable (the judge refused)"
    found = read(completion.text, sheet.label, sheet.meaning)
    return f"unreadable ({found.why})" if found.word is None else sheet.meaning[found.word]


def _vote(first: str, second: str) -> str:
    """One vote from the rulings of both layouts; what failed in either is named."""
    if first == second:
        return first
    for ruling in (first, second):
        if ruling not in ("correct", "wrong", "undecided"):
            return ruling
    return "undecided" if "undecided" in (first, second) else "contradicts itself"
