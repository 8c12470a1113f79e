"""The Rollout, its status and the world as values."""
