"""When a problem has been asked often enough: policies as pure functions of two counts.

A policy is a set of stopping points (asked, correct), looked at only at certain counts of
candidates, the looks: every count from `first` to 8, after that in steps of a quarter of what was
asked, and the bound. A wave goes to the first look at which the problem could stop at all, so that
it contains no candidate which asking one by one would have left out: up to 8 candidates nothing is
overshot, later less than a quarter. Waves therefore change how long a problem takes and never where
it stops, and the estimates of `generators.pass_rates` need nothing but the two counts.

What the caller must keep to

- `asked` counts candidates with a verdict that is a trial: correct, wrong, unparsed, truncated.
  Unverifiable ones are our fault and say nothing about the pass rate; they do not count, and
  `wanted` asks for others in their place (the caller bounds how many). Nor do hinted ones.
- It is called when none of the problem's candidates is under way. Short answers come first and are
  right more often: counting a wave half done would favour them.
- A problem that the budget cuts is treated as if its bound had been the count it got to. That is
  unbiased as long as when the budget ends does not depend on this problem's own answers, and as
  long as what was under way is either waited for or not counted.

What is not covered: several teachers for one problem, and pass rates that change while it is asked.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from rsfactory.recipe import AdaptiveSection
from rsfactory.records import Outcome
from rsfactory.stats import wilson

STEP = 4
"""A look comes after a quarter more candidates, or one: what may be overshot against waiting."""
REASONS = ("correct", "interval", "difficulty", "hopeless", "num_samples")
"""Why a problem stops; ``num_samples`` is the bound, and all there is for ``fixed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A stopping rule; equal settings are equal policies."""

    name: str
    """``fixed``, ``correct``, ``interval`` or ``difficulty``."""
    num_samples: int
    """Candidates of a problem at most."""
    correct: int = 1
    """Right candidates: where ``correct`` stops; of a problem never right for ``difficulty``."""
    width: float = 0.4
    """Of Wilson's 95% interval, where ``interval`` stops."""
    first: int = 1
    """The first look."""
    hopeless: int | None = None
    """Look from which on a problem without a right candidate stops."""

    def wanted(self, asked: int, correct: int) -> int:
        """How many more candidates to ask for now; 0 stops.

        Args:
            asked: Candidates with a verdict that counts as a trial; none is under way.
            correct: How many of them are right.

        Raises:
            ValueError: More are correct than asked, or a count is negative.
        """
        _check(asked, correct)
        return _wave(self, asked, correct)

    def reason(self, asked: int, correct: int) -> str:
        """Why it stops here, one of `REASONS`; empty while it goes on.

        Raises:
            ValueError: More are correct than asked, or a count is negative.
        """
        _check(asked, correct)
        return _reason(self, asked, correct)


def policy_of(section: AdaptiveSection, num_samples: int) -> Policy:
    """The policy that a recipe names.

    Args:
        section: The recipe's ``adaptive``.
        num_samples: The recipe's ``sample.num_samples``, the bound of every policy.
    """
    return Policy(
        name=section.policy,
        num_samples=num_samples,
        correct=section.correct,
        width=section.width,
        first=section.first,
        hopeless=section.hopeless,
    )


def trial(outcome: Outcome) -> bool | None:
    """Whether a verdict's candidate is right; None where it is no trial and does not count."""
    return None if outcome is Outcome.UNVERIFIABLE else outcome is Outcome.CORRECT


def target(policy: Policy, asked: int, correct: int) -> int:
    """Right candidates that ``difficulty`` is after: in proportion to the share that fails.

    ceil(policy.correct * (1 - pass rate)) and at least 1, after Prop2Diff (Tong et al. 2024,
    arXiv 2407.13690), which gives the hardest problem most and the easiest one. The pass rate is
    Laplace's (correct + 1) / (asked + 2), so that one lucky answer does not end a hard problem.
    """
    wrong = asked - correct
    return max(1, -(-policy.correct * (wrong + 1) // (asked + 2)))


@lru_cache(256)
def looks(policy: Policy) -> tuple[int, ...]:
    """Counts of candidates at which a problem may stop, ascending; the last is the bound."""
    bound = policy.num_samples
    counts = {bound, *([policy.hopeless] if policy.hopeless else [])}
    count = policy.first
    while policy.name != "fixed" and count < bound:
        counts.add(count)
        count += max(1, count // STEP)
    return tuple(sorted(c for c in counts if c <= bound))


@lru_cache(1 << 17)
def _wave(policy: Policy, asked: int, correct: int) -> int:
    if _reason(policy, asked, correct):
        return 0
    at = looks(policy)
    for look in at[bisect_right(at, asked) :]:
        best = correct + look - asked
        if any(_reason(policy, look, right) for right in range(correct, best + 1)):
            return look - asked
    raise AssertionError("the bound is a look at which everything stops")


@lru_cache(1 << 17)
def _reason(policy: Policy, asked: int, correct: int) -> str:
    at = looks(policy)
    if asked >= policy.num_samples or at[max(0, bisect_right(at, asked) - 1)] == asked:
        if _reached(policy, asked, correct):
            return policy.name
        if policy.hopeless and correct == 0 and asked >= policy.hopeless:
            return "hopeless"
    return "num_samples" if asked >= policy.num_samples else ""


def _reached(policy: Policy, asked: int, correct: int) -> bool:
    if policy.name == "correct":
        return correct >= policy.correct
    if policy.name == "interval":
        share = wilson(correct, asked)
        return share.high - share.low <= policy.width
    return policy.name == "difficulty" and correct >= target(policy, asked, correct)


def _check(asked: int, correct: int) -> None:
    if not 0 <= correct <= asked:
        raise ValueError(f"expected 0 <= correct <= asked, got {correct} of {asked}")
