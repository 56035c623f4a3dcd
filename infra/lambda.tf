# The API's function. It shares the zip made by `chalice package` with the sweep's function (schedule.tf).

locals {
  # As in .chalice/config.json; a test compares them.
  lambda_memory  = 512
  lambda_timeout = 29
  python         = regex("python3\\.1[1-9]", basename(var.lambda_zip))
}

data "aws_iam_policy_document" "lambda_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.${local.suffix}"]
    }
  }
}

resource "aws_iam_role" "api" {
  name               = "${var.name}-api"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

data "aws_iam_policy_document" "api" {
  statement {
    sid       = "Jobs"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]
  }

  statement {
    sid       = "Health" # /-/readyz and /-/metrics
    actions   = ["sqs:GetQueueAttributes"]
    resources = [local.queue_arn, local.dead_arn]
  }

  statement {
    sid       = "UploadedManifests"
    actions   = ["s3:GetObject"] # HEAD
    resources = ["${local.bucket_arn}/manifests/*"]
  }

  statement {
    sid       = "DeletedCarts"
    actions   = ["s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${local.bucket_arn}/carts/*"]
  }

  statement {
    sid       = "MissingIs404" # without it S3 answers 403
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "SignUrls"
    actions   = ["sts:AssumeRole"]
    resources = [local.signing_role_arn]
  }

  dynamic "statement" {
    for_each = var.policy_token_secret_arn == null ? [] : [1]

    content {
      sid       = "PolicyToken"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [var.policy_token_secret_arn]
    }
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [local.log_streams.api]
  }
}

resource "aws_iam_role_policy" "api" {
  name   = "api"
  role   = aws_iam_role.api.id
  policy = data.aws_iam_policy_document.api.json
}

# The Lambda service creates a function's network interfaces with the function's own role.
data "aws_iam_policy_document" "lambda_network" {
  statement {
    sid     = "NetworkMake"
    actions = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
    resources = [
      "arn:${local.partition}:ec2:${local.region}:${local.account}:network-interface/*",
      "arn:${local.partition}:ec2:${local.region}:${local.account}:subnet/*",
      "arn:${local.partition}:ec2:${local.region}:${local.account}:security-group/*",
    ]
  }

  statement {
    sid       = "NetworkLook" # these EC2 actions have no resource level
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"]
  }

  # Allowed for the service, denied for the function's own code.
  statement {
    sid    = "NotFromTheCode"
    effect = "Deny"
    actions = [
      "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
    ]
    resources = ["*"]

    condition {
      test     = "ArnLike"
      variable = "lambda:SourceFunctionArn"
      values   = ["arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-*"]
    }
  }
}

resource "aws_iam_role_policy" "lambda_network" {
  for_each = { api = aws_iam_role.api.id, sweep = aws_iam_role.sweep.id }

  name   = "network"
  role   = each.value
  policy = data.aws_iam_policy_document.lambda_network.json
}

resource "aws_lambda_function" "api" {
  function_name    = "${var.name}-api"
  description      = "Pacifica Data Cart: the API"
  role             = aws_iam_role.api.arn
  handler          = "app.app"
  runtime          = local.python
  filename         = var.lambda_zip
  source_code_hash = filebase64sha256(var.lambda_zip)
  memory_size      = local.lambda_memory
  timeout          = local.lambda_timeout

  # Limits the number of database connections, whatever the number of requests.
  reserved_concurrent_executions = var.api_concurrency

  environment {
    variables = local.api_settings
  }

  vpc_config {
    subnet_ids         = aws_subnet.private[*].id
    security_group_ids = [for part in ["lambda", "callout"] : aws_security_group.this[part].id]
  }

  depends_on = [
    aws_cloudwatch_log_group.this, aws_iam_role_policy.api, aws_iam_role_policy.lambda_network,
    aws_vpc_security_group_egress_rule.inside, # on destroy, the rules must outlive the function
  ]
}
