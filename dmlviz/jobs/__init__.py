"""Every process: what is queued, who runs it, where, and what it will cost."""
