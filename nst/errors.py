"""The errors that a user can put right."""


class InputError(ValueError):
    """Something the user gave is wrong: the message is one line with the value and the cure."""


class IncompleteError(InputError):
    """Some of the inputs could not be used; what was made of the others is written."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory was lacking, the machine's or a GPU's."""
    names = {kind.__name__ for kind in type(error).__mro__}
    texts = ("not enough memory", "out of memory", "t allocate memory")  # can't, cannot
    # PyTorch has no one type for it: some of its errors can only be told by their text.
    said = any(text in str(error).lower() for text in texts)
    return said or bool(names & {"MemoryError", "OutOfMemoryError"})
