# BUNDLE_SIGNING_ROLE: a presigned URL acts with this role's permissions, so it has only those that the URLs need.

data "aws_iam_policy_document" "signing_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.api.arn]
    }
  }
}

resource "aws_iam_role" "signing" {
  name                 = "${var.name}-signing"
  assume_role_policy   = data.aws_iam_policy_document.signing_trust.json
  max_session_duration = 3600
}

# S3 checks these at each use of a URL, with the address of the client that uses it. Clients in a VPC with an endpoint for
# S3 have none (docs/deploy.md).
data "aws_iam_policy_document" "signing" {
  dynamic "statement" {
    for_each = {
      Download       = { action = "s3:GetObject", prefix = "carts" }
      UploadManifest = { action = "s3:PutObject", prefix = "manifests" }
    }

    content {
      sid       = statement.key
      actions   = [statement.value.action]
      resources = ["${local.bucket_arn}/${statement.value.prefix}/*"]

      dynamic "condition" {
        for_each = length(var.download_cidrs) > 0 ? [1] : []

        content {
          test     = "IpAddress"
          variable = "aws:SourceIp"
          values   = var.download_cidrs
        }
      }
    }
  }
}

resource "aws_iam_role_policy" "signing" {
  name   = "signing"
  role   = aws_iam_role.signing.id
  policy = data.aws_iam_policy_document.signing.json
}
