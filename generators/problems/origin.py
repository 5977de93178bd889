"""Where golds come from: the licence of a source, and how its gold answers were obtained.

Both stand on every row. What the user says comes first (of a row in a column, of a source in the
recipe), then what is known: a generator knows both, the Hub's card names a licence, and a format
tells how the golds of the set that it was made for were obtained. Others copy formats, so a format
names a licence only where its columns belong to one data set alone; elsewhere it is ``unknown``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"
SHOWN = 4
"""Different values that a summary names."""

_SPDX = {
    "mit": "MIT", "apache-2.0": "Apache-2.0", "bsd": "BSD", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "odc-by": "ODC-By-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0",
    "unlicense": "Unlicense", "gpl-3.0": "GPL-3.0", "lgpl-3.0": "LGPL-3.0", "mpl-2.0": "MPL-2.0",
    "wtfpl": "WTFPL", "isc": "ISC",
}  # fmt: skip
"""Names of the Hub's cards, which are in lower case, as SPDX writes them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Licence and provenance, each ``unknown`` where nobody says."""

    licence: str = UNKNOWN
    provenance: str = UNKNOWN

    def over(self, other: "Origin") -> "Origin":
        """This one, with the other's where this one does not know."""
        return Origin(
            self.licence if self.licence != UNKNOWN else other.licence,
            self.provenance if self.provenance != UNKNOWN else other.provenance,
        )


NOWHERE = Origin()

GSM8K = Origin(provenance="worked out by people (format of GSM8K)")
MATH = Origin(provenance="written by people (format of MATH)")
MATH_OWN = Origin("MIT", "written by people (MATH)")
COMMONSENSE = Origin("MIT", "chosen by crowd workers (CommonsenseQA)")
HUMAN_EVAL = Origin(provenance="program and tests written by people (format of HumanEval)")
HUMAN_EVAL_OWN = Origin("MIT", "program and tests written by people (HumanEval)")
MBPP = Origin(provenance="program and tests written by people (format of MBPP)")
MBPP_OWN = Origin("CC-BY-4.0", "program and tests written by crowd workers (MBPP)")
APPS = Origin(provenance="programs and tests collected from contests (format of APPS)")
KNIGHTS = Origin(provenance="computed by a generator (format of knights and knaves)")
SEARCHED = Origin(provenance="found here by exhaustive search in exact arithmetic")


def of_row(row: Mapping[str, Any], columns: Mapping[str, str]) -> Origin:
    """What a row says in its own columns, or in those that a mapping names."""
    licence = _said(row, columns.get("licence"), ("licence", "license"))
    return Origin(licence, _said(row, columns.get("provenance"), ("provenance",)))


def of_card(value: Any) -> str:
    """The licence of a Hub card (a name, or a list of them) as SPDX writes it."""
    if isinstance(value, list):
        return listed(of_card(one) for one in value) if value else UNKNOWN
    name = str(value or "").strip()
    if name.lower().startswith("cc-") or name.lower().startswith("cc0-"):
        return name.upper()
    return _SPDX.get(name.lower(), name) or UNKNOWN


def listed(values: Iterable[str]) -> str:
    """Different values in their order, the first few by name."""
    different = list(dict.fromkeys(values))
    more = len(different) - SHOWN
    return ", ".join(different[:SHOWN]) + (f", and {more} more" if more > 0 else "") or UNKNOWN


def _said(row: Mapping[str, Any], mapped: str | None, names: tuple[str, ...]) -> str:
    for name in (mapped,) if mapped else names:
        value = row.get(name) if name else None
        if isinstance(value, str) and value.strip():
            return value.strip().encode(errors="replace").decode()  # half a character is none
    return UNKNOWN
