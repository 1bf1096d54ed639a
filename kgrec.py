"""The door of kgrec: build a graph, fit a recommender, load one; nothing is imported before it is asked for.

>>> import kgrec, pandas
>>> ratings = pandas.read_csv("ratings.csv")  # user, item, rating
>>> recommender = kgrec.fit(ratings)
>>> recommender.recommend(user="u1")
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kg.errors import InputError
    from kg.frame_build import build
    from models.recommender import Recommender, load
    from training.fit import fit

__all__ = ["InputError", "Recommender", "build", "fit", "load"]

_PLACES = {
    "InputError": "kg.errors",
    "Recommender": "models.recommender",
    "build": "kg.frame_build",
    "fit": "training.fit",
    "load": "models.recommender",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'kgrec' has no attribute {name!r}")
    _refuse_shadows()
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__


def main() -> None:
    """Run the command line."""
    try:
        _refuse_shadows()
    except ImportError as error:
        sys.exit(f"error: {error}")
    from training.interrupts import interrupts_told

    with interrupts_told():  # loading the command line takes a second, in which an interrupt may come as well
        from training.cli import main as run

        run()


def _refuse_shadows() -> None:
    """Raise `ImportError` if Python finds something else, as a rule a file of the user, under the name of a package of ours."""
    for name in ("kg", "models", "training"):
        spec = sys.modules[name].__spec__ if name in sys.modules else find_spec(name)
        folders = [] if spec is None else [*(spec.submodule_search_locations or [])]
        if (Path(__file__).resolve().parent / name) not in [Path(folder).resolve() for folder in folders]:
            place = "nothing" if spec is None else spec.origin or ", ".join(folders)
            raise ImportError(
                f"kgrec needs its package {name!r}, but Python finds {place} under this name; rename that, or start Python "
                "in another folder"
            )


if __name__ == "__main__":
    main()
