"""What an activation, a training step and the input pipeline cost, measured side by side in one process."""
