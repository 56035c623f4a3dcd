# Who may speak to whom: a group for each part, and a rule for each line of the picture in docs/deploy.md.

resource "aws_security_group" "lambda" {
  name        = "${var.name}-lambda"
  description = "API and sweep"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-lambda" }
}

resource "aws_security_group" "workers" {
  name        = "${var.name}-workers"
  description = "Workers and dbsync"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-workers" }
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "MySQL"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-database" }
}

resource "aws_security_group" "volume" {
  name        = "${var.name}-volume"
  description = "The volume"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-volume" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS services"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

locals {
  groups = {
    lambda    = aws_security_group.lambda.id
    workers   = aws_security_group.workers.id
    database  = aws_security_group.database.id
    volume    = aws_security_group.volume.id
    endpoints = aws_security_group.endpoints.id
  }
  lines = {
    lambda-database   = 3306
    workers-database  = 3306
    workers-volume    = 2049
    lambda-endpoints  = 443
    workers-endpoints = 443
  }
  archive_port = try(
    tonumber(regex("^https?://[^/]+:([0-9]+)", var.archive_url)[0]), startswith(var.archive_url, "https") ? 443 : 80
  )
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each = local.lines

  security_group_id            = local.groups[split("-", each.key)[0]]
  referenced_security_group_id = local.groups[split("-", each.key)[1]]
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = each.key
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each = local.lines

  security_group_id            = local.groups[split("-", each.key)[1]]
  referenced_security_group_id = local.groups[split("-", each.key)[0]]
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = each.key
}

resource "aws_vpc_security_group_egress_rule" "store" {
  for_each = toset(["lambda", "workers"])

  security_group_id = local.groups[each.key]
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "bundle store"
}

resource "aws_vpc_security_group_egress_rule" "archive" {
  for_each = toset(var.archive_cidrs)

  security_group_id = aws_security_group.workers.id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.archive_port
  to_port           = local.archive_port
  description       = "archive"
}
