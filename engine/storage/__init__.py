"""A store on disk or at a URL: its groups, pictures, sidecars and catalogue."""
