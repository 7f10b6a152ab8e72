# Written by `bgmon dns terraform hetzner`: write it again when services or hosts change.

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

# Hetzner has no private zones: these records are public, their addresses private.

resource "hcloud_zone_rrset" "core" {
  zone    = "shop.internal"
  name    = "core"
  type    = "A"
  ttl     = 60
  records = [for address in [local.bgmon_addresses["vps1"], local.bgmon_addresses["vps-2.eu"]] : { value = address }]
}

resource "hcloud_zone_rrset" "_2nd" {
  zone    = "shop.internal"
  name    = "search"
  type    = "A"
  ttl     = 60
  records = [for address in [local.bgmon_addresses["vps1"]] : { value = address }]
}
