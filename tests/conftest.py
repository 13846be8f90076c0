"""What several test modules share: photographs, noise, and a network with random weights."""

import copy
import struct

import pytest

from blending.cli.waiting import wait_briefly

wait_briefly()  # before torch is loaded: two workers of the tests spin ten times as long otherwise

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from skimage import data  # noqa: E402

from blending.network import vgg16  # noqa: E402
from blending.network.vgg16 import load_features  # noqa: E402
from tests.narrow import NARROW  # noqa: E402

# Simonyan & Zisserman 2014, configuration D up to conv4_3: torchvision's index, inputs, outputs.
CONVOLUTIONS = (
    (0, 3, 64),
    (2, 64, 64),
    (5, 64, 128),
    (7, 128, 128),
    (10, 128, 256),
    (12, 256, 256),
    (14, 256, 256),
    (17, 256, 512),
    (19, 512, 512),
    (21, 512, 512),
)

# Small pictures gain nothing from a second thread, and lose tenfold where another process has it.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    """torch seeds its own generator anew in every process: what a test draws is the same again."""
    torch.manual_seed(0)


def seeded_tensors(narrowing=1):
    """Seeded VGG16 tensors, scaled so that activations neither vanish nor explode."""
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for index, inputs, outputs in CONVOLUTIONS:
        inputs, outputs = (n if n == 3 else n // narrowing for n in (inputs, outputs))
        spread = (2 / (9 * inputs)) ** 0.5
        weight = spread * torch.randn(outputs, inputs, 3, 3, generator=generator)
        tensors[f"features.{index}.weight"] = weight
        tensors[f"features.{index}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    return tensors


@pytest.fixture(scope="session")
def random_tensors():
    """Of VGG16's own sizes."""
    return seeded_tensors()


@pytest.fixture(scope="session")
def random_weights(random_tensors, tmp_path_factory):
    """The path of a safetensors file with random weights."""
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(random_tensors, path)
    return path


@pytest.fixture(scope="session")
def loaded_network(random_weights):
    return load_features(random_weights, "standardised")


@pytest.fixture
def wide_network(loaded_network):
    """A fresh network of VGG16's own width, with random weights."""
    return copy.deepcopy(loaded_network)


@pytest.fixture(scope="session")
def narrow_network():
    """See `tests.narrow`."""
    with pytest.MonkeyPatch.context() as patch:
        narrow = [tuple(n // NARROW for n in block) for block in vgg16._BLOCKS]
        patch.setattr(vgg16, "_BLOCKS", narrow)
        return vgg16.Features(seeded_tensors(NARROW), "standardised")


@pytest.fixture
def network(narrow_network):
    """A fresh narrow network with random weights; stages may change its dtype."""
    return copy.deepcopy(narrow_network)


@pytest.fixture(scope="session")
def bundled():
    """The bundled network, float32; not to be changed."""
    return load_features()


@pytest.fixture(scope="session")
def photo():
    """photo(height, width, row, column): a part of a photograph, (1, 3, H, W), on 8-bit levels."""
    levels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None]
    picture = levels.contiguous().float() / 255

    def part(height, width, row=40, column=150):
        return picture[..., row : row + height, column : column + width].clone()

    return part


@pytest.fixture(scope="session")
def noise():
    """noise(*shape, seed): uniform in [0, 1), float32."""

    def make(*shape, seed=0):
        return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

    return make


@pytest.fixture(scope="session")
def disc():
    """disc(height, width, radius): a binary disc in the middle, (1, 1, H, W)."""

    def make(height, width, radius):
        rows = torch.arange(height)[:, None] - (height - 1) / 2
        columns = torch.arange(width)[None] - (width - 1) / 2
        return (rows**2 + columns**2 <= radius**2).float()[None, None]

    return make


@pytest.fixture(scope="session")
def grey_profile():
    """A monochrome ICC profile, gamma 2.2; ICC.1:2001, as scanners and 'Dot Gain' presets have."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))

    white = fixed(0.9642, 1.0, 0.8249)
    tags = {
        b"cprt": b"text\0\0\0\0none\0",
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(78),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 563),
        b"wtpt": b"XYZ \0\0\0\0" + white,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI", start + len(body), b"lcms", 0x02400000) + b"mntrGRAYXYZ "
    header += bytes(12) + b"acsp"
    header += bytes(68 - len(header)) + white
    return header + bytes(128 - len(header)) + table + body


@pytest.fixture
def at_thread_counts():
    """at_thread_counts(counts, work): what the work gives at each number of threads."""
    before = torch.get_num_threads()

    def call(counts, work):
        found = []
        for count in counts:
            torch.set_num_threads(count)
            found.append(work())
        return found

    yield call
    torch.set_num_threads(before)
