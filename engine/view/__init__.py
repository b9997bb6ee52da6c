"""Frames as pages for people."""
