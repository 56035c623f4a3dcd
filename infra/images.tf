# The repository of the workers' image. Tags are immutable, so a rollback runs exactly the old image.

resource "aws_ecr_repository" "workers" {
  name                 = "${var.name}-workers"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.protect.bundles

  encryption_configuration {
    encryption_type = "AES256"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "workers" {
  repository = aws_ecr_repository.workers.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "keep the last twenty images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 20 }
      action       = { type = "expire" }
    }]
  })
}
