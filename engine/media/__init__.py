"""From a file to its timeline: packets, times and what the bitstream says, nothing decoded."""
