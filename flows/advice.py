"""What a person may do about a round whose figures show a plain cause, in a sentence each.

Said at the end of a run and in its report. Not covered: causes that only the texts show (a prompt
that misleads, golds that are wrong: `factory validate`).
"""

from rsfactory.records import RoundReport
from rsfactory.store import CANDIDATES, Store

OFTEN = 0.1
"""Share of a round's candidates from which on a cause is told."""


def length_limit(store: Store, round: int) -> int:
    """Tokens that the completions of a round might have; 0 where nobody was asked."""
    limits = store.columns(CANDIDATES, round, ["max_tokens"])["max_tokens"]
    return max(limits, default=0)


def advice(report: RoundReport, limit: int) -> list[str]:
    """What stands out, the most frequent cause first.

    Args:
        report: The round's.
        limit: Its completions' length limit, 0 where there was none.
    """
    trains = report.accuracy is not None
    again = "" if trains else ", which asks again for those alone"
    causes = {
        "truncated": f"reached the length limit of {limit:,} tokens; raise it with "
        f"--set sample.max_tokens={2 * limit}{again}",
        "unparsed": "have no answer that was found; the prompt asks for a last line "
        '"Answer: ..." (docs/collect.md)',
        "unverifiable": "could not be decided, which does not count as wrong; why: the column "
        "reason of lineage (factory sql)",
    }
    if not limit:
        del causes["truncated"]
    counts = {name: int(getattr(report, name)) for name in causes}
    often = [n for n in causes if counts[n] and counts[n] >= OFTEN * report.sampled]
    return [
        f"{counts[name]:,} of {report.sampled:,} candidates {causes[name]}"
        for name in sorted(often, key=lambda name: -counts[name])
    ]
