"""Packages that can be called: `nst.train(...)` beside `nst.train.loop`."""

import sys
from importlib import import_module
from types import ModuleType


def make_callable(package: str, place: str) -> None:
    """Have calling a package call the function at `place`, "module:name", imported then.

    A package and a public function of one name would otherwise shadow each other, depending on
    what was imported first.
    """
    module, _, name = place.partition(":")

    class CallablePackage(ModuleType):
        def __call__(self, *args, **options):
            return getattr(import_module(module), name)(*args, **options)

    sys.modules[package].__class__ = CallablePackage
