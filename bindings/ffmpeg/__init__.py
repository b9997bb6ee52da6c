"""FFmpeg through PyAV (https://pyav.org)."""
