"""The order of a step's changes: phases and waves that are safe however a commit is applied."""
