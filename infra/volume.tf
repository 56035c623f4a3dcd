# The volume shared by all workers; docs/adr/0016 discusses its cost and speed.

locals {
  volume_path    = "/srv/volume" # VOLUME_PATH of workers/Dockerfile
  worker_user    = 10001         # USER of workers/Dockerfile
  worker_zones   = var.volume_one_zone ? 1 : var.zones
  worker_subnets = slice(aws_subnet.private[*].id, 0, local.worker_zones)
}

resource "aws_efs_file_system" "this" {
  encrypted              = true
  availability_zone_name = var.volume_one_zone ? local.zones[0] : null
  performance_mode       = "generalPurpose"

  throughput_mode                 = var.volume_throughput
  provisioned_throughput_in_mibps = var.volume_throughput == "provisioned" ? var.volume_mibps : null

  tags = { Name = var.name }
}

# No backups: the volume is a cache, and lost files are pulled again.
resource "aws_efs_backup_policy" "this" {
  count = var.rehearsal ? 0 : 1

  file_system_id = aws_efs_file_system.this.id

  backup_policy {
    status = "DISABLED"
  }
}

resource "aws_efs_mount_target" "this" {
  count = local.worker_zones

  file_system_id  = aws_efs_file_system.this.id
  subnet_id       = aws_subnet.private[count.index].id
  security_groups = [aws_security_group.this["volume"].id]
}

resource "aws_efs_access_point" "this" {
  file_system_id = aws_efs_file_system.this.id

  posix_user {
    uid = local.worker_user
    gid = local.worker_user
  }

  root_directory {
    path = "/volume"

    creation_info {
      owner_uid   = local.worker_user
      owner_gid   = local.worker_user
      permissions = "0750"
    }
  }

  tags = { Name = var.name }
}

data "aws_iam_policy_document" "volume_access" {
  statement {
    sid       = "Volume"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.this.arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.this.arn]
    }
  }
}

# Mounts must be encrypted and come from a role of the workers or the operator's task; without this policy, network access would suffice.
data "aws_iam_policy_document" "volume" {
  statement {
    sid       = "Workers"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.this.arn]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.workers.arn, aws_iam_role.operate.arn]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["true"]
    }

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.this.arn]
    }
  }
}

resource "aws_efs_file_system_policy" "this" {
  count = var.rehearsal ? 0 : 1

  file_system_id = aws_efs_file_system.this.id
  policy         = data.aws_iam_policy_document.volume.json
}

resource "aws_iam_role_policy" "workers_volume" {
  name   = "volume"
  role   = aws_iam_role.workers.id
  policy = data.aws_iam_policy_document.volume_access.json
}
