"""The selectors, one file each. To add a selector, add a file with a `KIND` here, and a test; change no other file.

Belongs here: name, settings and needs of each selector, and the few lines from a selection context to a ranking. Does
not: the algorithms (`selection/`), or the settings' types (`config/selection.py`).
"""

from importlib import import_module
from pkgutil import iter_modules

from getmore_assets.selectors.kind import Kind

_MODULES = [module.name for module in iter_modules(__path__) if module.name != "kind"]
_KINDS: list[Kind] = [import_module(f"{__name__}.{name}").KIND for name in _MODULES]

#: The selectors by their name in the task file.
KINDS = {kind.name: kind for kind in _KINDS}
