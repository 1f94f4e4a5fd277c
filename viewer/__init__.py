"""Ways of watching a run: consumers of the event stream, which know nothing of each other.

A consumer is a callable that takes an `Event`. The pipeline never imports this package.
"""

from .fanout import FanOut as FanOut
from .jsonlines import JsonLines as JsonLines
from .terminal import watch_in_terminal as watch_in_terminal
