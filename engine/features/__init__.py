"""What is computed per scanned frame and per video: signals, repeats, shots, anomaly."""
