"""Training, each kind in its own process."""
