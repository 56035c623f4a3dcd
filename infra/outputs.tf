output "next_steps" {
  description = "Next steps."
  value = var.image_tag == null ? join("\n", [
    "1. Push the workers' image to ${aws_ecr_repository.workers.repository_url} (docs/deploy.md)",
    "2. Set image_tag to its tag and apply again.",
    ]) : join("\n", [
    "1. Create the tables: ${local.migrate_command}",
    "2. Test the API: curl ${local.api_url}/",
    "3. Confirm the subscriptions AWS mailed to alarm_emails. Runbook: docs/operations.md",
  ])
}

output "api_url" {
  description = "URL of the API."
  value       = local.api_url
}

output "migrate_command" {
  description = "Command that runs dbsync in the VPC."
  value       = local.migrate_command
}

output "command" {
  description = "Command that runs pacifica-cartd-cmd in the VPC; append the command, such as status."
  value       = local.operate_command
}

output "repository_url" {
  description = "Repository of the workers' image."
  value       = aws_ecr_repository.workers.repository_url
}

output "bucket" {
  description = "BUNDLE_BUCKET."
  value       = aws_s3_bucket.bundles.id
}

output "queue_url" {
  description = "JOB_QUEUE."
  value       = aws_sqs_queue.jobs.url
}

output "dead_queue_url" {
  description = "Dead-letter queue: messages that no worker could read."
  value       = aws_sqs_queue.dead.url
}

output "database_address" {
  description = "MYSQL_HOST."
  value       = aws_db_instance.this.address
}

output "database_secret_arn" {
  description = "MYSQL_SECRET_ARN."
  value       = local.database_secret_arn
}

output "signing_role_arn" {
  description = "BUNDLE_SIGNING_ROLE."
  value       = aws_iam_role.signing.arn
}

output "sweep_rule" {
  description = "Schedule rule of the sweep; disabling it stops repair and expiry."
  value       = aws_cloudwatch_event_rule.sweep.name
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms; subscribe other receivers to it."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_url" {
  description = "URL of the dashboard."
  value       = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards:name=${var.name}"
}

output "nat_addresses" {
  description = "Source addresses of requests to the archive, for its firewall; empty without NAT."
  value       = aws_eip.nat[*].public_ip
}

locals {
  api_url = var.domain == null ? aws_api_gateway_stage.this.invoke_url : "https://${var.domain.name}"
}
