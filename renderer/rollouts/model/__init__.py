"""The values of a release: the Rollout, its status, and the world around them."""
