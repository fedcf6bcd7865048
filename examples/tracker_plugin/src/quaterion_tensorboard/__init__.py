"""A TensorBoard tracker for Quaterion, as an example of a plugin with hooks of a training run."""
