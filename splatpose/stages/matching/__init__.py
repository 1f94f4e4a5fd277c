"""Local features, and verified matches of pairs of photos, in a COLMAP database."""

from .config import MatchingConfig as MatchingConfig
from .stage import load_matches as load_matches
from .stage import match_photos as match_photos
from .stage import resolve_matcher as resolve_matcher
