"""The cache of rendered apps."""
