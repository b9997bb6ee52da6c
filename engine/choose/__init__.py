"""Which frames are kept: candidates, policies and what they share."""
