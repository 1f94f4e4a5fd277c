"""From minutes and gigabytes to the numbers of a training: what it costs, and what is worth it."""
