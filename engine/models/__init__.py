"""Frames in the forms that model runtimes take."""
