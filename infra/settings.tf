# The environment of each process (docs/settings.md). A test compares the names with chalicelib/config/settings.py.

locals {
  shared_settings = {
    MYSQL_HOST     = aws_db_instance.this.address
    MYSQL_PORT     = tostring(aws_db_instance.this.port)
    MYSQL_DATABASE = aws_db_instance.this.db_name
    BUNDLE_BUCKET  = local.bucket
    BUNDLE_TTL     = tostring(var.bundle_days * 86400)
    JOB_QUEUE      = aws_sqs_queue.jobs.url
    LEASE          = tostring(var.lease)
    LOG_FORMAT     = "json"
  }

  # A Lambda has 29 s per request, so it gives up early. Its environment is limited to 4 KB, so the CA is in the zip.
  lambda_settings = {
    MYSQL_CA                   = "/var/task/mysql-ca.pem"
    DATABASE_CONNECT_ATTEMPTS  = "2"
    DATABASE_WAIT              = "1"
    AWS_STS_REGIONAL_ENDPOINTS = "regional" # the only STS endpoint that is reachable from the VPC
  }

  # What is empty counts as not set.
  api_settings = { for name, value in merge(local.shared_settings, local.lambda_settings, var.settings, {
    MYSQL_SECRET_ARN        = aws_secretsmanager_secret.database["api"].arn
    JOB_DEAD_QUEUE          = aws_sqs_queue.dead.url # how many dead letters there are, for /-/metrics
    BUNDLE_SIGNING_ROLE     = local.signing_role_arn
    AUTH                    = var.auth
    AUTH_NONE_I_KNOW        = var.auth_none_i_know ? "1" : ""
    OIDC_ISSUERS            = !strcontains(var.auth, "oidc") ? "" : join(",", var.oidc.issuers)
    OIDC_AUDIENCE           = !strcontains(var.auth, "oidc") ? "" : join(",", var.oidc.audience)
    SHARE_LINKS             = var.share_links ? "1" : ""
    ALLOWED_ORIGINS         = join(",", var.cors_origins)
    ALLOWED_HOSTS           = try(var.domain.name, "")
    POLICY_URL              = var.policy_url
    POLICY_TOKEN_SECRET_ARN = coalesce(var.policy_token_secret_arn, "-") == "-" ? "" : var.policy_token_secret_arn
  }) : name => value if value != "" }

  # Metrics are in the logs of the sweep and the workers; those of two deployments are told apart by namespace.
  metric_settings = {
    METRICS_EMF       = "1"
    METRICS_NAMESPACE = var.name
  }

  # Workers tell, of what the sweep has ended as well.
  notify_settings = {
    NOTIFY_TOPIC_ARN = coalesce(var.notify_topic_arn, "-") == "-" ? "" : var.notify_topic_arn
    NOTIFY_EVENT_BUS = coalesce(var.notify_bus_arn, "-") == "-" ? "" : var.notify_bus_arn
  }
  reporting = merge(local.metric_settings, local.notify_settings)

  sweep_settings = { for name, value in merge(local.shared_settings, local.lambda_settings, local.reporting, var.settings, {
    MYSQL_SECRET_ARN = aws_secretsmanager_secret.database["sweep"].arn
    JOB_DEAD_QUEUE   = aws_sqs_queue.dead.url
    CART_DEADLINE    = tostring(var.cart_days * 86400)
    AUDIT_DAYS       = tostring(var.audit_days)
  }) : name => value if value != "" }

  # Processes log in with least rights: the migration task makes the tables, and they wait for it.
  worker_settings = { for name, value in merge(local.shared_settings, local.reporting, var.settings, {
    MYSQL_SECRET_ARN      = aws_secretsmanager_secret.database["workers"].arn
    AWS_DEFAULT_REGION    = local.region
    MYSQL_CA              = var.database_ca
    MIGRATE               = "0"
    PUBLIC_URL            = local.api_url
    VOLUME_PATH           = local.volume_path
    LIVENESS_FILE         = "/dev/shm/pacifica-worker" # all else of the container is read-only
    VOLUME_LIMIT          = "${var.volume_limit_gb}G"
    ARCHIVE_INTERFACE_URL = var.archive_url
    RECALL_TIMEOUT        = tostring(var.recall_days * 86400)
    POLICY_URL            = var.policy_url
  }) : name => value if value != "" }

  # dbsync and dbusers: the tables' owner, who alone may change them.
  migrate_settings = merge(local.worker_settings, { MYSQL_SECRET_ARN = local.database_secret_arn })

  # ECS reads these when it starts a worker, so they are in no task definition and no state. Lambda has nothing like it: the
  # API reads POLICY_TOKEN_SECRET_ARN itself.
  worker_secrets = { for name, arn in {
    POLICY_TOKEN       = var.policy_token_secret_arn, ARCHIVE_TOKEN = var.archive_token_secret_arn,
    NOTIFY_SIGNING_KEY = var.notify_key_secret_arn, SMTP_URL = var.smtp_secret_arn
  } : name => arn if arn != null }
}
