"""Sessions and tools through which agents look at a video."""
