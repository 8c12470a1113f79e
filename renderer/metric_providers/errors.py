"""The error of a measurement."""


class ProviderError(Exception):
    """The measurement is an Error with this message."""
