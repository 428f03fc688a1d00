"""Generated crates beside PyTorch: the same model, batches and threads; see README.md."""
