"""Files for other programs, written from results."""
