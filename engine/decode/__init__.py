"""From requested frames to exact pictures: the plan, the decoder protocol, the choice of a backend, the batch."""
