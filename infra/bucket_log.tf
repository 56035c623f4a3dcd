# Who fetched which bundle from where: S3's access log of the bundle bucket, kept as long as the audit.

resource "aws_s3_bucket" "access" {
  bucket        = local.access_bucket
  force_destroy = !var.protect.bundles
}

resource "aws_s3_bucket_public_access_block" "access" {
  bucket = aws_s3_bucket.access.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "access" {
  bucket = aws_s3_bucket.access.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "access" {
  bucket = aws_s3_bucket.access.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256" # S3 cannot deliver its logs to a bucket with a KMS key
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "access" {
  bucket = aws_s3_bucket.access.id

  rule {
    id     = "audit-days"
    status = "Enabled"

    filter {}

    expiration {
      days = ceil(var.audit_days)
    }
  }
}

data "aws_iam_policy_document" "access_bucket" {
  source_policy_documents = [data.aws_iam_policy_document.tls_only["access"].json]

  statement {
    sid       = "LogOfTheBundles"
    actions   = ["s3:PutObject"]
    resources = ["${local.access_bucket_arn}/bundles/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.${local.suffix}"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.bucket_arn]
    }
  }
}

resource "aws_s3_bucket_policy" "access" {
  bucket = aws_s3_bucket.access.id
  policy = data.aws_iam_policy_document.access_bucket.json

  depends_on = [aws_s3_bucket_public_access_block.access]
}

resource "aws_s3_bucket_logging" "bundles" {
  bucket        = aws_s3_bucket.bundles.id
  target_bucket = aws_s3_bucket.access.id
  target_prefix = "bundles/"

  depends_on = [aws_s3_bucket_policy.access]
}
