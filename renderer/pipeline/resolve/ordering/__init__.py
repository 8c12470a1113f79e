"""The order of changes that is safe however a commit is applied."""
