"""One thing that `factory doctor` looked at, and how it is shown."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    required: bool = True
    """Whether a run on the shipped recipe fails without it."""
    more: str = ""
    """What `--json` says besides."""
    group: str = ""
    """Findings of a group are one line where all is well."""


def shown(finding: Finding) -> dict[str, object]:
    """A finding as ``--json`` shows it."""
    found = f"{finding.found}{finding.more}"
    return {"name": finding.name, "ok": finding.ok, "found": found, "advice": finding.advice}


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Findings for people: those of a group together, and each one that is not well by itself."""
    for group, found in groupby(findings, key=lambda finding: finding.group):
        members = list(found)
        if group:
            fine = sum(one.ok for one in members)
            if fine:
                whole = f"{fine} of {len(members)} as wanted"
                yield line(Finding(name=group, ok=fine == len(members), found=whole))
            members = [one for one in members if not one.ok]
        yield from map(line, members)


def line(finding: Finding) -> str:
    """A finding, and below it what to do."""
    mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
    advice = f"\n       {finding.advice}" if finding.advice else ""
    return f"{mark}  {finding.name:<15} {finding.found}{advice}"
