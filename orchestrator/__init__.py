"""Which runs, and where: sweep specifications, planning, Ray Tune, measure actors and the command line."""
