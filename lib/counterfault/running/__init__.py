"""Running notebooks on data and leaving behind a finished run directory, or an honest unfinished one."""
