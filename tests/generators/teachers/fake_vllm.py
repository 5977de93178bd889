"""A FAKE of vLLM's server for tests of starting, watching and ending one; it has no model.

It takes vLLM's options, starts an engine process as vLLM does (one that ignores SIGTERM and does
not notice that its parent ends), answers /health, /v1/models and requests, and fails on demand by
the environment variable FAKE_VLLM: ``refuse`` (ends while it loads), ``never`` (never healthy),
``slow`` (healthy after a second), ``slower`` (after seven), ``die`` (ends at the first request),
``stuck`` (never answers), ``full`` (answers when 200 requests wait).
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENGINE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
LOCK = threading.Lock()
MODE = os.environ.get("FAKE_VLLM", "")
FULL = threading.Barrier(200)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._say(200, {})
        elif self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}":
            self._say(200, {"data": [{"id": self.name}]})
        else:
            self._say(401, {"error": "Unauthorized"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self._say(401, {"error": "Unauthorized"})
        if MODE == "die":
            with LOCK:
                os.write(2, b"(EngineCore) ERROR ValueError: the fake engine had enough\n")
                os.write(2, b"EngineDeadError: see stack trace above\n")
                os._exit(9)
        if MODE == "stuck":
            time.sleep(600)
        if MODE == "full":
            FULL.wait(20)
        message = {"role": "assistant", "content": f"fake {body['seed']}"}
        choice = {"index": 0, "message": message, "text": "plain", "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        self._say(200, {"id": "x", "choices": [choice], "usage": usage})

    def _say(self, status: int, document: dict) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--lora-modules")
    options, others = parser.parse_known_args()
    Handler.name = (options.lora_modules or options.served_model_name).partition("=")[0]
    engine = subprocess.Popen([sys.executable, "-c", ENGINE], start_new_session=True)
    Path(os.environ["FAKE_VLLM_NOTE"]).write_text(
        json.dumps(
            {
                "server": os.getpid(),
                "engine": engine.pid,
                "keeper": os.getppid(),
                "folder": os.environ["TMPDIR"],
                "port": options.port,
                "options": others,
                "command": Path("/proc/self/cmdline").read_text().split("\0"),
            }
        )
    )
    if MODE == "refuse":
        print("OSError: the fake model is broken", file=sys.stderr)
        sys.exit("RuntimeError: Engine core initialization failed. See root cause above.")
    if MODE == "never":
        time.sleep(600)
    time.sleep({"slow": 1, "slower": 7}.get(MODE, 0))
    ThreadingHTTPServer.request_queue_size = 256
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
