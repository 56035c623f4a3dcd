# Each process logs in to the database as a user of its own, with only the rights that it needs
# (chalicelib/admin/database_users.py). The secrets are made empty: the migration task makes the passwords, so they are in
# no plan and no state.

resource "aws_secretsmanager_secret" "database" {
  for_each = local.code_roles

  name                    = "${var.name}-database-${each.key}"
  description             = "Database login of the ${each.key}, made by the migration task"
  recovery_window_in_days = var.protect.backups ? 7 : 0
}

data "aws_iam_policy_document" "database_secret" {
  for_each = local.code_roles

  statement {
    sid       = "DatabaseLogin"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.database[each.key].arn]
  }
}

resource "aws_iam_role_policy" "database_secret" {
  for_each = local.code_roles

  name   = "database-login"
  role   = each.value
  policy = data.aws_iam_policy_document.database_secret[each.key].json
}

# The role of the migration task, which alone may log in as the tables' owner.
resource "aws_iam_role" "migrate" {
  name               = "${var.name}-migrate"
  assume_role_policy = data.aws_iam_policy_document.task_trust.json
}

data "aws_iam_policy_document" "migrate" {
  statement {
    sid       = "DatabaseOwner"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.database_secret_arn]
  }

  statement {
    sid       = "DatabaseUsers"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    resources = [for secret in aws_secretsmanager_secret.database : secret.arn]
  }
}

resource "aws_iam_role_policy" "migrate" {
  name   = "migrate"
  role   = aws_iam_role.migrate.id
  policy = data.aws_iam_policy_document.migrate.json
}
