"""bespokelabs-curator asking the stub.

    python -m venv VENVS/curator
    VENVS/curator/bin/pip install bespokelabs-curator
    VENVS/curator/bin/python -m benchmarks.peers.curator PORT REQUESTS IN_FLIGHT

Its limits are set far beyond the stub, so that only its concurrency bounds it; its telemetry
and its live table are off. It keeps answers in the home folder and takes them from there the next
time: a measurement needs an empty one.
"""

import os
import sysconfig

os.environ |= {
    "TELEMETRY_ENABLED": "false",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "TIKTOKEN_CACHE_DIR": sysconfig.get_path("purelib")
    + "/litellm/litellm_core_utils/tokenizers",  # carries the vocabulary that it would fetch
}

from bespokelabs import curator

from benchmarks.peers import asked
from benchmarks.sampling_clients import SETTINGS, question


def main() -> None:
    """Asks, and expects a row for every question."""
    port, requests, in_flight = asked()
    llm = curator.LLM(
        model_name="stub",
        backend="openai",
        generation_params={**SETTINGS, "seed": 1},
        backend_params={
            "base_url": f"http://127.0.0.1:{port}/v1",
            "api_key": "stub",
            "max_requests_per_minute": 10**8,
            "max_tokens_per_minute": 10**12,
            "max_concurrent_requests": in_flight,
        },
    )
    rows = llm([question(i) for i in range(requests)]).dataset
    full = sum("boxed" in row["response"] for row in rows)
    if full != requests:
        raise SystemExit(f"expected {requests} answers, got {full}")


if __name__ == "__main__":
    main()
