"""The verbs, each from end to end, without the command line."""
