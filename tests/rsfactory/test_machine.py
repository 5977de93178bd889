"""Open files: the limit is raised where it may be, and never passed. In processes of their own."""

import subprocess
import sys

import pytest

ASK = """
import resource, sys
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from rsfactory.machine import sockets
print(sockets(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "may", "after"),
    [
        (300, 300, 100, 100, 300),
        (300, 300, 512, 172, 300),
        (300, 900, 512, 512, 640),
        (300, 500, 512, 372, 500),
        (100, 100, 512, 1, 100),
    ],
)
def test_sockets(soft: int, hard: int, wanted: int, may: int, after: int) -> None:
    words = [sys.executable, "-c", ASK, str(soft), str(hard), str(wanted)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(may), str(after)]
