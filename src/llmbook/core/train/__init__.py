"""Training: the loop, optimizers, checkpoints, several processes."""
