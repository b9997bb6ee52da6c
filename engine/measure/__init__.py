"""What is measured of a frame and of a film: signals, repeats, shots, the unusual."""
