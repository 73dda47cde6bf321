"""The training engine: stacked networks, the loop over all replicas at once, splits, devices and checkpoints."""
