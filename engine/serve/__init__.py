"""Handing frames to models, agents and training."""
