"""Records trainings in TensorBoard, as an example of a plugin that takes part in a training."""
