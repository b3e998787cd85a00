"""The one exception that means: the user gave something that cannot be used."""


class BadInput(ValueError):
    """Bad input from a user: one clear line that says what, where and what is allowed.

    The command line prints the line and exits with code 2; every other exception is an internal error and
    keeps its traceback.
    """
