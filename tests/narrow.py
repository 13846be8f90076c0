"""The network of most tests: VGG16's layers with fewer channels, a sixty-fourth of the work.

For what is done with activations, any network of these layers will do; tests of the network itself,
of its speed and of what a person sees have VGG16's own width.
"""

from blending.network.vgg16 import STYLE_LAYERS

NARROW = 8  # times fewer channels than VGG16's 64, 128, 256 and 512
WIDTHS = {name: (64 << block) // NARROW for block, name in enumerate(STYLE_LAYERS)}
