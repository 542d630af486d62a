"""The exceptions of vaepipe. The text says what is wrong, where, and what to do next.

Every class is a :class:`VaepipeError`, and also a :class:`ValueError` or :class:`OSError` where Python's own functions raise
one. An interrupt raises :class:`KeyboardInterrupt`, an unknown keyword :class:`TypeError`.
"""


class VaepipeError(Exception):
    """Something that vaepipe cannot do."""


class UsageError(VaepipeError, ValueError):
    """The call is wrong: an unknown column, an option out of range, rows that were read already."""


class ExistsError(UsageError, FileExistsError):
    """The output exists, and ``force`` is not set."""


class NotFoundError(UsageError, FileNotFoundError):
    """There is no such file."""


class DataError(VaepipeError, ValueError):
    """The data is not usable: it is damaged, lacks a column, or has nothing to learn."""


class ModelError(VaepipeError, ValueError):
    """The model file is not usable."""


class RunError(VaepipeError, RuntimeError):
    """The run failed: a device that is not available, a training that diverged."""


class StorageError(RunError, OSError):
    """A file could not be read or written."""


class CheckError(VaepipeError):
    """The result is worse than it has to be: a model worse than its base model."""


class LockedError(VaepipeError):
    """Another run is writing the same output."""
