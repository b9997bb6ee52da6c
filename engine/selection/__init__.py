"""Which frames are kept: candidates, options and policies by family."""
