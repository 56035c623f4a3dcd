"""What a POST does: a manifest, from the body or uploaded before, becomes the live cart of its uid.

The service and the wiring import it.
"""
