"""The outside world. Each adapter is the one place where its library's errors become BgmonError."""
