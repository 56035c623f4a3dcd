# The tree of the API's resources, made from the routes of api.tf. A resource cannot refer to others of the same block, so
# each level has its own; there are five.

locals {
  steps = { for path in keys(local.routes) : path => split("/", trimprefix(path, "/")) if path != "/" }
  levels = [
    for level in range(1, 6) : toset([
      for steps in values(local.steps) : "/${join("/", slice(steps, 0, level))}" if length(steps) >= level
    ])
  ]
  resources = merge(
    { "/" = aws_api_gateway_rest_api.this.root_resource_id },
    { for path, resource in aws_api_gateway_resource.level_1 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.level_2 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.level_3 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.level_4 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.level_5 : path => resource.id },
  )
}

resource "aws_api_gateway_resource" "level_1" {
  for_each = local.levels[0]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = basename(each.key)
}

resource "aws_api_gateway_resource" "level_2" {
  for_each = local.levels[1]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.level_1[dirname(each.key)].id
  path_part   = basename(each.key)
}

resource "aws_api_gateway_resource" "level_3" {
  for_each = local.levels[2]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.level_2[dirname(each.key)].id
  path_part   = basename(each.key)
}

resource "aws_api_gateway_resource" "level_4" {
  for_each = local.levels[3]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.level_3[dirname(each.key)].id
  path_part   = basename(each.key)
}

resource "aws_api_gateway_resource" "level_5" {
  for_each = local.levels[4]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.level_4[dirname(each.key)].id
  path_part   = basename(each.key)
}

moved {
  from = aws_api_gateway_resource.cart
  to   = aws_api_gateway_resource.level_1["/{uid}"]
}

moved {
  from = aws_api_gateway_resource.below_cart["files"]
  to   = aws_api_gateway_resource.level_2["/{uid}/files"]
}

moved {
  from = aws_api_gateway_resource.below_cart["manifest"]
  to   = aws_api_gateway_resource.level_2["/{uid}/manifest"]
}

moved {
  from = aws_api_gateway_resource.below_cart["status"]
  to   = aws_api_gateway_resource.level_2["/{uid}/status"]
}
