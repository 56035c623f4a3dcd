"""What is deployed, and the stand-ins for running it locally."""
