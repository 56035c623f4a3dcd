# What workers may do only if the site asks for it: publish notifications, and serve a shell by ECS Exec.

data "aws_iam_policy_document" "notify" {
  dynamic "statement" {
    for_each = { for action, arn in { "sns:Publish" = var.notify_topic_arn, "events:PutEvents" = var.notify_bus_arn } : action => arn if arn != null }

    content {
      actions   = [statement.key]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "notify" {
  count = var.notify_topic_arn == null && var.notify_bus_arn == null ? 0 : 1

  name   = "notify"
  role   = aws_iam_role.workers.id
  policy = data.aws_iam_policy_document.notify.json
}

locals {
  exec_actions = [
    "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
  ]
}

# ECS Exec: a shell in a worker.
data "aws_iam_policy_document" "exec" {
  statement {
    sid       = "Shell" # these actions have no resource level
    actions   = local.exec_actions
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "exec" {
  count = var.ecs_exec ? 1 : 0

  name   = "exec"
  role   = aws_iam_role.workers.id
  policy = data.aws_iam_policy_document.exec.json
}
