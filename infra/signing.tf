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

data "aws_iam_policy_document" "signing" {
  statement {
    sid       = "Download"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/carts/*"]
  }

  statement {
    sid       = "UploadManifest"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/manifests/*"]
  }
}

resource "aws_iam_role_policy" "signing" {
  name   = "signing"
  role   = aws_iam_role.signing.id
  policy = data.aws_iam_policy_document.signing.json
}
