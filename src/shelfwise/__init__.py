"""shelfwise: product intelligence for shops, learned from the shop's own catalogue."""

__version__ = "0.1.0"
