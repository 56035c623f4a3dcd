"""Whether the service does what it should: its figures as metrics, and whether what it needs answers. Nothing here
changes anything."""
