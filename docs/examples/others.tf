# Somebody's firewall, with faults that `nodeprep cloud lint` names.
resource "aws_security_group" "masters" {
  name   = "sg-masters"
  vpc_id = var.vpc_id

  ingress {
    description = "the world's API <public>"
    protocol    = "tcp"
    from_port   = 6443
    to_port     = 6443
    cidr_blocks = ["0.0.0.0/0"]
  }

  ingress {
    protocol    = "tcp"
    from_port   = 2379
    to_port     = 2380
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "google_compute_firewall" "nodes" {
  name        = "nodes"
  network     = "prod"
  target_tags = ["node"]

  allow {
    protocol = "tcp"
    ports    = ["30000-32767"]
  }
}
