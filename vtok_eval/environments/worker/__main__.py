"""Starts the worker: the files of this folder become a package of their own, in any environment."""

import os
import sys

if sys.version_info < (3, 8):  # noqa: UP036 -- another environment's Python
    sys.exit("Python {}.{} is too old for a worker: 3.8 or later".format(*sys.version_info[:2]))

import importlib.util

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_NAME = "vtok_eval_worker"

if __name__ == "__main__":
    # The folder itself is not searched: the user's file must find none of its modules.
    sys.path[:] = [place for place in sys.path if place and os.path.abspath(place) != _FOLDER]
    spec = importlib.util.spec_from_file_location(
        _NAME, os.path.join(_FOLDER, "__init__.py"), submodule_search_locations=[_FOLDER]
    )
    assert spec is not None  # the file is next to this one
    sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    process = importlib.import_module(_NAME + ".process")
    process.main(*(int(text) for text in sys.argv[1:]))
