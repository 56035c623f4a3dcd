# pacifica-cartd-cmd as a task of its own, run by the command in the output `command`: it has a worker's image, network and
# volume, and may do what its commands do. It logs in as the tables' owner.

resource "aws_iam_role" "operate" {
  name               = "${var.name}-operate"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

data "aws_iam_policy_document" "operate" {
  source_policy_documents = [data.aws_iam_policy_document.workers.json]

  statement {
    sid = "Queues" # status, queue, queue redrive
    actions = [
      "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage", "sqs:DeleteMessage",
      "sqs:ChangeMessageVisibility",
    ]
    resources = [local.dead_arn, local.queue_arn]
  }

  statement {
    sid       = "BucketRead" # reconcile lists objects, doctor looks at the lifecycle rules
    actions   = ["s3:GetLifecycleConfiguration", "s3:ListBucket"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "Probe" # doctor writes, reads and deletes an object
    actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    resources = ["${local.bucket_arn}/doctor/*"]
  }

  statement {
    sid       = "DatabaseOwner"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.database_secret_arn]
  }
}

resource "aws_iam_role_policy" "operate" {
  name   = "operate"
  role   = aws_iam_role.operate.id
  policy = data.aws_iam_policy_document.operate.json
}

resource "aws_iam_role_policy" "operate_volume" {
  name   = "volume"
  role   = aws_iam_role.operate.id
  policy = data.aws_iam_policy_document.volume_access.json
}

locals {
  operate_settings = merge(local.worker_settings, {
    MYSQL_SECRET_ARN = local.database_secret_arn
    JOB_DEAD_QUEUE   = aws_sqs_queue.dead.url
    CART_DEADLINE    = tostring(var.cart_days * 86400)
    AUDIT_DAYS       = tostring(var.audit_days)
    LOG_LEVEL        = "WARNING" # what a command prints is its result
  })
}

resource "aws_ecs_task_definition" "operate" {
  count = local.workers

  family                   = "${var.name}-operate"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.operate.arn
  execution_role_arn       = aws_iam_role.start.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.worker_architecture
  }

  volume {
    name = "volume"

    efs_volume_configuration {
      file_system_id     = aws_efs_file_system.this.id
      transit_encryption = "ENABLED"

      authorization_config {
        access_point_id = aws_efs_access_point.this.id
        iam             = "ENABLED"
      }
    }
  }

  container_definitions = jsonencode([{
    name                   = "operate"
    image                  = local.image
    command                = ["pacifica-cartd-cmd", "status"]
    essential              = true
    user                   = tostring(local.worker_user)
    readonlyRootFilesystem = true
    environment            = [for name in sort(keys(local.operate_settings)) : { name = name, value = local.operate_settings[name] }]
    secrets                = [for name in sort(keys(local.worker_secrets)) : { name = name, valueFrom = local.worker_secrets[name] }]
    mountPoints            = [{ sourceVolume = "volume", containerPath = local.volume_path, readOnly = false }]
    logConfiguration = {
      logDriver = "awslogs"
      options   = merge(local.log_options, { awslogs-stream-prefix = "operate" })
    }
  }])

  depends_on = [aws_efs_mount_target.this]
}

locals {
  # infra/operate.py runs the task, prints what it prints, and ends with its exit code.
  operate_command = join(" ", [
    "python -m infra.operate --region ${local.region} --cluster ${aws_ecs_cluster.this.name} --task ${var.name}-operate",
    "--subnets ${join(",", local.worker_subnets)} --security-group ${aws_security_group.this["workers"].id}",
    "--log-group ${local.log_groups.workers} --",
  ])
}
