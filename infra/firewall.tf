# Network access: a security group for each component and a rule for each arrow of the diagram in docs/deploy.md.

locals {
  parts = {
    lambda    = "API and sweep"
    workers   = "Workers and dbsync"
    database  = "MySQL"
    volume    = "The volume"
    endpoints = "Endpoints of AWS services"
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

resource "aws_security_group" "this" {
  for_each = local.parts

  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each = local.lines

  security_group_id            = aws_security_group.this[split("-", each.key)[0]].id
  referenced_security_group_id = aws_security_group.this[split("-", each.key)[1]].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = each.key
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each = local.lines

  security_group_id            = aws_security_group.this[split("-", each.key)[1]].id
  referenced_security_group_id = aws_security_group.this[split("-", each.key)[0]].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = each.key
}

resource "aws_vpc_security_group_egress_rule" "store" {
  for_each = toset(["lambda", "workers"])

  security_group_id = aws_security_group.this[each.key].id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "bundle store"
}

resource "aws_vpc_security_group_egress_rule" "archive" {
  for_each = toset(var.archive_cidrs)

  security_group_id = aws_security_group.this["workers"].id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.archive_port
  to_port           = local.archive_port
  description       = "archive"
}
