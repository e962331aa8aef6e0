"""Running for good: a service of the user's own manager, what it is told, and for how long nothing ran."""
