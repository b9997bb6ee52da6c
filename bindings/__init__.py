"""Everything foreign, one library a file; each is imported only when it is used."""
