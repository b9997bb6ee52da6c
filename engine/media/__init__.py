"""From bytes to facts: packets, times and headers; nothing is decoded."""
