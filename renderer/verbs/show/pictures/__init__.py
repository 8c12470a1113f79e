"""Pictures of a plan: the staircase as data, and its drawings."""
