"""What callers rely on, held by the real stores and by their in-memory doubles alike. Imports `tests.doubles`."""
