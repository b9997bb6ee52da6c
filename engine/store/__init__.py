"""A store on disk or at a URL: groups, pictures, sidecars and catalogue."""
