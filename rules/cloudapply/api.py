"""Calls of the EC2 API by boto3 (extra ``aws``), every failure of which is one line."""

from __future__ import annotations

import os
from typing import Any

from rules.cloudapply.failure import CloudError, Raced
from rules.extras import absent

CONNECT_TIMEOUT_S = 10
# An answer that is none may be a page of HTML.
MOST_SAID = 300
# What EC2 answers where another writer was faster, or where a call that timed out had been carried
# out (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html). Reading again
# shows what is there.
_RACED = frozenset(
    {
        "InvalidGroup.Duplicate",
        "InvalidPermission.Duplicate",
        "InvalidPermission.NotFound",
        "InvalidSecurityGroupRuleId.NotFound",
        "InvalidGroup.NotFound",
    }
)
_THROTTLED = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException"})
_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# Exceptions of botocore -> what a person can do. The first that fits, by the name of the class.
_REMEDIES = (
    ("NoCredentialsError", "no credentials of AWS were found: set AWS_PROFILE, or "
     "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ("PartialCredentialsError", "the credentials of AWS are incomplete"),
    ("CredentialRetrievalError", "the credentials of AWS cannot be had"),
    ("TokenRetrievalError", "the session of AWS is over: log in again"),
    ("NoRegionError", "no region of AWS is given: --region, AWS_REGION or the profile"),
    ("InvalidRegionError", "that is no region of AWS"),
    ("ProfileNotFound", "that profile of AWS is not there"),
    ("ReadTimeoutError", "EC2 did not answer in time; --timeout takes more seconds"),
    ("ConnectTimeoutError", "EC2 was not reached in time; are region and network right?"),
    ("ResponseParserError", "what answers there is not EC2"),
    ("EndpointConnectionError", "EC2 cannot be reached; are region and network right?"),
)  # fmt: skip


class Ec2:
    """EC2 of one region. ``timeout_s``: for one answer; botocore tries three times or as often as
    AWS_MAX_ATTEMPTS says, and waits longer each time. ``endpoint_url``: another server, for tests.
    """

    def __init__(
        self, *, region: str = "", profile: str = "", endpoint_url: str = "", timeout_s: float = 30
    ) -> None:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.parsers import ResponseParserError
        except ModuleNotFoundError:
            raise absent("to speak to AWS", "boto3>=1.34") from None
        self._refused, self._failed = ClientError, (BotoCoreError, ResponseParserError)
        untyped_config: Any = Config
        config = untyped_config(
            connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s), read_timeout=timeout_s,
            retries={"mode": "standard"},
        )  # fmt: skip
        try:
            untyped_session: Any = boto3.session.Session
            session = untyped_session(
                profile_name=profile or None,
                region_name=region or os.environ.get("AWS_REGION") or None,
            )
            self._client: Any = session.client(
                "ec2", config=config, endpoint_url=endpoint_url or None
            )
        except (BotoCoreError, ValueError) as error:
            raise CloudError(_failure("EC2", error)) from error

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call, such as ``create_security_group``. Raises Raced and CloudError."""
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except self._refused as error:
            raise _refusal(operation, error) from error
        except self._failed as error:
            raise CloudError(_failure(_action(operation), error)) from error
        return answer

    def every(self, operation: str, field: str, **arguments: Any) -> list[dict[str, Any]]:
        """What all pages of an answer list under ``field``. Raises CloudError."""
        try:
            pages = self._client.get_paginator(operation).paginate(**arguments)
            return [item for page in pages for item in page.get(field) or ()]
        except self._refused as error:
            raise _refusal(operation, error) from error
        except self._failed as error:
            raise CloudError(_failure(_action(operation), error)) from error

    def wait_for_group(self, group_id: str) -> None:
        """Until EC2 knows a group that it made: what it says is not at once true everywhere. Raises
        CloudError where it never does."""
        try:
            self._client.get_waiter("security_group_exists").wait(GroupIds=[group_id])
        except self._failed as error:
            raise CloudError(_failure(_action("describe_security_groups"), error)) from error


def _action(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _failure(action: str, error: Exception) -> str:
    names = [kind.__name__ for kind in type(error).__mro__]
    remedy = next((text for name, text in _REMEDIES if name in names), "AWS cannot be used")
    said = " ".join(str(error).split())
    return f"{action}: {remedy} ({said[:MOST_SAID]})"


def _refusal(operation: str, error: Any) -> CloudError:
    said = error.response.get("Error", {})
    code, message = str(said.get("Code", "")), " ".join(str(said.get("Message", "")).split())
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    action = _action(operation)
    if code in _RACED:
        return Raced(f"{action}: {code}: {message}", code)
    if code in _THROTTLED:
        why = "AWS throttles the calls of this account; run it again later"
    elif code in _CREDENTIALS:
        why = "AWS does not take these credentials"
    elif code == "UnauthorizedOperation":
        why = f"these credentials may not do it: they need ec2:{action}"
    elif status >= 500:
        why = "EC2 failed; run it again later"
    else:
        why = "EC2 refused it"
    return CloudError(f"{action}: {why} ({code}: {message})", code)
