"""Data sets with true cameras: one module a format, one function for all of them."""

from .read import READERS as READERS
from .read import Reader as Reader
from .read import read_dataset as read_dataset
