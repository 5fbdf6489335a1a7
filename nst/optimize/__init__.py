"""Optimizing pixels: pictures and videos. Called, it is `nst.api.optimize`."""

from nst.core.callables import make_callable

make_callable(__name__, "nst.api:optimize")
