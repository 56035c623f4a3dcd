"""Who reaches what in an applied network: by the routes of its subnets and the rules of its security groups."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

GATEWAYS = ("nat_gateway_id", "transit_gateway_id", "gateway_id")


class Network:
    """Made of the resources in a Terraform state."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self._resources = resources

    def reaches_address(self, process: str, address: str, port: int) -> bool:
        """Whether the process can connect to the address outside, from each of its subnets."""
        subnets, groups = self._place(process)
        rules = [rule for rule in self._egress(groups, port) if rule["cidr_ipv4"]]
        allowed = any(_contains(rule["cidr_ipv4"], address) for rule in rules)
        return allowed and all(self._routed(subnet, address) for subnet in subnets)

    def reaches_part(self, process: str, part: str, port: int) -> bool:
        """Whether the process can connect to what has the part's security group; each side has to allow it."""
        _, groups = self._place(process)
        (target,) = [group["id"] for group in self._all("aws_security_group") if group["name"].endswith(f"-{part}")]
        goes_out = any(rule["referenced_security_group_id"] == target for rule in self._egress(groups, port))
        ingress = self._all("aws_vpc_security_group_ingress_rule")
        comes_in = [rule for rule in ingress if rule["security_group_id"] == target and _covers(rule, port)]
        return goes_out and any(rule["referenced_security_group_id"] in groups for rule in comes_in)

    def reaches_s3(self, process: str, port: int) -> bool:
        subnets, groups = self._place(process)
        (endpoint,) = [one for one in self._all("aws_vpc_endpoint") if one["vpc_endpoint_type"] == "Gateway"]
        routed = all(self._table(subnet) in endpoint["route_table_ids"] for subnet in subnets)
        return routed and any(
            rule["prefix_list_id"] == endpoint["prefix_list_id"] for rule in self._egress(groups, port)
        )

    def _place(self, process: str) -> tuple[list[str], set[str]]:
        """The process's subnets and security groups."""
        if process == "workers":
            (service,) = self._all("aws_ecs_service")
            (network,) = service["network_configuration"]
            return network["subnets"], set(network["security_groups"])
        (function,) = [one for one in self._all("aws_lambda_function") if one["function_name"].endswith(f"-{process}")]
        (network,) = function["vpc_config"]
        return network["subnet_ids"], set(network["security_group_ids"])

    def _egress(self, groups: set[str], port: int) -> Iterator[dict[str, Any]]:
        for rule in self._all("aws_vpc_security_group_egress_rule"):
            if rule["security_group_id"] in groups and _covers(rule, port):
                yield rule

    def _routed(self, subnet: str, address: str) -> bool:
        table = self._table(subnet)
        routes = [route for route in self._all("aws_route") if route["route_table_id"] == table]
        return any(
            _contains(route["destination_cidr_block"], address) and any(route[name] for name in GATEWAYS)
            for route in routes
        )

    def _table(self, subnet: str) -> str:
        (table,) = [
            one["route_table_id"] for one in self._all("aws_route_table_association") if one["subnet_id"] == subnet
        ]
        return str(table)

    def _all(self, kind: str) -> list[dict[str, Any]]:
        return [resource["values"] for resource in self._resources if resource["type"] == kind]


def _covers(rule: dict[str, Any], port: int) -> bool:
    return rule["ip_protocol"] == "-1" or int(rule["from_port"]) <= port <= int(rule["to_port"])


def _contains(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)
