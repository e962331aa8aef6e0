"""Documents that are written again as a whole, and folders of small ones. Pure."""
