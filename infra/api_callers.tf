# The resource policy: who may call the API at all. With auth = iam it also says which principals' signatures count.

locals {
  open_paths = flatten([
    ["OPTIONS/*", "GET/", "GET/-/healthz", "GET/-/readyz", "GET/-/notify-keys"], var.share_links ? ["GET/-/shared/*", "HEAD/-/shared/*"] : [],
  ])
  api_arn = "${aws_api_gateway_rest_api.this.execution_arn}/${local.stage}"
}

data "aws_iam_policy_document" "api_callers" {
  statement {
    sid     = "Callers"
    actions = ["execute-api:Invoke"]
    # The full ARN, because AWS expands the short form, which every plan would then show as a change.
    resources = ["${local.api_arn}/*"]

    # Any AWS account could sign a request. That of an account here means: those to whom its IAM gives the permission.
    principals {
      type = "AWS"
      identifiers = !local.signed ? ["*"] : coalescelist(
        var.iam_principals, ["arn:${local.partition}:iam::${local.account}:root"]
      )
    }

    condition {
      test     = "IpAddress"
      variable = "aws:SourceIp"
      values   = var.api_allowed_cidrs
    }
  }

  dynamic "statement" {
    for_each = local.signed ? [1] : []

    content {
      sid       = "WithoutSignature"
      actions   = ["execute-api:Invoke"]
      resources = [for path in local.open_paths : "${local.api_arn}/${path}"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }

      condition {
        test     = "IpAddress"
        variable = "aws:SourceIp"
        values   = var.api_allowed_cidrs
      }
    }
  }
}

resource "aws_api_gateway_rest_api_policy" "this" {
  count = var.rehearsal ? 0 : 1

  rest_api_id = aws_api_gateway_rest_api.this.id
  policy      = data.aws_iam_policy_document.api_callers.json
}
