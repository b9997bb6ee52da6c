"""The demo, and what `fewframes bench` measures on a user's films; studies are in `research`."""
