"""A ComfyUI server of its own with this pack in it, and what it says about a prompt."""

import io
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

PACK = Path(__file__).resolve().parents[2]
START_SECONDS = 240
RUN_SECONDS = 300
PICTURE, TEXT = 1, 3  # of the websocket's binary messages
ENDS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass(frozen=True)
class Comfy:
    """A ComfyUI checkout and the interpreter that runs it."""

    folder: Path
    python: str

    @property
    def version(self) -> str:
        words = (self.folder / "comfyui_version.py").read_text().split('"')
        return words[1]

    def knows_option(self, option: str) -> bool:
        return option in (self.folder / "comfy" / "cli_args.py").read_text()


@dataclass
class Outcome:
    """How one prompt ended: the websocket's messages and the outputs by node id."""

    messages: list[dict] = field(default_factory=list)
    previews: list[float] = field(default_factory=list)  # when each came, seconds
    live: list[np.ndarray] = field(default_factory=list)  # what they showed, RGB levels
    texts: list[tuple[str, str]] = field(default_factory=list)  # node id, text
    outputs: dict = field(default_factory=dict)
    error: str = ""
    rejection: dict = field(default_factory=dict)  # of a prompt that was not queued
    left_out: dict = field(default_factory=dict)  # errors by node, of one that was queued in part

    def of(self, kind: str) -> list[dict]:
        return [message["data"] for message in self.messages if message["type"] == kind]

    @property
    def ran(self) -> list[str]:
        """The nodes that were executed, not taken from the cache."""
        return [data["node"] for data in self.of("executing") if data["node"]]

    @property
    def faulty(self) -> set[str]:
        """The classes of the nodes that an error names, before the prompt ran or while it did."""
        if self.rejection:
            return {at["class_type"] for at in self.rejection["node_errors"].values()}
        return {data["node_type"] for data in self.of("execution_error")}

    def text(self, node: str) -> str:
        """The last text line on a node."""
        return ([text for where, text in self.texts if where == node] or [""])[-1]


class Server:
    def __init__(self, comfy: Comfy, folder: Path, *extra: str) -> None:
        self.comfy, self.base = comfy, folder
        for name in ("custom_nodes", "input", "output", "models", "temp", "user"):
            (folder / name).mkdir(parents=True)
        ignore = shutil.ignore_patterns(".git", ".venv*", "tests", "__pycache__", ".*_cache")
        shutil.copytree(PACK, folder / "custom_nodes" / "deep-image-blending", ignore=ignore)
        shutil.copy(PACK / "tests" / "comfy" / "probes.py", folder / "custom_nodes")
        # What files of 0.1.0 load; what the examples load is the pack's own work.
        shutil.copytree(PACK / "blending" / "demo", folder / "input", dirs_exist_ok=True)
        for name in ("guard.py", "faults.py"):
            shutil.copy(PACK / "tests" / name, folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        command = [comfy.python, "main.py", "--cpu"]
        command += ["--base-directory", str(folder), "--port", str(self.port)]
        command += ["--database-url", "sqlite:///:memory:", *extra]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=comfy.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1"},  # see tests/conftest.py on threads
                stdout=log,
                stderr=subprocess.STDOUT,
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
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
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

    def run(self, *prompts: dict, on_message: Callable[[dict], None] | None = None) -> Outcome:
        """Queue a prompt, follow it on the websocket to its end; of several, the last one's."""
        return self.run_all(*prompts, on_message=on_message)[-1]

    def run_all(
        self, *prompts: dict, on_message: Callable[[dict], None] | None = None
    ) -> list[Outcome]:
        """Queue all prompts at once, follow each to its end."""
        import websocket

        client = uuid.uuid4().hex
        link = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/ws?clientId={client}", timeout=RUN_SECONDS
        )
        try:
            queued = [self._queued(prompt, client) for prompt in prompts]
            for prompt_id, outcome in queued:
                if prompt_id is None:
                    continue
                while not _ended(link, dict(queued), prompt_id, on_message):
                    pass
                outcome.outputs = self._history(prompt_id)["outputs"]
            return [outcome for _, outcome in queued]
        finally:
            link.close()

    def _queued(self, prompt: dict, client: str) -> tuple[str | None, Outcome]:
        outcome = Outcome()
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
        except urllib.error.HTTPError as error:
            outcome.error = error.read().decode()
            outcome.rejection = json.loads(outcome.error)
            return None, outcome
        outcome.left_out = answer.get("node_errors") or {}
        return answer["prompt_id"], outcome

    def _history(self, prompt_id: str) -> dict:
        """The server writes it a moment after its last message."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = self.get(f"/history/{prompt_id}")
            if prompt_id in found:
                return found[prompt_id]
            time.sleep(0.05)
        raise RuntimeError(f"prompt {prompt_id} did not enter the history")

    def put(self, name: str, array: np.ndarray, mode: str | None = None) -> str:
        """Write a picture into the input folder."""
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(self.base / "input" / name)
        return name

    def saved(self, outcome: Outcome, node: str = "9") -> np.ndarray:
        """The picture that a SaveImage node wrote, RGB levels."""
        entry = outcome.outputs[node]["images"][0]
        query = f"/view?filename={entry['filename']}&type={entry['type']}&subfolder="
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{query}") as answer:
            return np.asarray(Image.open(answer).convert("RGB")).astype(int)

    def looked(self, outcome: Outcome, node: str) -> np.ndarray:
        """The tensor that a look() node saw, bit for bit."""
        return np.load(outcome.outputs[node]["file"][0])

    def memory(self) -> int:
        """Resident bytes of the server's process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1]
        return int(pages) * 4096

    def busy(self) -> float:
        """Seconds that the server's process has computed so far, on all cores together."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # proc(5): utime, stime


def _ended(link, outcomes: dict, prompt_id: str, on_message) -> bool:
    """Take in one message; whether it ends the prompt."""
    frame = link.recv()
    if isinstance(frame, bytes):
        said = _take_binary(frame, outcomes[prompt_id])
        if said and on_message:
            on_message({"type": "text", "data": said})
        return False
    message = json.loads(frame)
    outcome = outcomes.get(message.get("data", {}).get("prompt_id"))
    if outcome is None:
        return False
    outcome.messages.append(message)
    if on_message:
        on_message(message)
    if message["type"] == "execution_error":
        outcome.error = message["data"]["exception_message"]
    return message["type"] in ENDS and message["data"]["prompt_id"] == prompt_id


def _take_binary(frame: bytes, outcome: Outcome) -> dict | None:
    """Keep a picture or a text; node and text of the latter."""
    kind = struct.unpack(">I", frame[:4])[0]
    if kind != TEXT:
        outcome.previews.append(time.monotonic())
        if kind == PICTURE:
            outcome.live.append(np.asarray(Image.open(io.BytesIO(frame[8:])).convert("RGB")))
        return None
    length = struct.unpack(">I", frame[4:8])[0]
    node, text = frame[8 : 8 + length], frame[8 + length :]
    outcome.texts.append((node.decode(), text.decode()))
    return {"node": node.decode(), "text": text.decode()}
