"""The errors that a user can put right."""


class InputError(ValueError):
    """Something the user gave is wrong: the message is one line with the value and the cure."""


class IncompleteError(InputError):
    """Some of the inputs could not be used; what was made of the others is written."""
