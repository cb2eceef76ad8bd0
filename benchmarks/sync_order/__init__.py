"""What a run has on the disk when it names it, by its system calls."""
