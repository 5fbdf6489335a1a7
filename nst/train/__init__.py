"""Training a network. Called, it is `nst.api.train`."""

from nst.core.callables import make_callable

make_callable(__name__, "nst.api:train")
