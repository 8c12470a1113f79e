"""``rollstep resolve``: after a conflict in git, takes one side of an app as a whole."""
