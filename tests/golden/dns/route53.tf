# Written by `bgmon dns terraform route53`: write it again when services or hosts change.

variable "bgmon_address_vps-2_eu" {
  description = "Private address of vps-2.eu"
  type        = string
}

locals {
  bgmon_addresses = {
    "vps-2.eu" = var.bgmon_address_vps-2_eu
    "vps1"     = google_compute_instance.vps1.network_interface[0].network_ip
  }
}

data "aws_route53_zone" "bgmon" {
  name         = "shop.internal"
  private_zone = true
}

resource "aws_route53_record" "core" {
  zone_id = data.aws_route53_zone.bgmon.zone_id
  name    = "core.shop.internal"
  type    = "A"
  ttl     = 30
  records = [local.bgmon_addresses["vps1"], local.bgmon_addresses["vps-2.eu"]]
}

resource "aws_route53_record" "_2nd" {
  zone_id = data.aws_route53_zone.bgmon.zone_id
  name    = "search.shop.internal"
  type    = "A"
  ttl     = 30
  records = [local.bgmon_addresses["vps1"]]
}
