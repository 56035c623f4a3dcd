# The sweep, once a minute: repairs what a crash left behind and expires bundles.

resource "aws_iam_role" "sweep" {
  name               = "${var.name}-sweep"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

data "aws_iam_policy_document" "sweep" {
  statement {
    sid       = "Jobs"
    actions   = ["sqs:GetQueueAttributes", "sqs:SendMessage"] # it reads the queue's length
    resources = [local.queue_arn]
  }

  statement {
    sid       = "DeadLetters" # it sends dead letters again
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [local.dead_arn]
  }

  statement {
    sid       = "UploadsListed" # to find uploads without a cart
    actions   = ["s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "UploadsAborted"
    actions   = ["s3:AbortMultipartUpload"]
    resources = ["${local.bucket_arn}/carts/*"]
  }

  statement {
    sid       = "UploadedManifestsDeleted"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.bucket_arn}/manifests/*"]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [local.log_streams.sweep]
  }
}

resource "aws_iam_role_policy" "sweep" {
  name   = "sweep"
  role   = aws_iam_role.sweep.id
  policy = data.aws_iam_policy_document.sweep.json
}

resource "aws_lambda_function" "sweep" {
  function_name    = "${var.name}-sweep"
  description      = "Pacifica Data Cart: the sweep"
  role             = aws_iam_role.sweep.arn
  handler          = "app.sweep"
  runtime          = local.python
  filename         = var.lambda_zip
  source_code_hash = filebase64sha256(var.lambda_zip)
  memory_size      = local.lambda_memory
  timeout          = 59

  reserved_concurrent_executions = var.api_concurrency < 0 ? -1 : 1

  environment {
    variables = local.sweep_settings
  }

  vpc_config {
    subnet_ids         = aws_subnet.private[*].id
    security_group_ids = [aws_security_group.this["lambda"].id]
  }

  depends_on = [
    aws_cloudwatch_log_group.this, aws_iam_role_policy.sweep, aws_iam_role_policy.lambda_network,
    aws_vpc_security_group_egress_rule.inside,
  ]
}

resource "aws_cloudwatch_event_rule" "sweep" {
  name                = "${var.name}-sweep"
  description         = "Runs the sweep"
  schedule_expression = "rate(1 minute)"
  state               = "ENABLED" # enables it again if it was disabled by hand
}

resource "aws_cloudwatch_event_target" "sweep" {
  rule = aws_cloudwatch_event_rule.sweep.name
  arn  = aws_lambda_function.sweep.arn

  retry_policy {
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }
}

# No retries: the next run does the work of one that failed. By default Lambda would retry twice.
resource "aws_lambda_function_event_invoke_config" "sweep" {
  function_name                = aws_lambda_function.sweep.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

resource "aws_lambda_permission" "sweep" {
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.sweep.function_name
  principal     = "events.${local.suffix}"
  source_arn    = aws_cloudwatch_event_rule.sweep.arn
}
