"""A page on this machine for people who choose by looking: try, tune, queue, train."""
