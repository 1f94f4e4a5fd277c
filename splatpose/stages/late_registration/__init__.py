"""A third chance for photos that meet no point of the model: poses from rendered depth."""

from .stage import place_left_out as place_left_out
