"""Files in and out. The only place where other conventions are converted to ours."""
