"""From the volume to the bundle store: plan windows, read parts, upload, complete."""
