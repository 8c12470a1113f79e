"""Pull requests of steps."""
