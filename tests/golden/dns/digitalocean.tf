# Written by `bgmon dns terraform digitalocean`: write it again when services or hosts change.

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

# DigitalOcean has no private zones: these records are public, their addresses private.

resource "digitalocean_record" "core" {
  for_each = toset(["vps1", "vps-2.eu"])
  domain   = "shop.internal"
  type     = "A"
  name     = "core"
  value    = local.bgmon_addresses[each.key]
  ttl      = 30
}

resource "digitalocean_record" "_2nd" {
  for_each = toset(["vps1"])
  domain   = "shop.internal"
  type     = "A"
  name     = "search"
  value    = local.bgmon_addresses[each.key]
  ttl      = 30
}
