"""Is the operator right, and how near is it to what the machine can do? Needs torch and the kernels, nothing else."""
