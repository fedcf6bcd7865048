"""HTTP service: embeddings and search of a model, for many clients at once."""
