"""The verb ``render``."""
