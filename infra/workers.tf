# The workers: containers that stage and bundle. On SIGTERM a worker drains: it requeues its jobs within 8 s. What it has
# received of large files stays on the volume for the next one.

locals {
  workers = var.image_tag == null ? 0 : 1
  image   = "${aws_ecr_repository.workers.repository_url}:${coalesce(var.image_tag, "none")}"
  log_options = {
    awslogs-group         = local.log_groups.workers
    awslogs-region        = local.region
    awslogs-stream-prefix = "worker"
  }
  worker_environment = [for name in sort(keys(local.worker_settings)) : { name = name, value = local.worker_settings[name] }]
}

data "aws_iam_policy_document" "task_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.${local.suffix}"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "workers" {
  name               = "${var.name}-workers"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

data "aws_iam_policy_document" "workers" {
  statement {
    sid       = "Jobs"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:SendMessage"]
    resources = [local.queue_arn]
  }

  statement {
    sid = "Bundles"
    actions = [
      "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
    ]
    resources = ["${local.bucket_arn}/carts/*"]
  }

  statement {
    sid       = "UploadedManifests"
    actions   = ["s3:GetObject", "s3:DeleteObject"]
    resources = ["${local.bucket_arn}/manifests/*"]
  }

  statement {
    sid       = "BundleLists" # what deleted carts left, including objects without a row
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arn]
  }
}

resource "aws_iam_role_policy" "workers" {
  name   = "workers"
  role   = aws_iam_role.workers.id
  policy = data.aws_iam_policy_document.workers.json
}

# The task execution role: what ECS itself needs to start a worker.
resource "aws_iam_role" "start" {
  name               = "${var.name}-start"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "Image"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.workers.arn]
  }

  statement {
    sid       = "RegistryLogin" # this ECR action has no resource level
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [local.log_streams.workers]
  }

  dynamic "statement" {
    for_each = length(local.worker_secrets) > 0 ? [1] : []

    content {
      sid       = "Tokens"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = values(local.worker_secrets)
    }
  }
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_ecs_task_definition" "workers" {
  count = local.workers

  family                   = "${var.name}-workers"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.worker_cpu
  memory                   = var.worker_memory
  task_role_arn            = aws_iam_role.workers.arn
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

  # The check asks whether a thread hangs, and not for the database, which no restart brings back.
  container_definitions = jsonencode([{
    name                   = "worker"
    image                  = local.image
    essential              = true
    user                   = tostring(local.worker_user)
    readonlyRootFilesystem = !var.ecs_exec # the agent of ECS Exec writes to it
    stopTimeout            = 30            # draining takes 8 s
    environment            = local.worker_environment
    secrets                = [for name in sort(keys(local.worker_secrets)) : { name = name, valueFrom = local.worker_secrets[name] }]
    linuxParameters        = { initProcessEnabled = true }
    healthCheck            = { command = ["CMD", "python3", "-m", "workers.alive"], interval = 30, timeout = 10, retries = 3, startPeriod = 60 }
    logConfiguration       = { logDriver = "awslogs", options = local.log_options }
    mountPoints            = [{ sourceVolume = "volume", containerPath = local.volume_path, readOnly = false }]
  }])

  depends_on = [aws_efs_mount_target.this]
}

resource "aws_ecs_service" "workers" {
  count = local.workers

  name                   = "workers"
  cluster                = aws_ecs_cluster.this.id
  task_definition        = aws_ecs_task_definition.workers[0].arn
  desired_count          = var.worker_count.least
  platform_version       = "1.4.0"
  wait_for_steady_state  = false
  enable_execute_command = var.ecs_exec
  force_new_deployment   = true # otherwise a change of capacity providers replaces the service
  propagate_tags         = "SERVICE"

  # The minimum runs on demand; only workers above it may run on Spot.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.worker_count.least
    weight            = var.worker_spot ? 0 : 1
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.worker_spot ? [1] : []

    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = 1
    }
  }

  network_configuration {
    subnets          = local.worker_subnets
    security_groups  = [aws_security_group.this["workers"].id]
    assign_public_ip = false
  }

  # Workers of two versions can share the queue, so new ones start before old ones stop.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  lifecycle {
    ignore_changes = [desired_count] # managed in scaling.tf
  }

  depends_on = [
    aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.workers, aws_iam_role_policy.workers_volume,
    aws_iam_role_policy.task_protection, aws_iam_role_policy.start, aws_vpc_endpoint.interface,
    aws_efs_file_system_policy.this,
  ]
}
