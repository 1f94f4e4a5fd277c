"""Structure from motion: from matches to cameras. Arrays in, arrays out; never torch."""
