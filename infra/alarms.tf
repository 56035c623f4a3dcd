# Each alarm has a section with its name in docs/operations.md; a test compares them.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

locals {
  # Log group, what the fields of its JSON lines must be, and metric of each filter; a test matches them with real lines.
  logged = {
    carts-failed   = { log = "workers", where = { logger = "workers.handlers.fail_cart", message = "cart * failed: *" }, counts = "CartsInError" }
    carts-given-up = { log = "sweep", where = { logger = "chalicelib.sweep.fail_cart", message = "cart * failed: *" }, counts = "CartsInError" }
    dead-letters   = { log = "sweep", where = { logger = "chalicelib.sweep.dead_letters", message = "dead letter *" }, counts = "DeadLetters" }
    jobs-failed    = { log = "workers", where = { logger = "workers.runtime.job_runner", level = "ERROR" }, counts = "JobsFailed" }
  }
}

# What API Gateway counts as 5XX has the HEAD of a failed cart in it, whose status is 500 by the API's own contract.
resource "aws_cloudwatch_log_metric_filter" "server_errors" {
  name           = "${var.name}-server-errors"
  log_group_name = aws_cloudwatch_log_group.this["access"].name
  pattern        = "{ ($.status = \"5*\") && (($.method != \"HEAD\") || ($.status != \"500\")) }"

  metric_transformation {
    name          = "ServerErrors"
    namespace     = var.name
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.logged

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.this[each.value.log].name
  pattern        = "{ ${join(" && ", [for field, value in each.value.where : "($.${field} = \"${value}\")"])} }"

  metric_transformation {
    name          = each.value.counts
    namespace     = var.name
    value         = "1"
    default_value = "0"
  }
}

locals {
  queue    = { QueueName = aws_sqs_queue.jobs.name }
  dead     = { QueueName = aws_sqs_queue.dead.name }
  gateway  = { ApiName = aws_api_gateway_rest_api.this.name, Stage = aws_api_gateway_stage.this.stage_name }
  database = { DBInstanceIdentifier = aws_db_instance.this.identifier }
  volume   = { FileSystemId = aws_efs_file_system.this.id, StorageClass = "Total" }
  service  = { ClusterName = aws_ecs_cluster.this.name, ServiceName = "workers" }
  api_fn   = { FunctionName = aws_lambda_function.api.function_name }
  sweep_fn = { FunctionName = aws_lambda_function.sweep.function_name }
  gib      = 1024 * 1024 * 1024

  longest_wait = "pacifica_cart_longest_wait_seconds" # docs/metrics.md

  # "over": alarm above the limit for that many periods; missing data is fine. "under": below it, or without data.
  over = {
    dead-letters         = { of = [var.name, "DeadLetters", "Sum"], is = {}, than = 0, seconds = 300, times = 1 }
    dead-letters-left    = { of = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Minimum"], is = local.dead, than = 0, seconds = 300, times = 3 }
    carts-in-error       = { of = [var.name, "CartsInError", "Sum"], is = {}, than = 4, seconds = 900, times = 1 }
    jobs-failed          = { of = [var.name, "JobsFailed", "Sum"], is = {}, than = 4, seconds = 900, times = 1 }
    volume-use           = { of = ["AWS/EFS", "StorageBytes", "Maximum"], is = local.volume, than = var.volume_limit_gb * local.gib * 1.1, seconds = 900, times = 4 }
    api-5xx              = { of = [var.name, "ServerErrors", "Sum"], is = {}, than = 4, seconds = 300, times = 1 }
    api-errors           = { of = ["AWS/Lambda", "Errors", "Sum"], is = local.api_fn, than = 0, seconds = 300, times = 1 }
    api-throttled        = { of = ["AWS/Lambda", "Throttles", "Sum"], is = local.api_fn, than = 9, seconds = 300, times = 2 }
    sweep-errors         = { of = ["AWS/Lambda", "Errors", "Sum"], is = local.sweep_fn, than = 2, seconds = 300, times = 2 }
    database-connections = { of = ["AWS/RDS", "DatabaseConnections", "Maximum"], is = local.database, than = var.database_connections * 0.8, seconds = 300, times = 2 }
    archive-down         = { of = [var.name, local.longest_wait, "Maximum"], is = { waits_for = "archive" }, than = 300, seconds = 60, times = 2 }
    store-failing        = { of = [var.name, local.longest_wait, "Maximum"], is = { waits_for = "store" }, than = 300, seconds = 60, times = 2 }
    space-wait           = { of = [var.name, "pacifica_cart_space_wait_seconds", "Maximum"], is = {}, than = 3600, seconds = 300, times = 2 }
    oldest-cart          = { of = [var.name, "pacifica_cart_oldest_unfinished_seconds", "Maximum"], is = {}, than = var.oldest_cart_hours * 3600, seconds = 300, times = 2 }
    nothing-ready        = { of = [var.name, "pacifica_cart_nothing_ready_seconds", "Maximum"], is = {}, than = var.nothing_ready_hours * 3600, seconds = 300, times = 2 }
    worker-hung          = { of = [var.name, "pacifica_cart_workers_hung", "Maximum"], is = {}, than = 0, seconds = 60, times = 2 }
    database-busy        = { of = ["AWS/RDS", "CPUUtilization", "Average"], is = local.database, than = 80, seconds = 300, times = 6 }
  }
  under = {
    sweep-missing  = { of = ["AWS/Lambda", "Invocations", "Sum"], is = local.sweep_fn, than = 1, seconds = 300, times = 2 }
    database-disk  = { of = ["AWS/RDS", "FreeStorageSpace", "Minimum"], is = local.database, than = var.database_storage_gb * local.gib * 0.2, seconds = 900, times = 1 }
    workers-missed = { of = ["AWS/ECS", "CPUUtilization", "SampleCount"], is = local.service, than = 1, seconds = 300, times = 2 }
  }

  alarms = merge(
    { for key, alarm in local.over : key => merge(alarm, { bad = "GreaterThanThreshold", missing = "notBreaching" }) },
    {
      for key, alarm in local.under : key => merge(alarm, { bad = "LessThanThreshold", missing = "breaching" })
      if key != "workers-missed" || local.workers > 0
    },
  )
}

# The oldest message's age counts only while messages wait: one in flight may get old, because a large file takes long.
resource "aws_cloudwatch_metric_alarm" "queue_age" {
  alarm_name          = "${var.name}-queue-age"
  alarm_description   = "docs/operations.md#queue-age"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 900
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "waited"
    label       = "age of the oldest job while jobs wait"
    expression  = "IF(waiting > 0, age, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      age     = { name = "ApproximateAgeOfOldestMessage", stat = "Maximum" }
      waiting = { name = "ApproximateNumberOfMessagesVisible", stat = "Minimum" }
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/SQS"
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        period      = 300
        dimensions  = local.queue
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "docs/operations.md#${each.key}"
  namespace           = each.value.of[0]
  metric_name         = each.value.of[1]
  statistic           = each.value.of[2]
  dimensions          = each.value.is
  comparison_operator = each.value.bad
  threshold           = each.value.than
  period              = each.value.seconds
  evaluation_periods  = each.value.times
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  # Before the first sweep there is nothing to look at, and an alarm of missing data would ring.
  depends_on = [aws_cloudwatch_event_target.sweep, aws_ecs_service.workers]
}
