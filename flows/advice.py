"""What a person may do about a round whose figures show a plain cause, in a sentence each.

Said at the end of a run, in its report and in a plan. Not covered: causes that only the texts show
(a prompt that misleads, golds that are wrong: `factory validate`).
"""

from collections.abc import Mapping

from rsfactory.records import Outcome, RoundReport
from rsfactory.store import CANDIDATES, Store

OFTEN = 0.1
"""Share of a round's candidates above which a cause is told."""


def of_round(report: RoundReport, store: Store) -> list[str]:
    """What stands out of a round's figures."""
    counts = {name.value: int(getattr(report, name.value)) for name in Outcome}
    limits = store.columns(CANDIDATES, report.round, ["max_tokens"])["max_tokens"]
    return advice(counts, max(limits, default=0), trains=report.accuracy is not None)


def advice(counts: Mapping[str, int], limit: int, *, trains: bool) -> list[str]:
    """What stands out, the most frequent cause first.

    Args:
        counts: Candidates by outcome.
        limit: Tokens that they might have, 0 where nobody was asked.
        trains: Whether a student is trained on them, so that they are not asked again.
    """
    sampled = sum(counts.values())
    enough = limit * (4 if 2 * counts.get("truncated", 0) > sampled else 2)
    again = "" if trains else ", which asks again for those alone"
    causes = {
        "truncated": f"reached the length limit of {limit:,} tokens; raise it with "
        f"--set sample.max_tokens={enough}{again}",
        "unparsed": "have no answer that was found; the prompt asks for a last line "
        '"Answer: ..." (docs/collect.md)',
        "unverifiable": "could not be decided, which does not count as wrong; why: the column "
        "reason of lineage (factory sql)",
    }
    if not limit:
        del causes["truncated"]
    often = [name for name in causes if counts.get(name, 0) > OFTEN * sampled]
    return [
        f"{counts[name]:,} of {sampled:,} candidates {causes[name]}"
        for name in sorted(often, key=lambda name: -counts[name])
    ]
