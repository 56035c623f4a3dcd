# The number of workers follows the backlog: waiting and in-flight messages per worker. Jobs that wait for tape are
# delayed messages and do not count. In-flight messages count, so that busy workers are kept; a worker that is stopped
# requeues its jobs.

# Also exists without autoscaling, so that turning it off brings the service back to worker_count.least.
resource "aws_appautoscaling_target" "workers" {
  count = var.rehearsal ? 0 : local.workers

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.workers[0].name}"
  min_capacity       = var.worker_count.least
  max_capacity       = var.autoscaling ? var.worker_count.most : var.worker_count.least
}

resource "aws_appautoscaling_policy" "backlog" {
  count = var.autoscaling && !var.rehearsal ? local.workers : 0

  name               = "${var.name}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.workers[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.workers[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.workers[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog_per_worker
    scale_out_cooldown = 60
    scale_in_cooldown  = 900

    customized_metric_specification {
      metrics {
        id          = "waiting"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.jobs.name
            }
          }
        }
      }

      metrics {
        id          = "under_way"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesNotVisible"

            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.jobs.name
            }
          }
        }
      }

      # Each running task reports its CPU once a minute, so the number of samples is the number of tasks.
      metrics {
        id          = "workers"
        return_data = false

        metric_stat {
          stat = "SampleCount"

          metric {
            namespace   = "AWS/ECS"
            metric_name = "CPUUtilization"

            dimensions {
              name  = "ClusterName"
              value = aws_ecs_cluster.this.name
            }

            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.workers[0].name
            }
          }
        }
      }

      metrics {
        id          = "backlog"
        label       = "jobs per worker"
        expression  = "(waiting + under_way) / IF(FILL(workers, 0) > 0, workers, 1)"
        return_data = true
      }
    }
  }
}
