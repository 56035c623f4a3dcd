# dbusers as a separate task, run by the command in the output migrate_command: it makes the tables, then the users of the
# processes. Run it before the new code in an upgrade.

locals {
  migrations    = var.image_tag == null && var.migration_image_tag == null ? 0 : 1
  migration_tag = try(coalesce(var.migration_image_tag, var.image_tag), "none")
  migrate = concat(["pacifica-cartd-cmd", "dbusers"], flatten([
    for process, secret in aws_secretsmanager_secret.database : ["--secret", process, secret.arn]
  ]))
}

resource "aws_ecs_task_definition" "migrate" {
  count = local.migrations

  family                   = "${var.name}-migrate"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.migrate.arn
  execution_role_arn       = aws_iam_role.start.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.worker_architecture
  }

  container_definitions = jsonencode([{
    name                   = "migrate"
    image                  = "${aws_ecr_repository.workers.repository_url}:${local.migration_tag}"
    command                = local.migrate
    essential              = true
    user                   = tostring(local.worker_user)
    readonlyRootFilesystem = true
    environment            = [for name in sort(keys(local.migrate_settings)) : { name = name, value = local.migrate_settings[name] }]
    logConfiguration = {
      logDriver = "awslogs"
      options   = merge(local.log_options, { awslogs-stream-prefix = "migrate" })
    }
  }])
}

locals {
  migrate_network = join(",", [
    "subnets=[${join(",", local.worker_subnets)}]", "securityGroups=[${aws_security_group.this["workers"].id}]",
    "assignPublicIp=DISABLED",
  ])
  migrate_command = join(" ", [
    "aws ecs run-task --region ${local.region} --cluster ${aws_ecs_cluster.this.name} --launch-type FARGATE",
    "--task-definition ${var.name}-migrate --network-configuration 'awsvpcConfiguration={${local.migrate_network}}'",
  ])
}
