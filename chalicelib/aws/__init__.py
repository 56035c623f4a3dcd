"""S3 and SQS: the job queue, the bundle store, uploaded manifests and signed URLs. Knows no tables.

The service, the sweep and the workers import it.
"""
