"""What the service measures: each metric is defined once, counted in its process, and written as Prometheus or
CloudWatch read it. Any package may import it to count; it knows none of them."""
