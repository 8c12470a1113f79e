"""The verb `render`."""
