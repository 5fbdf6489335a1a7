"""The one error that a user can put right."""


class InputError(ValueError):
    """Something the user gave is wrong: the message is one line with the value and the cure."""
