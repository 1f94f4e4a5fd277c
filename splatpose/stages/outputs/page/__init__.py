"""report.html: what a run came to, for a person, in one file that needs no network."""

from .build import build_page as build_page
