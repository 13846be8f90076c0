"""A real ComfyUI server with this pack in it; needs a checkout named by COMFYUI_DIR.

COMFYUI_PYTHON names the interpreter that runs it (default: this one).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
START_SECONDS = 120
RUN_SECONDS = 300


@dataclass
class Outcome:
    """How one prompt ended: the websocket's messages and the outputs by node id."""

    messages: list[dict]
    previews: int
    outputs: dict = field(default_factory=dict)
    error: str = ""

    def of(self, kind: str) -> list[dict]:
        return [message["data"] for message in self.messages if message["type"] == kind]


class Server:
    def __init__(self, folder: Path, extra: tuple[str, ...] = ()) -> None:
        self.base = folder
        for name in ("custom_nodes", "input", "output", "models", "temp", "user"):
            (folder / name).mkdir(parents=True)
        ignore = shutil.ignore_patterns(".git", ".venv*", "tests", "__pycache__", ".*_cache")
        shutil.copytree(PACK, folder / "custom_nodes" / "deep-image-blending", ignore=ignore)
        for picture in (PACK / "blending" / "demo").iterdir():
            shutil.copy(picture, folder / "input")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu"]
        command += ["--base-directory", str(folder), "--port", str(self.port)]
        command += ["--database-url", "sqlite:///:memory:", *extra]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=os.environ["COMFYUI_DIR"], stdout=log, stderr=subprocess.STDOUT
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def run(self, prompt: dict, on_message=lambda message: None) -> Outcome:
        """Queue a prompt, follow it on the websocket to its end."""
        import websocket

        client = uuid.uuid4().hex
        link = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/ws?clientId={client}", timeout=RUN_SECONDS
        )
        try:
            outcome = Outcome([], 0)
            try:
                queued = self.post("/prompt", {"prompt": prompt, "client_id": client})
            except urllib.error.HTTPError as error:
                outcome.error = error.read().decode()
                return outcome
            while not self._ended(link, outcome, queued["prompt_id"], on_message):
                pass
            outcome.outputs = self._history(queued["prompt_id"])["outputs"]
            return outcome
        finally:
            link.close()

    def _history(self, prompt_id: str) -> dict:
        """The server writes it a moment after its last message."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = self.get(f"/history/{prompt_id}")
            if prompt_id in found:
                return found[prompt_id]
            time.sleep(0.05)
        raise RuntimeError(f"prompt {prompt_id} did not enter the history")

    @staticmethod
    def _ended(link, outcome: Outcome, prompt_id: str, on_message) -> bool:
        frame = link.recv()
        if isinstance(frame, bytes):
            outcome.previews += 1
            return False
        message = json.loads(frame)
        if message.get("data", {}).get("prompt_id") != prompt_id:
            return False
        outcome.messages.append(message)
        on_message(message)
        if message["type"] == "execution_error":
            outcome.error = message["data"]["exception_message"]
        return message["type"] in (
            "execution_success",
            "execution_error",
            "execution_interrupted",
        )


def _started(folder: Path, *extra: str):
    server = Server(folder, extra)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if not os.environ.get("COMFYUI_DIR"):
        pytest.skip("COMFYUI_DIR is not set: NO TEST AGAINST A REAL COMFYUI WAS RUN")
    yield from _started(tmp_path_factory.mktemp("comfy") / "base")


@pytest.fixture(scope="session")
def half_server(tmp_path_factory):
    """A server with half-precision intermediates; older versions don't know the option."""
    if not os.environ.get("COMFYUI_DIR"):
        pytest.skip("COMFYUI_DIR is not set: NO TEST AGAINST A REAL COMFYUI WAS RUN")
    options = Path(os.environ["COMFYUI_DIR"], "comfy", "cli_args.py").read_text()
    if "--fp16-intermediates" not in options:
        pytest.skip("this ComfyUI has no --fp16-intermediates")
    yield from _started(tmp_path_factory.mktemp("half") / "base", "--fp16-intermediates")
