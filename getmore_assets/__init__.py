"""Choose, from a large candidate pool, the rows to warm a model up on before fine-tuning it (GOT-D, ICLR 2024)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from getmore_assets.api import Comparison, Selection, compare, embed, explain, select, solve
    from getmore_assets.components import GetmoreComponent, GetmoreLine
    from getmore_assets.defs.project import build_definitions

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "GetmoreComponent",
    "GetmoreLine",  # an earlier name of GetmoreComponent; `dg check` finds only names in this list
    "Selection",
    "__version__",
    "build_definitions",
    "compare",
    "embed",
    "explain",
    "select",
    "solve",
]

#: The module of each public name. A module is imported when its name is first used, because Dagster takes seconds.
_MODULES = {
    **dict.fromkeys(("GetmoreComponent", "GetmoreLine"), "components"),
    "build_definitions": "defs.project",
    **dict.fromkeys(("Comparison", "Selection", "compare", "embed", "explain", "select", "solve"), "api"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
