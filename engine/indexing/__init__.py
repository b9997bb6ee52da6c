"""Indexing a corpus: inputs, estimates, scheduler, worker pool and the pipeline of one video."""
