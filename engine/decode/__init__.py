"""From requested frames to exact pictures: plan, decoder protocol, choice of a backend, batch."""
