"""Resolves an app and its status into the next step of its release."""
