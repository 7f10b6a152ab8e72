# Written by `bgmon dns terraform google`: write it again when services or hosts change.

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

variable "bgmon_zone" {
  description = "Name of the private managed zone for shop.internal"
  type        = string
}

resource "google_dns_record_set" "core" {
  managed_zone = var.bgmon_zone
  name         = "core.shop.internal."
  type         = "A"
  ttl          = 30
  rrdatas      = [local.bgmon_addresses["vps1"], local.bgmon_addresses["vps-2.eu"]]
}

resource "google_dns_record_set" "_2nd" {
  managed_zone = var.bgmon_zone
  name         = "search.shop.internal."
  type         = "A"
  ttl          = 30
  rrdatas      = [local.bgmon_addresses["vps1"]]
}
