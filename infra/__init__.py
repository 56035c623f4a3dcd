"""Deployment: the Terraform module, the Lambda zip, and the stand-ins for running the system locally."""
