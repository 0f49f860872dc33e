"""A VPC in a moto server behind a proxy, and `nodeprep cloud apply aws` on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests import moto
from tests.cli.test_cloud_render import CLUSTER
from tests.moto import Proxy


class Lab:
    """The VPC of one test. ``proxy`` is what the command speaks to, ``client`` is not."""

    def __init__(self, proxy: Proxy, client: Any, config: Path) -> None:
        self.proxy, self.client, self.config = proxy, client, config
        self.vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        proxy.forget()

    def line(self, *more: str, cluster: str = CLUSTER) -> list[str]:
        self.config.write_text(cluster)
        at = ("--network", self.vpc, "--endpoint-url", self.proxy.url)
        return ["cloud", "apply", "aws", "--config", str(self.config), *at, *more]

    def groups(self) -> dict[str, Any]:
        here = [{"Name": "vpc-id", "Values": [self.vpc]}]
        listed = self.client.describe_security_groups(Filters=here)["SecurityGroups"]
        return {group["GroupName"]: group for group in listed}

    def rules(self, name: str) -> list[dict[str, Any]]:
        here = [{"Name": "group-id", "Values": [self.groups()[name]["GroupId"]]}]
        answer = self.client.describe_security_group_rules(Filters=here)
        found: list[dict[str, Any]] = answer["SecurityGroupRules"]
        return [rule for rule in found if not rule["IsEgress"]]

    def permit(
        self, name: str, ports: range | int, source: str, tags: dict[str, str] | None = None
    ) -> None:
        kind = {"ResourceType": "security-group-rule"}
        pairs = [{"Key": key, "Value": text} for key, text in (tags or {}).items()]
        self.client.authorize_security_group_ingress(
            GroupId=self.groups()[name]["GroupId"],
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port,
                 "IpRanges": [{"CidrIp": source}]}
                for port in ([ports] if isinstance(ports, int) else ports)
            ],
            **({"TagSpecifications": [{**kind, "Tags": pairs}]} if pairs else {}),
        )  # fmt: skip


@contextmanager
def ready(port: int) -> Iterator[tuple[Proxy, Any]]:
    """A proxy before a moto server, and a client of the server itself.

    Within it every session of this process has EC2's model from one loader: reading its megabytes
    of JSON is two thirds of a run.
    """
    import boto3

    proxy = Proxy(port)
    with patch("botocore.loaders.create_loader", lambda *_: _loader()):
        client: Any = boto3.client(  # type: ignore[no-untyped-call]
            "ec2", region_name="us-east-1", endpoint_url=f"http://{moto.HOST}:{port}"
        )
        try:
            yield proxy, client
        finally:
            client.close()
            proxy.close()


@cache
def _loader() -> Any:
    from botocore.loaders import Loader

    made: Any = Loader
    return made()
