"""The archive interface over libcurl: metadata, recalls, file contents, and how long to retry. Knows no volume.

Staging and the handlers import it.
"""
