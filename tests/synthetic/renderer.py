"""Path-traced photos of a scene through Blender's Cycles (the `bpy` package), on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from PIL import Image

from .shapes import Mesh


@dataclass(frozen=True)
class Thing:
    """A mesh, its texture (sRGB 0..1 [H, W, 3]) and its gloss (0 matte, 1 like porcelain)."""

    mesh: Mesh
    texture: np.ndarray
    gloss: float = 0.0


@dataclass(frozen=True)
class Lamp:
    """A rectangle of light: its centre, where it faces, size in metres and power in watts."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    size: tuple[float, float]
    power: float
    color: tuple[float, float, float]


def render(
    things: Iterable[Thing],
    lamps: Iterable[Lamp],
    ambient: tuple[float, float, float],
    world_from_camera: np.ndarray,
    *,
    focal: float,
    width: int,
    height: int,
    samples: int,
    exposure: float,
    seeds: Sequence[int],
    threads: int = 0,
) -> Iterator[np.ndarray]:
    """Renders one photo, uint8 sRGB [H, W, 3], for each pose [V, 4, 4] (OpenCV axes).

    Args:
        focal: in pixels; the principal point is the image's middle.
        exposure: in stops.
        seeds: of each photo's light paths; all different.
        threads: 0 for as many as there are cores. The result does not depend on it.
    """
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        for number, thing in enumerate(things):
            _add_thing(scene, thing, f"thing{number}")
        for number, lamp in enumerate(lamps):
            _add_lamp(scene, lamp, f"lamp{number}")
        _add_sky(scene, ambient)
        _set_film(scene, width, height, samples, exposure, threads)
        camera = _add_camera(scene, focal, width)
        for pose, seed in zip(world_from_camera, seeds, strict=True):
            # Blender's camera has OpenGL axes: it looks along -z with +y up.
            camera.matrix_world = Matrix((pose * np.array([1, -1, -1, 1])).tolist())
            scene.cycles.seed = seed
            path = Path(folder) / f"{seed}.png"
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True)
            yield np.asarray(Image.open(path).convert("RGB"))


def _add_thing(scene: Any, thing: Thing, name: str) -> None:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(thing.mesh.vertices.tolist(), [], thing.mesh.faces.tolist())
    # Blender counts v from the bottom of the image.
    corner_uv = thing.mesh.uv[thing.mesh.faces.ravel()] * (1, -1) + (0, 1)
    layer = mesh.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", corner_uv.astype(np.float32).ravel())
    smooth = len(thing.mesh.faces) > 2
    mesh.polygons.foreach_set("use_smooth", np.full(len(thing.mesh.faces), smooth))
    mesh.materials.append(_material(thing, name))
    scene.collection.objects.link(bpy.data.objects.new(name, mesh))


def _material(thing: Thing, name: str) -> Any:
    height, width = thing.texture.shape[:2]
    image = bpy.data.images.new(name, width, height)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = np.clip(thing.texture[::-1], 0.0, 1.0)
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    surface = nodes["Principled BSDF"]
    surface.inputs["Roughness"].default_value = 0.45
    surface.inputs["Specular IOR Level"].default_value = 0.5 * thing.gloss
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    links.new(texture.outputs["Color"], surface.inputs["Base Color"])
    return material


def _add_lamp(scene: Any, lamp: Lamp, name: str) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.shape = "RECTANGLE"
    light.size, light.size_y = lamp.size
    light.energy, light.color = lamp.power, lamp.color
    holder = bpy.data.objects.new(name, light)
    backward = np.array(lamp.position) - lamp.target
    backward /= np.linalg.norm(backward)
    right = np.cross((0, 0, 1), backward)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(backward, right), backward, lamp.position], 1)
    holder.matrix_world = Matrix(pose.tolist())
    scene.collection.objects.link(holder)


def _add_sky(scene: Any, ambient: tuple[float, float, float]) -> None:
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (*ambient, 1.0)
    scene.world = world


def _add_camera(scene: Any, focal: float, width: int) -> Any:
    data = bpy.data.cameras.new("camera")
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = 36.0
    data.lens = focal / width * 36.0
    data.clip_start = 0.01
    camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def _set_film(
    scene: Any, width: int, height: int, samples: int, exposure: float, threads: int
) -> None:
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.max_bounces = 3
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    # Guided by noise-free colours and normals it cleans the light and keeps the textures.
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "ACCURATE"
    cycles.filter_width = 1.3
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.use_persistent_data = True
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    render.dither_intensity = 0.0
    if threads:
        render.threads_mode, render.threads = "FIXED", threads
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.look = "Medium High Contrast"
    scene.view_settings.exposure = exposure
