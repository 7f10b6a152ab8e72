"""TLS certificates: what stands in them, where they are kept, and the ACME server that gives them."""
