"""Small data sets in the formats of the literature, written from cameras that are known exactly.

Every writer follows the format's own description from the known cameras (OpenCV axes, pixel centres
at halves), by formulas of its own: no reader's code is used.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from scenes.poses import arc, cloud
from splatpose.evaluation.dataset import Dataset

COUNT = 10


@dataclass(frozen=True)
class Known:
    """Cameras, and what they see of a few points."""

    cam_from_world: np.ndarray
    K: np.ndarray
    """Top-left pixel's centre at (0.5, 0.5)."""
    size: tuple[int, int]
    points: np.ndarray

    @property
    def world_from_cam(self) -> np.ndarray:
        return np.linalg.inv(self.cam_from_world)

    @property
    def names(self) -> list[str]:
        return [f"img_{i:03d}.png" for i in range(len(self.cam_from_world))]

    def pixels(self) -> np.ndarray:
        """Where the points are in each photo."""
        return pixels(
            self.cam_from_world, np.tile(self.K, (len(self.cam_from_world), 1, 1)), self.points
        )


def pixels(cam_from_world: np.ndarray, K: np.ndarray, points: np.ndarray) -> np.ndarray:
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], 1)
    seen = np.einsum("vij,vjk,nk->vni", K, cam_from_world[:, :3], homogeneous)
    assert (seen[..., 2] > 0).all()
    return seen[..., :2] / seen[..., 2:]


def known_cameras(
    *, size: tuple[int, int] = (96, 64), centered: bool = False, square: bool = False
) -> Known:
    """Cameras on an arc, tilted so that no axis is like another."""
    width, height = size
    fx, fy = (0.9 * width, 0.9 * width) if square else (0.9 * width, 0.93 * width)
    cx, cy = (width / 2, height / 2) if centered else (0.46 * width, 0.57 * height)
    tilt = np.eye(4)
    tilt[:3, :3] = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    tilt[:3, 3] = (0.4, -1.0, 0.7)
    return Known(
        arc(COUNT, span_deg=70) @ tilt,
        np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]),
        size,
        (cloud(40) - tilt[:3, 3]) @ tilt[:3, :3],
    )


def agrees(dataset: Dataset, known: Known, *, scale: float = 1.0) -> None:
    """The data set's cameras see known points at the known pixels, and know their photos."""
    assert [Path(name).name for name in dataset.names] == known.names
    assert (dataset.sizes == known.size).all()
    assert np.isfinite(dataset.cam_from_world).all()
    seen = pixels(dataset.cam_from_world, dataset.K, scale * known.points)
    np.testing.assert_allclose(seen, known.pixels(), atol=1e-3)
    for name in dataset.names:
        assert (dataset.images / name).is_file()


