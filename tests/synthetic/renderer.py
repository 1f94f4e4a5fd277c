"""Path-traced photos of a scene through Blender's Cycles (the `bpy` package), on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from PIL import Image

from .things import Lamp, Thing

FILL = 0.16
"""What quick renderings have instead of light that bounced, as a share of the surface's colour."""


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
    quick: bool = False,
    denoise: bool = True,
    shutter: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Renders one photo, uint8 sRGB [H, W, 3], for each pose [V, 4, 4] (OpenCV axes).

    Args:
        focal: in pixels; the principal point is the image's middle.
        exposure: in stops.
        seeds: of each photo's light paths; all different.
        threads: 0 for as many as there are cores. The result does not depend on it.
        quick: an even fill instead of bounced light, quicker denoising, the plain sRGB curve.
        denoise: False leaves the light's noise in, a third of the time of quick renderings.
        shutter: [V, 2, 4, 4] poses when the shutter opens and closes; None for no motion blur.
    """
    with tempfile.TemporaryDirectory() as folder:
        things = list(things)
        scene, holders = _new_scene(things, fill=FILL if quick else 0.0)
        for number, lamp in enumerate(lamps):
            _add_lamp(scene, lamp, f"lamp{number}")
        _add_sky(scene, ambient)
        _set_film(scene, width, height, samples, exposure, threads)
        if quick:
            _hurry(scene)
        scene.cycles.use_denoising = denoise
        camera = _add_camera(scene, focal, width)
        for view, (pose, seed) in enumerate(zip(world_from_camera, seeds, strict=True)):
            _place(things, holders, view)
            if shutter is None:
                camera.matrix_world = _opengl(pose)
            else:
                _open_shutter(scene, camera, shutter[view])
            scene.cycles.seed = seed
            path = Path(folder) / f"{seed}.png"
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True)
            yield np.asarray(Image.open(path).convert("RGB"))


def depths(
    things: Iterable[Thing],
    world_from_camera: np.ndarray,
    *,
    focal: float,
    width: int,
    height: int,
    threads: int = 0,
) -> Iterator[np.ndarray]:
    """Depth along +z through the pixels' centres, metres [H, W], 0 for the sky, for each pose.

    A mirror is as deep as its glass.
    """
    with tempfile.TemporaryDirectory() as folder:
        things = list(things)
        scene, holders = _new_scene(things)
        _set_film(scene, width, height, 1, 0.0, threads)
        scene.cycles.use_denoising = False
        scene.cycles.max_bounces = 0
        scene.cycles.filter_width = 0.01  # pixels: all rays of a pixel go through its centre
        scene.view_layers[0].material_override = _depth_material()
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_depth = "32"
        camera = _add_camera(scene, focal, width)
        for view, pose in enumerate(world_from_camera):
            _place(things, holders, view)
            camera.matrix_world = _opengl(pose)
            path = Path(folder) / f"{view}.exr"
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True)
            image = bpy.data.images.load(str(path))
            pixels = np.empty(width * height * 4, np.float32)
            image.pixels.foreach_get(pixels)
            bpy.data.images.remove(image)
            yield pixels.reshape(height, width, 4)[::-1, :, 0]


def _new_scene(things: Sequence[Thing], *, fill: float = 0.0) -> tuple[Any, list[Any]]:
    """An empty scene with the things in it, and the objects that hold them."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    return scene, [_add_thing(scene, thing, f"thing{n}", fill) for n, thing in enumerate(things)]


def _place(things: Sequence[Thing], holders: Sequence[Any], view: int) -> None:
    for thing, holder in zip(things, holders, strict=True):
        if thing.offsets is not None:
            holder.location = thing.offsets[view].tolist()


def _opengl(pose: np.ndarray) -> Matrix:
    """Blender's camera has OpenGL axes: it looks along -z with +y up."""
    return Matrix((pose * np.array([1, -1, -1, 1])).tolist())


def _open_shutter(scene: Any, camera: Any, poses: np.ndarray) -> None:
    """Moves the camera from the first to the second pose while the frame is exposed."""
    scene.render.use_motion_blur = True
    scene.render.motion_blur_shutter = 1.0
    scene.render.motion_blur_position = "START"
    camera.animation_data_clear()
    camera.rotation_mode = "QUATERNION"
    for frame, pose in enumerate(poses):
        camera.matrix_world = _opengl(pose)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_quaternion", frame=frame)
    scene.frame_set(0)


def _depth_material() -> Any:
    material = bpy.data.materials.new("depth")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    camera, light = nodes.new("ShaderNodeCameraData"), nodes.new("ShaderNodeEmission")
    links.new(camera.outputs["View Z Depth"], light.inputs["Strength"])
    light.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(light.outputs["Emission"], output.inputs["Surface"])
    return material


def _add_thing(scene: Any, thing: Thing, name: str, fill: float) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(thing.mesh.vertices.tolist(), [], thing.mesh.faces.tolist())
    # Blender counts v from the bottom of the image.
    corner_uv = thing.mesh.uv[thing.mesh.faces.ravel()] * (1, -1) + (0, 1)
    layer = mesh.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", corner_uv.astype(np.float32).ravel())
    smooth = len(thing.mesh.faces) > 2
    mesh.polygons.foreach_set("use_smooth", np.full(len(thing.mesh.faces), smooth))
    mesh.materials.append(_material(thing, name, fill))
    holder = bpy.data.objects.new(name, mesh)
    if thing.lets_light_in:
        holder.visible_shadow = holder.visible_diffuse = False
    scene.collection.objects.link(holder)
    return holder


def _material(thing: Thing, name: str, fill: float) -> Any:
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
    if thing.mirror:
        surface.inputs["Base Color"].default_value = (0.9, 0.92, 0.92, 1.0)
        surface.inputs["Metallic"].default_value = 1.0
        surface.inputs["Roughness"].default_value = 0.0
        return material
    surface.inputs["Roughness"].default_value = 0.45
    surface.inputs["Specular IOR Level"].default_value = 0.5 * thing.gloss
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    links.new(texture.outputs["Color"], surface.inputs["Base Color"])
    if fill:
        links.new(texture.outputs["Color"], surface.inputs["Emission Color"])
        surface.inputs["Emission Strength"].default_value = fill
        material.cycles.emission_sampling = "NONE"
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


def _hurry(scene: Any) -> None:
    cycles = scene.cycles
    cycles.max_bounces = 1
    cycles.diffuse_bounces = 0
    cycles.denoising_prefilter = "FAST"
    cycles.denoising_quality = "BALANCED"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
