"""Clips of a corpus for training loops."""
