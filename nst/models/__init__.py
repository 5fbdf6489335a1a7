"""The networks, the checkpoint file, and third-party weights."""
