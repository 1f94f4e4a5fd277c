"""The .ply of a splat: what is written is what is read, by us and by others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement
from scenes.splats import orbit, random_splats, render_reference

from splatpose.errors import SplatposeError
from splatpose.io.ply import read_splat_ply, write_splat_ply


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("pad", [0, 3])
def test_round_trip_renders_the_same_image(tmp_path: Path, degree: int, pad: int):
    splats = random_splats(60, seed=degree, degree=degree)
    assert write_splat_ply(tmp_path / "a.ply", splats, pad_to_degree=pad) == 0
    again = read_splat_ply(tmp_path / "a.ply")
    assert again.sh_degree == max(degree, pad)
    poses, Ks = orbit(1, 32, 24)
    before = render_reference(splats, poses[0], Ks[0], (32, 24))
    after = render_reference(again, poses[0], Ks[0], (32, 24))
    assert before.std() > 0.05
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_layout_is_that_of_the_reference_code(tmp_path: Path):
    splats = random_splats(5, seed=1, degree=3)
    write_splat_ply(tmp_path / "a.ply", splats)
    data = PlyData.read(str(tmp_path / "a.ply"))
    vertex = data["vertex"]
    names = [p.name for p in vertex.properties]
    assert names == [
        *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
        *(f"f_rest_{i}" for i in range(45)),
        *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
    ]
    assert data.byte_order == "<"
    assert not data.text
    # Channel-major: the 15 coefficients of red, then green, then blue.
    np.testing.assert_array_equal(vertex["f_rest_1"], splats.sh[:, 2, 0].numpy())
    np.testing.assert_array_equal(vertex["f_rest_15"], splats.sh[:, 1, 1].numpy())
    np.testing.assert_array_equal(vertex["f_rest_44"], splats.sh[:, 15, 2].numpy())
    norms = sum(vertex[f"rot_{i}"] ** 2 for i in range(4))
    np.testing.assert_allclose(norms, 1, atol=1e-6)


@pytest.mark.parametrize("field", ["means", "quats", "log_scales", "logit_opacities", "sh"])
def test_gaussians_that_are_not_finite_are_left_out(tmp_path: Path, field: str):
    splats = random_splats(10, seed=2, degree=1)
    getattr(splats, field)[3] = float("nan")
    getattr(splats, field)[7] = float("inf")
    assert write_splat_ply(tmp_path / "a.ply", splats) == 2
    again = read_splat_ply(tmp_path / "a.ply")
    keep = [i for i in range(10) if i not in (3, 7)]
    torch.testing.assert_close(again.means, splats.means[keep])


def test_never_an_empty_file(tmp_path: Path):
    path = tmp_path / "a.ply"
    path.write_bytes(b"what was there")
    splats = random_splats(4, seed=0)
    empty = replace(splats, means=torch.full((4, 3), float("nan")))
    with pytest.raises(SplatposeError, match="NaN"):
        write_splat_ply(path, empty)
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_normals_may_be_missing(tmp_path: Path):
    write_splat_ply(tmp_path / "a.ply", random_splats(5, seed=3, degree=1))
    table = PlyData.read(str(tmp_path / "a.ply"))["vertex"].data
    names = [n for n in table.dtype.names if n not in ("nx", "ny", "nz")]
    bare = np.empty(len(table), [(n, "<f4") for n in names])
    for name in names:
        bare[name] = table[name]
    PlyData([PlyElement.describe(bare, "vertex")]).write(str(tmp_path / "b.ply"))
    torch.testing.assert_close(
        read_splat_ply(tmp_path / "b.ply").sh, read_splat_ply(tmp_path / "a.ply").sh
    )


def test_what_is_no_splat_is_refused(tmp_path: Path):
    cloud = np.zeros(3, [("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
    PlyData([PlyElement.describe(cloud, "vertex")]).write(str(tmp_path / "cloud.ply"))
    (tmp_path / "text.ply").write_text("this is no ply")
    (tmp_path / "empty.ply").touch()
    write_splat_ply(tmp_path / "cut.ply", random_splats(50, seed=0))
    whole = (tmp_path / "cut.ply").read_bytes()
    (tmp_path / "cut.ply").write_bytes(whole[: len(whole) // 2])
    for name in ("cloud", "text", "empty", "cut", "missing"):
        with pytest.raises(SplatposeError, match=name) as caught:
            read_splat_ply(tmp_path / f"{name}.ply")
        assert caught.value.hint


def test_refusals_name_the_cause(tmp_path: Path):
    packed = np.zeros(
        4, [(f"packed_{n}", "<u4") for n in ("position", "rotation", "scale", "color")]
    )
    chunk = np.zeros(1, [("min_x", "<f4"), ("max_x", "<f4")])
    PlyData([PlyElement.describe(chunk, "chunk"), PlyElement.describe(packed, "vertex")]).write(
        str(tmp_path / "packed.ply")
    )
    write_splat_ply(tmp_path / "a.ply", random_splats(2, seed=0, degree=0), pad_to_degree=0)
    header = (tmp_path / "a.ply").read_bytes().replace(b"vertex 2", b"vertex 0")
    (tmp_path / "none.ply").write_bytes(header[: header.index(b"end_header") + 11])
    (tmp_path / "zero.ply").touch()
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (tmp_path / "text.ply").write_text("this is no ply")
    for name, words in {
        "packed.ply": "SuperSplat's compressed form",
        "none.ply": "holds no Gaussian",
        "zero.ply": "is empty",
        "photo.jpg": "is a picture, not a .ply",
        "text.ply": "is no .ply",
    }.items():
        with pytest.raises(SplatposeError, match=name) as caught:
            read_splat_ply(tmp_path / name)
        assert words in caught.value.message


def _header(path: Path) -> list[str]:
    data = path.read_bytes()
    return data[: data.index(b"end_header")].decode().splitlines()


def test_gaussians_say_how_they_have_to_be_drawn(tmp_path: Path):
    splats = random_splats(4, seed=0)
    write_splat_ply(tmp_path / "classic.ply", splats)
    write_splat_ply(tmp_path / "mip.ply", replace(splats, antialiased=True))
    assert "comment SplatRenderMode: mip" in _header(tmp_path / "mip.ply")
    assert not any("comment" in line for line in _header(tmp_path / "classic.ply"))
    assert read_splat_ply(tmp_path / "mip.ply").antialiased
    assert not read_splat_ply(tmp_path / "classic.ply").antialiased


@pytest.mark.parametrize(
    ("comments", "antialiased"),
    [
        (["Exported from Brush", "SplatRenderMode: mip"], True),
        (["splatrendermode:MIP "], True),
        (["SplatRenderMode: default"], False),
        (["SplatRenderMode: 2dgs"], False),
        (["antialiased 1"], True),
        (["antialiased 0"], False),
        (["SplatRenderMode: mip", "antialiased 0"], False),
        (["antialiased 1", "SplatRenderMode: default"], False),
        (["not antialiased 1", "mip"], False),
    ],
)
@pytest.mark.parametrize("of_element", [False, True])
def test_the_modes_of_other_tools_are_read(
    tmp_path: Path, comments: list[str], antialiased: bool, of_element: bool
):
    write_splat_ply(tmp_path / "a.ply", random_splats(3, seed=0))
    table = PlyData.read(str(tmp_path / "a.ply"))["vertex"].data
    element = PlyElement.describe(table, "vertex", comments=comments if of_element else [])
    PlyData([element], comments=[] if of_element else comments).write(str(tmp_path / "b.ply"))
    assert read_splat_ply(tmp_path / "b.ply").antialiased is antialiased
