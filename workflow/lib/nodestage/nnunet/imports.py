"""nnU-Net's trainer without the modules that only its unused parts need.

Every training is a process of its own, and on two cores a third of what the trainer's import
costs goes into drawing its progress picture, splitting at random, cascades, validation with
worker pools and reading image formats: none of it is done here. While the trainer is
imported, those modules are replaced by empty ones, whose use raises an error.
"""

import importlib
import sys
import types
from contextlib import contextmanager

UNUSED = (
    "seaborn",
    "matplotlib",
    "matplotlib.pyplot",
    "nnunetv2.evaluation.evaluate_predictions",
    "nnunetv2.inference.predict_from_raw_data",
    "nnunetv2.inference.export_prediction",
    "nnunetv2.utilities.crossval_split",
    "nnunetv2.imageio.reader_writer_registry",
    "batchgeneratorsv2.transforms.nnunet.random_binary_operator",
    "batchgeneratorsv2.transforms.nnunet.remove_connected_components",
)


class _Absent(types.ModuleType):
    """Gives a placeholder for whatever is imported from it."""

    __path__: list[str] = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _placeholder(self.__name__, name)


def _placeholder(module, name):
    def use(*args, **kwargs):
        # The choice of a backend has no effect here; an installed Matplotlib asks pyplot for it.
        if (module, name) in (("matplotlib", "use"), ("matplotlib.pyplot", "switch_backend")):
            return
        raise RuntimeError(f"{module}.{name} was left out: nodestage trains without it")

    return use


@contextmanager
def leaving_out(names=UNUSED):
    """Import modules that are not loaded yet as empty ones, until the block ends."""
    absent = {name: _Absent(name) for name in names if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name, stand_in in absent.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def module(name):
    """A module of nnU-Net, imported without what it doesn't need here."""
    with leaving_out():
        return importlib.import_module(name)
