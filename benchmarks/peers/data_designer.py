"""data-designer asking the stub.

    python -m venv VENVS/data-designer
    VENVS/data-designer/bin/pip install data-designer
    VENVS/data-designer/bin/python -m benchmarks.peers.data_designer PORT REQUESTS IN_FLIGHT

The questions are its seed data set, the answers one text column; its telemetry is off.
"""

import os
import tempfile

os.environ["NEMO_TELEMETRY_ENABLED"] = "false"

import data_designer.config as dd
import pandas as pd
from data_designer.interface import DataDesigner

from benchmarks.peers import asked
from benchmarks.sampling_clients import SETTINGS, question


def main() -> None:
    """Asks, and expects a row for every question."""
    port, requests, in_flight = asked()
    address = f"http://127.0.0.1:{port}/v1"
    provider = dd.ModelProvider(name="stub", endpoint=address, api_key="stub")
    parameters = dd.ChatCompletionInferenceParams(
        max_parallel_requests=in_flight, extra_body={"seed": 1}, **SETTINGS
    )
    model = dd.ModelConfig(
        alias="stub",
        model="stub",
        provider="stub",
        inference_parameters=parameters,
        skip_health_check=True,
    )
    plan = dd.DataDesignerConfigBuilder(model_configs=[model])
    questions = pd.DataFrame({"question": [question(i) for i in range(requests)]})
    plan.with_seed_dataset(dd.DataFrameSeedSource(df=questions))
    plan.add_column(
        dd.LLMTextColumnConfig(name="answer", model_alias="stub", prompt="{{ question }}")
    )
    with tempfile.TemporaryDirectory() as folder:
        designer = DataDesigner(artifact_path=folder, model_providers=[provider])
        made = designer.create(plan, num_records=requests).load_dataset()
        full = int(made["answer"].str.contains("boxed").sum())
    if full != requests:
        raise SystemExit(f"expected {requests} answers, got {full}")


if __name__ == "__main__":
    main()
