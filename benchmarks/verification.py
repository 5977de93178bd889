"""Verification measured beside what others use: right and wrong, hostile input, rows a second.

    python -m benchmarks.verification math --material FOLDER [--json FILE] [--only speed]

Each part prints its tables while it works and, at the end, one JSON document (or writes it to
``--json``). Everything runs in this one process's pool with one worker, both on one core, so rates
are per core; the verdict cache is off. Timings on a machine in use say little: run it alone.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import verification_code, verification_math

PARTS: dict[str, Callable[[Path, list[str]], dict[str, Any]]] = {
    "math": verification_math.run,
    "code": verification_code.run,
}


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[*PARTS], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="sections of a part, by name")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = {part: PARTS[part](options.material, options.only) for part in options.parts}
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
