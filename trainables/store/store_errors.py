"""Errors of object stores; without imports, since every command may end with one."""


class StoreError(OSError):
    """A store refuses a request for a reason that does not pass, such as a lack of rights."""


class StoreUnavailable(StoreError):
    """A store has refused a request for as long as it was asked; it may answer later."""
