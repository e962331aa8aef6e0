"""The four services; they meet on the bus only."""
