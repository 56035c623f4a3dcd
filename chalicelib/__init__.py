"""What the HTTP handlers and the workers share; imports neither of them and does no I/O at import."""
