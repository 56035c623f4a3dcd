# The bundle store and the queues require TLS. database.tf and volume.tf require it for the database and the volume.

locals {
  spoken_to = {
    jobs    = { service = "sqs", arns = [local.queue_arn] }
    dead    = { service = "sqs", arns = [local.dead_arn] }
    bundles = { service = "s3", arns = [local.bucket_arn, "${local.bucket_arn}/*"] }
    access  = { service = "s3", arns = [local.access_bucket_arn, "${local.access_bucket_arn}/*"] }
  }
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.spoken_to

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["${each.value.service}:*"]
    resources = each.value.arns

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
