"""A run over a corpus: films, tasks, workers, and the pipeline of one film."""
