"""A simulated cluster that runs a scenario through the controller."""
