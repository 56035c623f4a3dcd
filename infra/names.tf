# Account, region, and ARNs derived from names, so that a plan shows every policy in full before anything is created.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# Includes zones that are impaired at the moment: an outage must not move every subnet.
data "aws_availability_zones" "all" {
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  suffix    = data.aws_partition.current.dns_suffix
  zones     = slice(coalescelist(var.zone_names, data.aws_availability_zones.all.names), 0, var.zones)

  bucket            = "${var.name}-bundles-${local.account}"
  bucket_arn        = "arn:${local.partition}:s3:::${local.bucket}"
  access_bucket     = "${var.name}-access-${local.account}"
  access_bucket_arn = "arn:${local.partition}:s3:::${local.access_bucket}"

  queue_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-jobs"
  dead_arn  = "${local.queue_arn}-dead"
  role_path = "arn:${local.partition}:iam::${local.account}:role"

  # Credentials from role chaining are valid for an hour at most; BUNDLE_URL_LIFE may be shorter.
  signing_role_arn = "${local.role_path}/${var.name}-signing"

  # The roles of the code.
  code_roles = { api = aws_iam_role.api.id, sweep = aws_iam_role.sweep.id, workers = aws_iam_role.workers.id }

  log_groups = {
    api     = "/aws/lambda/${var.name}-api"
    sweep   = "/aws/lambda/${var.name}-sweep"
    workers = "/${var.name}/workers"
    access  = "/${var.name}/access"
    errors  = "/aws/rds/instance/${var.name}/error"
    slow    = "/aws/rds/instance/${var.name}/slowquery"
  }
  log_streams = {
    for key, group in local.log_groups :
    key => "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${group}:*"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_days
}
