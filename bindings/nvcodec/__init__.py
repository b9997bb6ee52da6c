"""The video engines of an NVIDIA GPU, by PyNvVideoCodec."""
