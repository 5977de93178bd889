"""distilabel asking the stub.

    python -m venv VENVS/distilabel
    VENVS/distilabel/bin/pip install 'distilabel[openai]' requests
    VENVS/distilabel/bin/python -m benchmarks.peers.distilabel PORT REQUESTS IN_FLIGHT

A batch is asked at once and the next one waits for it, so the batch is what may be under way. It
has no seed to be set. Logs are off: a line for every request would cost more than the request.
(1.5.3 does not name ``requests``, which it imports.)
"""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "DISTILABEL_LOG_LEVEL": "WARNING"}

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration

from benchmarks.peers import asked
from benchmarks.sampling_clients import SETTINGS, question


def main() -> None:
    """Asks, and expects a row for every question."""
    port, requests, in_flight = asked()
    settings = {"max_new_tokens": SETTINGS["max_tokens"], "temperature": SETTINGS["temperature"]}
    with Pipeline(name="stub") as pipeline:
        rows = [{"instruction": question(i)} for i in range(requests)]
        load = LoadDataFromDicts(data=rows, batch_size=in_flight)
        llm = OpenAILLM(
            model="stub",
            base_url=f"http://127.0.0.1:{port}/v1",
            api_key="stub",
            generation_kwargs=settings,
        )
        load >> TextGeneration(llm=llm, input_batch_size=in_flight)  # type: ignore[operator]
    made = pipeline.run(use_cache=False)["default"]["train"]
    full = sum("boxed" in (row["generation"] or "") for row in made)
    if full != requests:
        raise SystemExit(f"expected {requests} answers, got {full}")


if __name__ == "__main__":
    main()
