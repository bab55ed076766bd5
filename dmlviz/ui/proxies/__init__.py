"""The Proxies page."""
