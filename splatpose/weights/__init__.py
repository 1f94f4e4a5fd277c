"""Network weights: which files there are, and where this machine gets them from."""

from .registry import LPIPS_WEIGHTS as LPIPS_WEIGHTS
from .registry import MATCHER_WEIGHTS as MATCHER_WEIGHTS
from .registry import WEIGHTS as WEIGHTS
from .registry import Carrier as Carrier
from .registry import WeightFile as WeightFile
from .resolve import WeightStatus as WeightStatus
from .resolve import announce_download as announce_download
from .resolve import cache_dir as cache_dir
from .resolve import fetch as fetch
from .resolve import is_offline as is_offline
from .resolve import list_weights as list_weights
from .resolve import locate as locate
from .resolve import origins as origins
from .resolve import resolve as resolve
from .resolve import verify as verify
