# The bundle store: private, encrypted, TLS only. Clients download bundles only through presigned URLs.

resource "aws_s3_bucket" "bundles" {
  bucket        = local.bucket
  force_destroy = !var.protect.bundles
}

resource "aws_s3_bucket_public_access_block" "bundles" {
  bucket = aws_s3_bucket.bundles.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "bundles" {
  bucket = aws_s3_bucket.bundles.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "bundles" {
  bucket = aws_s3_bucket.bundles.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "bundles" {
  bucket = aws_s3_bucket.bundles.id
  policy = data.aws_iam_policy_document.tls_only["bundles"].json

  depends_on = [aws_s3_bucket_public_access_block.bundles]
}

# The sweep deletes expired bundles. These rules only catch objects that the sweep does not know about.
resource "aws_s3_bucket_lifecycle_configuration" "bundles" {
  bucket = aws_s3_bucket.bundles.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    # An upload stays open until the last of its cart's files has come from tape, so at most for the cart's deadline.
    abort_incomplete_multipart_upload {
      days_after_initiation = ceil(var.cart_days) + 2
    }
  }

  rule {
    id     = "bundles"
    status = "Enabled"

    filter {
      prefix = "carts/"
    }

    expiration {
      days = var.bundle_most_days
    }
  }

  rule {
    id     = "uploaded-manifests"
    status = "Enabled"

    filter {
      prefix = "manifests/" # the sweep deletes them a day after their URL, or once they are read
    }

    expiration {
      days = ceil(var.cart_days) + 2 # a cart may wait for its deadline before its manifest is read
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "bundles" {
  count = length(var.cors_origins) > 0 ? 1 : 0

  bucket = aws_s3_bucket.bundles.id

  cors_rule {
    allowed_methods = ["GET", "HEAD", "PUT"]
    allowed_origins = var.cors_origins
    allowed_headers = ["range", "content-type"]
    expose_headers  = ["ETag", "Content-Length", "Content-Range", "Content-Disposition"]
    max_age_seconds = 3600
  }
}
