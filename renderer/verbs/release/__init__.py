"""The verbs that commit a step or propose one."""
