"""git: repositories, objects, the index, remotes and forges."""
