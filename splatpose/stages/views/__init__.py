"""Registered photos undistorted to a pinhole camera and resized, for the trainer."""

from .config import ViewsConfig as ViewsConfig
from .stage import load_views as load_views
from .stage import undistort_views as undistort_views
