# One VPC. Everything runs in private subnets; a public one exists only to hold a NAT gateway.

resource "aws_vpc" "this" {
  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  enable_dns_support   = true

  tags = { Name = var.name }
}

# The default security group, used by whatever names no other, allows nothing.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "private" {
  count = var.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, count.index)

  tags = { Name = "${var.name}-private-${local.zones[count.index]}" }
}

resource "aws_route_table" "private" {
  count = var.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${local.zones[count.index]}" }
}

resource "aws_route_table_association" "private" {
  count = var.zones

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[count.index].id
}

# The way out: to the networks of the archive, the issuers and the policy service. No other is routed, so nothing else
# outside the VPC can be reached, whatever the security groups allow. They say who may go where (firewall.tf).

locals {
  nat     = var.archive_route == "nat"
  tgw     = var.archive_route == "transit_gateway"
  vpn     = var.archive_route == "vpn"
  nats    = local.nat ? (var.nat_per_zone ? var.zones : 1) : 0
  outside = distinct(concat(var.archive_cidrs, var.issuer_cidrs, var.policy_cidrs, var.notify_egress.cidrs))
  ways_out = {
    for pair in setproduct(range(var.zones), local.outside) :
    "${local.zones[pair[0]]} ${pair[1]}" => { zone = pair[0], cidr = pair[1] }
  }
}

moved {
  from = aws_route.archive
  to   = aws_route.outside
}

resource "aws_route" "outside" {
  for_each = var.archive_route == "none" ? {} : local.ways_out

  route_table_id         = aws_route_table.private[each.value.zone].id
  destination_cidr_block = each.value.cidr
  nat_gateway_id         = local.nat ? aws_nat_gateway.this[var.nat_per_zone ? each.value.zone : 0].id : null
  transit_gateway_id     = local.tgw ? var.transit_gateway_id : null
  gateway_id             = local.vpn ? var.vpn_gateway_id : null

  depends_on = [aws_ec2_transit_gateway_vpc_attachment.this, aws_vpn_gateway_attachment.this]
}

# A transit gateway that leads to a VPN, a Direct Connect or another VPC.
resource "aws_ec2_transit_gateway_vpc_attachment" "this" {
  count = local.tgw ? 1 : 0

  transit_gateway_id = var.transit_gateway_id
  vpc_id             = aws_vpc.this.id
  subnet_ids         = aws_subnet.private[*].id

  tags = { Name = var.name }
}

# A virtual private gateway, the AWS end of a VPN. The connection is not created here: its keys would be in the state.
resource "aws_vpn_gateway_attachment" "this" {
  count = local.vpn ? 1 : 0

  vpc_id         = aws_vpc.this.id
  vpn_gateway_id = var.vpn_gateway_id
}

# NAT: the route to what is on the internet.

resource "aws_internet_gateway" "this" {
  count = local.nat ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = local.nats

  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 8 + count.index)

  tags = { Name = "${var.name}-nat-${local.zones[count.index]}" }
}

resource "aws_route_table" "public" {
  count = local.nat ? 1 : 0

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-nat" }
}

resource "aws_route" "internet" {
  count = local.nat ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  count = local.nats

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  count = local.nats

  domain = "vpc"

  tags = { Name = "${var.name}-nat" }
}

resource "aws_nat_gateway" "this" {
  count = local.nats

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id

  tags       = { Name = "${var.name}-${local.zones[count.index]}" }
  depends_on = [aws_route.internet]
}