def write_photos(folder: Path, names: list[str], size: tuple[int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size, (90, 120, 150)).save(folder / name)


def write_poses_json(folder: Path, known: Known, photos: str = "images") -> None:
    """The photos' folder stands in the names unless it is `images`."""
    write_photos(folder / photos, known.names, known.size)
    prefix = "" if photos == "images" else f"{photos}/"
    frames = [
        {
            "file": prefix + name,
            "c2w": pose.tolist(),
            "fx": known.K[0, 0],
            "fy": known.K[1, 1],
            "cx": known.K[0, 2] - 0.5,
            "cy": known.K[1, 2] - 0.5,
            "w": known.size[0],
            "h": known.size[1],
            "place": i % 2,
        }
        for i, (name, pose) in enumerate(zip(known.names, known.world_from_cam, strict=True))
    ]
    (folder / "poses.json").write_text(json.dumps({"frames": frames}))


def write_transforms(folder: Path, known: Known) -> None:
    write_photos(folder / "images", known.names, known.size)
    to_opengl = np.diag([1.0, -1.0, -1.0, 1.0])
    value = {
        "fl_x": known.K[0, 0],
        "fl_y": known.K[1, 1],
        "cx": known.K[0, 2],
        "cy": known.K[1, 2],
        "w": known.size[0],
        "h": known.size[1],
        "frames": [
            {"file_path": f"images/{name}", "transform_matrix": (pose @ to_opengl).tolist()}
            for name, pose in zip(known.names, known.world_from_cam, strict=True)
        ],
        "test_filenames": [f"images/{known.names[3]}"],
    }
    (folder / "transforms.json").write_text(json.dumps(value))


def write_colmap_text(folder: Path, known: Known) -> None:
    """SCENE/sparse/0 in text, images in an order that is not theirs."""
    write_photos(folder / "images", known.names, known.size)
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    (fx, _, cx), (_, fy, cy) = known.K[:2]
    (model / "cameras.txt").write_text(
        f"7 PINHOLE {known.size[0]} {known.size[1]} {fx} {fy} {cx} {cy}\n"
    )
    lines = []
    for i in reversed(range(len(known.names))):
        pose = known.cam_from_world[i]
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        t = " ".join(map(repr, pose[:3, 3].tolist()))
        lines.append(f"{len(known.names) - i} {w} {x} {y} {z} {t} 7 {known.names[i]}\n\n")
    (model / "images.txt").write_text("".join(lines))
    (model / "points3D.txt").write_text("")


def write_llff(folder: Path, known: Known, nearest: float = 2.0) -> None:
    write_photos(folder / "images", known.names, known.size)
    rows = []
    for pose in known.world_from_cam:
        right, down, forward, center = pose[:3].T
        column = [known.size[1], known.size[0], known.K[0, 0]]
        matrix = np.stack([down, right, -forward, center, column], 1)
        rows.append([*matrix.ravel(), nearest, 9.0])
    rows[4][15] = nearest
    np.save(folder / "poses_bounds.npy", np.array(rows))


def write_co3d(category: Path, known: Known, kind: str) -> Path:
    """X_cam = X_world R + T with +x left and +y up; the folder of the sequence."""
    sequence = category / "34_1479_4753"
    write_photos(sequence / "images", known.names, known.size)
    half = np.array(known.size) / 2
    unit = half.min() * np.ones(2) if kind == "ndc_isotropic" else half
    left_up = np.diag([-1.0, -1.0, 1.0])
    frames = [
        {
            "sequence_name": sequence.name,
            "frame_number": i,
            "image": {
                "path": f"{category.name}/{sequence.name}/images/{known.names[i]}",
                "size": [known.size[1], known.size[0]],
            },
            "viewpoint": {
                "R": (left_up @ pose[:3, :3]).T.tolist(),
                "T": (left_up @ pose[:3, 3]).tolist(),
                "focal_length": (np.diag(known.K)[:2] / unit).tolist(),
                "principal_point": ((half - known.K[:2, 2]) / unit).tolist(),
                "intrinsics_format": kind,
            },
        }
        for i, pose in enumerate(known.cam_from_world)
    ]
    other = {**frames[0], "sequence_name": "another"}
    data = json.dumps([other, *reversed(frames)]).encode()
    (category / "frame_annotations.jgz").write_bytes(gzip.compress(data))
    return sequence


def write_scannet(folder: Path, known: Known) -> list[str]:
    """Frames 0, 10, 20, ...; the fourth was not tracked. Returns the photos' names."""
    names = [f"{10 * i}.jpg" for i in range(len(known.cam_from_world))]
    write_photos(folder / "color", names, known.size)
    (folder / "pose").mkdir()
    (folder / "intrinsic").mkdir()
    for i, (name, pose) in enumerate(zip(names, known.world_from_cam, strict=True)):
        lost = np.full((4, 4), -np.inf)
        np.savetxt(folder / "pose" / f"{Path(name).stem}.txt", lost if i == 3 else pose)
    K = np.eye(4)
    K[:3, :3] = known.K
    K[:2, 2] -= 0.5
    np.savetxt(folder / "intrinsic" / "intrinsic_color.txt", K)
    return names


def write_seven_scenes(folder: Path, known: Known) -> list[str]:
    """The second frame was not tracked. Returns the photos' names."""
    names = [f"frame-{i:06d}.color.png" for i in range(len(known.cam_from_world))]
    write_photos(folder, names, known.size)
    for i, pose in enumerate(known.world_from_cam):
        file = folder / f"frame-{i:06d}.pose.txt"
        np.savetxt(file, pose, delimiter="\t")
        if i == 1:
            file.write_text("-1.#IND0000e+000\t" * 16)
    return names


def write_tum(folder: Path, known: Known) -> list[str]:
    """Poses ten times as often as photos, a little off in time. Returns the photos' names."""
    times = [1305031102.175304 + 0.1 * i for i in range(len(known.cam_from_world))]
    names = [f"{time:.6f}.png" for time in times]
    write_photos(folder / "rgb", names, known.size)
    lines = [f"{time:.6f} rgb/{name}" for time, name in zip(times, names, strict=True)]
    (folder / "rgb.txt").write_text("# color images\n" + "\n".join(lines) + "\n")
    rows = []
    for time, pose in zip(times, known.world_from_cam, strict=True):
        for shift in (-0.015, 0.004, 0.03):
            moved = pose[:3, 3] + (0 if shift == 0.004 else 5 * shift)
            values = [*moved, *Rotation.from_matrix(pose[:3, :3]).as_quat()]
            rows.append(f"{time + shift:.4f} " + " ".join(f"{value:.9f}" for value in values))
    (folder / "groundtruth.txt").write_text("# ground truth\n" + "\n".join(rows) + "\n")
    return names


def write_dtu_npz(folder: Path, known: Known) -> None:
    write_photos(folder / "image", known.names, known.size)
    arrays = {}
    for i, pose in enumerate(known.cam_from_world):
        arrays[f"world_mat_{i}"] = np.eye(4)
        # A projection matrix has no scale, sign included.
        arrays[f"world_mat_{i}"][:3] = (-1) ** i * (2.0 + i) * (_integer_K(known) @ pose[:3])
        arrays[f"scale_mat_{i}"] = np.diag([3.0, 3.0, 3.0, 1.0])
    np.savez(folder / "cameras.npz", **arrays)


def write_dtu_mvsnet(folder: Path, known: Known) -> None:
    write_photos(folder / "images", known.names, known.size)
    (folder / "cams").mkdir()
    for name, pose in zip(known.names, known.cam_from_world, strict=True):
        text = "extrinsic\n" + _rows(pose) + "\nintrinsic\n" + _rows(_integer_K(known))
        (folder / "cams" / f"{Path(name).stem}_cam.txt").write_text(text + "\n425.0 2.5\n")


def write_dtu_rectified(root: Path, known: Known) -> tuple[Path, list[str]]:
    """Two lights a position. Returns the scan's folder and the photos' names."""
    count = len(known.cam_from_world)
    names = [f"rect_{i + 1:03d}_{light}_r5000.png" for i in range(count) for light in (3, 6)]
    write_photos(root / "Rectified" / "scan9", names, known.size)
    (root / "Calibration" / "cal18").mkdir(parents=True)
    for i, pose in enumerate(known.cam_from_world):
        P = 0.1 * _integer_K(known) @ pose[:3]
        np.savetxt(root / "Calibration" / "cal18" / f"pos_{i + 1:03d}.txt", P)
    return root / "Rectified" / "scan9", names


def _integer_K(known: Known) -> np.ndarray:
    """Top-left pixel's centre at (0, 0)."""
    K = known.K.copy()
    K[:2, 2] -= 0.5
    return K


def _rows(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(map(repr, row)) for row in matrix.tolist()) + "\n"
