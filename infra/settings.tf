# The environment of each process (docs/settings.md). A test compares the names with chalicelib/config/settings.py.

locals {
  shared_settings = {
    MYSQL_HOST       = aws_db_instance.this.address
    MYSQL_PORT       = tostring(aws_db_instance.this.port)
    MYSQL_DATABASE   = aws_db_instance.this.db_name
    MYSQL_SECRET_ARN = local.database_secret_arn
    BUNDLE_BUCKET    = local.bucket
    BUNDLE_TTL       = tostring(var.bundle_days * 86400)
    JOB_QUEUE        = aws_sqs_queue.jobs.url
    LEASE            = tostring(var.lease)
  }

  # A Lambda has 29 s per request, so it gives up early. Its environment is limited to 4 KB, so the CA is in the zip.
  lambda_settings = {
    MYSQL_CA                   = "/var/task/mysql-ca.pem"
    DATABASE_CONNECT_ATTEMPTS  = "2"
    DATABASE_WAIT              = "1"
    AWS_STS_REGIONAL_ENDPOINTS = "regional" # the only STS endpoint that is reachable from the VPC
  }

  api_settings = merge(local.shared_settings, local.lambda_settings, var.settings, {
    BUNDLE_SIGNING_ROLE = local.signing_role_arn
  })

  sweep_settings = merge(local.shared_settings, local.lambda_settings, var.settings, {
    JOB_DEAD_QUEUE = aws_sqs_queue.dead.url
    CART_DEADLINE  = tostring(var.cart_days * 86400)
  })

  worker_settings = merge(local.shared_settings, var.settings, {
    AWS_DEFAULT_REGION    = local.region
    MYSQL_CA              = var.database_ca
    VOLUME_PATH           = local.volume_path
    VOLUME_LIMIT          = "${var.volume_limit_gb}G"
    ARCHIVE_INTERFACE_URL = var.archive_url
    RECALL_TIMEOUT        = tostring(var.recall_days * 86400)
  })
}
