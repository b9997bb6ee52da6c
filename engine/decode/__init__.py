"""From wanted frames to exact pictures: the plan, who decodes, and the batch of frames."""
