"""HAProxy as the Proxy port: rendered files, the runtime API, and two ways to run it."""
