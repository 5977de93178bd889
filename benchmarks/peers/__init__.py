"""Other tools asking the stub, each with its own client and in a virtual environment of its own.

They keep things in the home folder and below the current one; `benchmarks.sampling` gives them an
empty home, and removes it.
"""

import sys


def asked() -> tuple[int, int, int]:
    """Port, requests and how many of them under way, from the command line."""
    port, requests, in_flight = map(int, sys.argv[1:4])
    return port, requests, in_flight
