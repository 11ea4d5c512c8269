"""One file per group of routes; every route is one question on the bus."""
