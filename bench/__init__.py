"""What measures: the demo, and benchmarks of whole jobs beside their peers."""
