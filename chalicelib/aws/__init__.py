"""S3 and SQS: the job queue, the bundle store, uploaded manifests and signed URLs. Imports `job_message`, but no store.

The service, the sweep and the workers import it.
"""
