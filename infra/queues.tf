# The job queue and its dead-letter queue.

locals {
  # Same formula as Settings.visibility: a little longer than the lease, so the lease ends first. A test compares them.
  visibility = ceil(var.lease) + 1
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-jobs-dead"
  message_retention_seconds = 1209600 # two weeks, the maximum
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "jobs" {
  name                       = "${var.name}-jobs"
  visibility_timeout_seconds = local.visibility
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true

  # Workers count attempts themselves and give up long before; this is for a message that no worker can read.
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 50 })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  count = var.rehearsal ? 0 : 1

  queue_url            = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.jobs.arn] })
}

resource "aws_sqs_queue_policy" "this" {
  for_each = { jobs = aws_sqs_queue.jobs.id, dead = aws_sqs_queue.dead.id }

  queue_url = each.value
  policy    = data.aws_iam_policy_document.tls_only[each.key].json
}
