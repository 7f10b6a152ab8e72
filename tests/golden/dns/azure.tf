# Written by `bgmon dns terraform azure`: write it again when services or hosts change.

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

variable "bgmon_resource_group" {
  description = "Resource group of the private zone shop.internal"
  type        = string
}

resource "azurerm_private_dns_a_record" "core" {
  name                = "core"
  zone_name           = "shop.internal"
  resource_group_name = var.bgmon_resource_group
  ttl                 = 30
  records             = [local.bgmon_addresses["vps1"], local.bgmon_addresses["vps-2.eu"]]
}

resource "azurerm_private_dns_a_record" "_2nd" {
  name                = "search"
  zone_name           = "shop.internal"
  resource_group_name = var.bgmon_resource_group
  ttl                 = 30
  records             = [local.bgmon_addresses["vps1"]]
}
