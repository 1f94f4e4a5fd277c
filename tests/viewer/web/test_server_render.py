"""Pictures rendered for a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from scenes.splats import random_splats

from splatpose.viewer.web.gaussians import for_browser
from splatpose.viewer.web.server_render import (
    Overlay,
    Picture,
    RenderService,
    Request,
    fitting_size,
    lay_over,
    shade_depth,
)
from splatpose.viewer.web.world import ShownSplats


def test_an_overlaid_photo_lies_where_the_camera_saw_it() -> None:
    """A photo over a rendering with the same intrinsics is pixel for pixel itself."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    K = np.array([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]])
    fov = 2 * np.arctan(20 / 50)
    black = np.zeros((40, 60, 3), np.uint8)
    whole = lay_over(black, Overlay(photo, K, "blend", 1.0), fov)
    np.testing.assert_array_equal(whole, photo)
    half = lay_over(black, Overlay(photo, K, "split", 0.5), fov)
    np.testing.assert_array_equal(half[:, :30], photo[:, :30])
    assert not half[:, 30:].any()
    error = lay_over(photo, Overlay(photo, K, "error", 0.5), fov)
    assert error.max() < 10, "there is no error"
    wide = lay_over(np.zeros((40, 120, 3), np.uint8), Overlay(photo, K, "blend", 1.0), fov)
    np.testing.assert_array_equal(wide[:, 30:90], photo)
    assert not wide[:, :29].any()


def test_depth_is_brighter_near_and_black_where_nothing_is() -> None:
    depth = np.tile(np.linspace(1, 5, 40, dtype=np.float32), (30, 1))
    solid = np.ones((30, 40), bool)
    solid[:10] = False
    image = shade_depth(depth, solid)
    assert not image[:10].any()
    assert image[20, 1, 0] > image[20, -2, 0], "near is red in this map"
    assert not shade_depth(depth, np.zeros((30, 40), bool)).any()


@pytest.mark.parametrize("pace", [1e-9, 1e-6, 1e-4])
def test_the_size_adapts_to_the_pace(pace: float) -> None:
    width, height = fitting_size((1600, 900), pace, 0.1)
    assert width / height == pytest.approx(16 / 9, rel=0.03)
    assert width * height * pace < 0.11 or width * height <= 160 * 120 * 1.05
    assert width <= 1600


def test_the_newest_request_wins() -> None:
    service = RenderService()
    splats = random_splats(100, 0)
    shown = ShownSplats(for_browser(splats), splats, None)
    pose = np.eye(4)
    pose[2, 3] = 4.0
    pictures: list[int] = []
    last = threading.Event()

    def deliver(number: int) -> Callable[[Picture], None]:
        def take(picture: Picture) -> None:
            assert picture.image.shape[1] / picture.image.shape[0] == pytest.approx(1.5, rel=0.05)
            assert picture.image.max() > 20
            pictures.append(number)
            if number == 39:
                last.set()

        return take

    for number in range(40):
        request = Request(shown, pose, 0.8, (300, 200))
        service.ask(1, request, deliver(number))
    assert last.wait(120)
    service.close()
    assert len(set(pictures)) < 20, "stale requests were rendered"
    assert pictures == sorted(pictures)
