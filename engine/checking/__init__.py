"""Verifying and repairing files and stores."""
