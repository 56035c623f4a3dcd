# The dashboard: backlog, carts, API, volume, database and workers on one page.

locals {
  # Title, then the metrics: namespace, name, statistic, dimensions.
  graphs = [
    ["Jobs", [
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", local.queue],
      ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum", local.queue],
      ["AWS/SQS", "ApproximateNumberOfMessagesDelayed", "Maximum", local.queue],
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", local.dead],
    ]],
    ["Age of the oldest job", [["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", local.queue]]],
    ["Carts in error, jobs failed, dead letters", [
      [var.name, "CartsInError", "Sum", {}], [var.name, "JobsFailed", "Sum", {}], [var.name, "DeadLetters", "Sum", {}],
    ]],
    ["Requests", [
      ["AWS/ApiGateway", "Count", "Sum", local.gateway],
      ["AWS/ApiGateway", "4XXError", "Sum", local.gateway],
      ["AWS/ApiGateway", "5XXError", "Sum", local.gateway],
    ]],
    ["Latency of the API", [
      ["AWS/ApiGateway", "Latency", "p50", local.gateway], ["AWS/ApiGateway", "Latency", "p99", local.gateway],
    ]],
    ["Lambda", [
      ["AWS/Lambda", "Errors", "Sum", local.api_fn], ["AWS/Lambda", "Throttles", "Sum", local.api_fn],
      ["AWS/Lambda", "Errors", "Sum", local.sweep_fn], ["AWS/Lambda", "ConcurrentExecutions", "Maximum", local.api_fn],
    ]],
    ["Workers", [["AWS/ECS", "CPUUtilization", "SampleCount", local.service]]],
    ["CPU and memory of the workers", [
      ["AWS/ECS", "CPUUtilization", "Average", local.service],
      ["AWS/ECS", "MemoryUtilization", "Maximum", local.service],
    ]],
    ["Volume, bytes", [["AWS/EFS", "StorageBytes", "Maximum", local.volume]]],
    ["Volume, throughput", [
      ["AWS/EFS", "DataReadIOBytes", "Sum", { FileSystemId = aws_efs_file_system.this.id }],
      ["AWS/EFS", "DataWriteIOBytes", "Sum", { FileSystemId = aws_efs_file_system.this.id }],
    ]],
    ["Database", [
      ["AWS/RDS", "DatabaseConnections", "Maximum", local.database],
      ["AWS/RDS", "CPUUtilization", "Average", local.database],
    ]],
    ["Free disk space of the database", [["AWS/RDS", "FreeStorageSpace", "Minimum", local.database]]],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [for number, graph in local.graphs : {
      type   = "metric"
      x      = (number % 3) * 8
      y      = floor(number / 3) * 6
      width  = 8
      height = 6
      properties = {
        title  = graph[0]
        region = local.region
        period = 300
        metrics = [for metric in graph[1] : concat(
          [metric[0], metric[1]],
          flatten([for name, value in metric[3] : [name, value]]),
          [{ stat = metric[2] }],
        )]
      }
    }]
  })
}
