# MySQL. RDS creates the password, keeps it in Secrets Manager and rotates it, so it is never in the Terraform state.

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-mysql${replace(var.database_version, ".", "")}"
  family      = "mysql${var.database_version}"
  description = "TLS or nothing, slow statements logged"

  parameter {
    name  = "require_secure_transport"
    value = "1"
  }

  parameter {
    name  = "max_connections"
    value = tostring(var.database_connections)
  }

  # The slow query log is the way to see why the database is busy, since nothing outside the VPC can connect to it.
  dynamic "parameter" {
    for_each = { slow_query_log = "1", long_query_time = "2", log_output = "FILE" }

    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier                  = var.name
  engine                      = "mysql"
  engine_version              = var.database_version
  engine_lifecycle_support    = "open-source-rds-extended-support-disabled" # otherwise old versions cost $0.10 per vCPU-hour
  instance_class              = var.database_class
  db_name                     = "pacifica_cartd"
  username                    = "cartd"
  manage_master_user_password = true
  ca_cert_identifier          = "rds-ca-rsa2048-g1"

  allocated_storage     = var.database_storage_gb
  max_allocated_storage = var.database_storage_gb * 5
  storage_type          = "gp3"
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this["database"].id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false
  multi_az               = var.database_multi_az

  backup_retention_period         = var.database_backup_days
  backup_window                   = "03:00-04:00"
  maintenance_window              = "sun:04:30-sun:05:30"
  auto_minor_version_upgrade      = true
  allow_major_version_upgrade     = true # only when database_version changes
  apply_immediately               = var.database_apply_immediately
  copy_tags_to_snapshot           = true
  enabled_cloudwatch_logs_exports = ["error", "slowquery"]

  deletion_protection       = var.protect.database
  skip_final_snapshot       = !var.protect.backups
  final_snapshot_identifier = "${var.name}-final"
  delete_automated_backups  = !var.protect.backups

  depends_on = [aws_cloudwatch_log_group.this] # otherwise RDS creates one without a retention period
}

locals {
  database_secret_arn = aws_db_instance.this.master_user_secret[0].secret_arn # the tables' owner: dbsync and dbusers alone
}
