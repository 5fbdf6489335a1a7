"""What the user calls a style, turned into a style code."""
