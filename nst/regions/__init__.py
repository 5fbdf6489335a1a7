"""Where each style goes: masks by class, given masks, and their edges."""
