"""Training a network and its style codes."""
