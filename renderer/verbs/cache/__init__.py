"""The cache of rendered apps, and the results of the last checks."""
