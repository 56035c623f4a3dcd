# A worker that has a job asks ECS to stop another task when it scales in (workers/runtime/task_protection.py). It asks
# the agent beside it, which calls ECS as the worker's role, and not through the VPC.

data "aws_iam_policy_document" "task_protection" {
  statement {
    sid       = "OwnTasks"
    actions   = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/${aws_ecs_cluster.this.name}/*"]
  }
}

resource "aws_iam_role_policy" "task_protection" {
  name   = "task-protection"
  role   = aws_iam_role.workers.id
  policy = data.aws_iam_policy_document.task_protection.json
}
