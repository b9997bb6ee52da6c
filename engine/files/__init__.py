"""Video files as timelines and frames: probe and read, above the decoders."""
