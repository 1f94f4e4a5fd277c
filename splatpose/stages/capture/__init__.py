"""From a folder of photos or a video to a `Capture`."""

from .config import CaptureConfig as CaptureConfig
from .stage import build_capture as build_capture
from .stage import fingerprint as fingerprint
from .stage import load_capture as load_capture
