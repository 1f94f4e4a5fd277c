"""Photos that a finished reconstruction left out."""
