"""What the user gets in OUT/, and its export to other formats."""

from .config import OutputsConfig as OutputsConfig
from .export import ExportFormat as ExportFormat
from .export import export as export
from .stage import write_outputs as write_outputs
from .summary import closing_lines as closing_lines
