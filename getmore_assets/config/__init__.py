"""The schema of a task file: pool, target, encoder, models, selection, training.

Belongs here: fields, their defaults and their limits. Does not: reading a task file (`task_files.py`), or opening the
files it names (`preflight.py`).
"""

from getmore_assets.config.launch import Elsewhere, Launch, Pod, Processes
from getmore_assets.config.selection import AUTO, NONE, Budget, Imported, Quotas, Selection, Selector
from getmore_assets.config.sources import (
    HUB_PREFIX,
    PYTHON_DOCS,
    TEMPLATE_COLUMN,
    Corpus,
    Rows,
    Section,
    Source,
    Target,
)
from getmore_assets.config.task import Task
from getmore_assets.config.training import (
    BaseModelChoice,
    Curves,
    DType,
    FineTuning,
    Head,
    Lora,
    Small,
    Toxicity,
    Training,
    ZeroShot,
)
from getmore_assets.config.transport import (
    BROUGHT,
    LEXICAL,
    LEXICAL_SAMPLE,
    WITHOUT_WEIGHTS,
    Adapt,
    Drift,
    Encoder,
    Transport,
    Triage,
)

__all__ = [
    "AUTO",
    "BROUGHT",
    "HUB_PREFIX",
    "LEXICAL",
    "LEXICAL_SAMPLE",
    "NONE",
    "PYTHON_DOCS",
    "TEMPLATE_COLUMN",
    "WITHOUT_WEIGHTS",
    "Adapt",
    "BaseModelChoice",
    "Budget",
    "Corpus",
    "Curves",
    "DType",
    "Drift",
    "Elsewhere",
    "Encoder",
    "FineTuning",
    "Head",
    "Imported",
    "Launch",
    "Lora",
    "Pod",
    "Processes",
    "Quotas",
    "Rows",
    "Section",
    "Selection",
    "Selector",
    "Small",
    "Source",
    "Target",
    "Task",
    "Toxicity",
    "Training",
    "Transport",
    "Triage",
    "ZeroShot",
]
