output "next_steps" {
  description = "What to do now."
  value = var.image_tag == null ? join("\n", [
    "1. Push the workers' image (docs/deploy.md, The image) to ${aws_ecr_repository.workers.repository_url}",
    "2. Set image_tag to its tag and apply again.",
    ]) : join("\n", [
    "1. Make the tables: ${local.migrate_command}",
    "2. Ask: curl ${local.api_url}/",
    "3. Confirm the mails of AWS to alarm_emails. Runbook: docs/operations.md",
  ])
}

output "api_url" {
  description = "Where the API is."
  value       = local.api_url
}

output "migrate_command" {
  description = "Runs dbsync in the VPC."
  value       = local.migrate_command
}

output "repository_url" {
  description = "Where the workers' image is pushed to."
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
  description = "Messages no worker could read."
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
  description = "The schedule of the sweep; disabling it stops repairs and expiry."
  value       = aws_cloudwatch_event_rule.sweep.name
}

output "alarm_topic_arn" {
  description = "Where alarms go: subscribe what else should hear of them."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_url" {
  description = "One page that says how the cart is."
  value       = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards:name=${var.name}"
}

output "nat_addresses" {
  description = "From where the archive is asked, for its firewall; empty without NAT."
  value       = aws_eip.nat[*].public_ip
}

locals {
  api_url = var.domain == null ? aws_api_gateway_stage.this.invoke_url : "https://${var.domain.name}"
}
