"""The HTTP side: metrics, the API and the status page, on aiohttp."""
