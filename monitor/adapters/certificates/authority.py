"""The Authority port on an ACME server (RFC 8555), by the library of Certbot."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast

import requests
from acme import challenges, client, crypto_util, messages
from acme import errors as acme_errors
from cryptography.hazmat.primitives.asymmetric import rsa
from josepy.errors import Error as JoseError
from josepy.jwk import JWKRSA

from monitor import __version__
from monitor.adapters.certificates.network import BoundedAdapter
from monitor.adapters.certificates.pem import checked, new_key
from monitor.domain.printable import printable
from monitor.errors import AuthorityUnreachable, BgmonError, CertificateError
from monitor.ports.certificates import Prove

_PATIENCE: Final = 180.0
_TIMEOUT: Final = 30
_KEY_BITS: Final = 2048
_CLOCK_MUST_AGREE: Final = 3600.0
SOONEST: Final = 3600.0
LATEST: Final = 7 * 86400.0
_DNS_PREFIX: Final = "_acme-challenge."


class Accounts(Protocol):
    def account(self, directory: str) -> str | None: ...

    def save_account(self, directory: str, text: str) -> None: ...

    def forget_account(self, directory: str) -> None: ...


class AcmeAuthority:
    """One server.

    Args:
        directory: the URL of its directory.
        accounts: where our account with it is kept.
        email: where it may write to us; None for no contact.
        ca: PEM file to verify its own certificate with, instead of the public authorities.
        patience: seconds that one certificate may take.
        now: the time.
    """

    def __init__(
        self,
        directory: str,
        *,
        accounts: Accounts,
        email: str | None = None,
        ca: str | None = None,
        patience: float = _PATIENCE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = directory
        self._accounts = accounts
        self._email = email
        self._ca = ca
        self._patience = patience
        self._now = now
        self._http = BoundedAdapter(now)

    def issue(self, host: str, *, prove: Prove) -> bytes:
        with self._translated():
            acme, key = self._session()
            try:
                order = self._order(acme, host)
            except messages.Error as error:
                if error.code != "accountDoesNotExist":
                    raise
                self._accounts.forget_account(self._url)
                acme, key = self._session()
                order = self._order(acme, host)
            secret, resource = order
            answers, responses = self._answers(resource, key, host)
            try:
                prove(answers)
                for challenge, response in responses:
                    acme.answer_challenge(challenge, response)
                until = datetime.now() + timedelta(seconds=self._patience)  # noqa: DTZ005 - the library compares so
                resource = acme.poll_and_finalize(resource, until)
            finally:
                prove({})
            pem: str = resource.fullchain_pem
            return self._verified(host, secret, pem.encode())

    def renewal(self, pem: bytes) -> tuple[float | None, float]:
        with self._translated():
            net = client.ClientNetwork(verify_ssl=self._verify(), user_agent=_agent(), timeout=_TIMEOUT)
            acme = client.ClientV2(self._directory(net), net)
            at, again = acme.renewal_time(pem)
            # A server cannot have us ask every second, nor never again.
            wait = min(max(again.timestamp() - time.time(), SOONEST), LATEST)
        return (at.timestamp() if at is not None else None), self._now() + wait

    # -- the account --

    def _session(self) -> tuple[client.ClientV2, JWKRSA]:
        kept = self._accounts.account(self._url)
        if kept is not None:
            document = json.loads(kept)
            key = cast("JWKRSA", JWKRSA.from_json(document["key"]))
            account = messages.RegistrationResource(body=messages.Registration(), uri=document["uri"])
            acme = self._client(key)
            acme.net.account = account
            return acme, key
        key = JWKRSA(key=rsa.generate_private_key(65537, _KEY_BITS))
        acme = self._client(key)
        if acme.external_account_required():
            raise CertificateError(f"{self._url} wants an external account, which bgmon cannot bind yet")
        wanted = messages.NewRegistration.from_data(email=self._email, terms_of_service_agreed=True)
        uri = acme.new_account(wanted).uri
        self._accounts.save_account(self._url, json.dumps({"directory": self._url, "uri": uri, "key": key.to_json()}))
        return acme, key

    def _client(self, key: JWKRSA) -> client.ClientV2:
        net = client.ClientNetwork(key, verify_ssl=self._verify(), user_agent=_agent(), timeout=_TIMEOUT)
        return client.ClientV2(self._directory(net), net)

    def _directory(self, net: client.ClientNetwork) -> messages.Directory:
        net.session.mount("https://", self._http)
        net.session.mount("http://", self._http)
        found = client.ClientV2.get_directory(self._url, net)
        skew = self._http.skew
        if skew is not None and abs(skew) > _CLOCK_MUST_AGREE:
            raise CertificateError(
                f"this host's clock is {abs(skew) / 3600:.1f} hours {'behind' if skew > 0 else 'ahead of'} that of "
                f"{self._url}",
                hint="set the clock, for instance: timedatectl set-ntp true",
            )
        return found

    def _verify(self) -> Any:
        return True if self._ca is None else self._ca

    # -- an order --

    @staticmethod
    def _order(acme: client.ClientV2, host: str) -> tuple[bytes, messages.OrderResource]:
        secret = new_key()
        return secret, acme.new_order(crypto_util.make_csr(secret, [host]))

    @staticmethod
    def _answers(
        order: messages.OrderResource, key: JWKRSA, host: str
    ) -> tuple[dict[str, str], list[tuple[messages.ChallengeBody, challenges.ChallengeResponse]]]:
        kind = challenges.DNS01 if host.startswith("*.") else challenges.HTTP01
        answers: dict[str, str] = {}
        responses = []
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue
            found = [body for body in authorization.body.challenges if isinstance(body.chall, kind)]
            if not found:
                raise CertificateError(f"the ACME server does not offer {kind.typ} for {host}")
            response, answer = found[0].response_and_validation(key)
            if kind is challenges.DNS01:
                answers[_DNS_PREFIX + host.removeprefix("*.")] = answer
            else:
                answers[found[0].chall.encode("token")] = answer
            responses.append((found[0], response))
        return answers, responses

    def _verified(self, host: str, secret: bytes, chain: bytes) -> bytes:
        """Chain and key, when they are what we asked for: a server that lies must not cost us a good certificate."""
        pem = chain.rstrip() + b"\n" + secret
        if b"PRIVATE KEY" in chain:
            raise CertificateError("the ACME server's answer is no certificate chain")
        try:
            facts = checked(pem)
        except CertificateError as error:
            raise CertificateError(f"the ACME server's certificate cannot be used: {error}") from None
        if not facts.covers(host):
            raise CertificateError(f"the ACME server's certificate is for {', '.join(facts.names) or 'nobody'}")
        if not facts.not_before - _CLOCK_MUST_AGREE <= self._now() < facts.not_after:
            raise CertificateError("the ACME server's certificate is not valid now")
        return pem

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except BgmonError:
            raise
        except acme_errors.ValidationError as error:
            raise self._refused(_why(error)) from None
        except acme_errors.TimeoutError:
            raise AuthorityUnreachable(f"{self._url} did not decide within {self._patience:g} s") from None
        except messages.Error as error:
            raise self._refused(_problem(error)) from None
        except requests.exceptions.SSLError as error:
            text = printable(str(error), 200)
            hint = "is this host's clock right? a private ACME server needs proxy.acme.ca"
            raise AuthorityUnreachable(f"{self._url} cannot be trusted: {text}", hint=hint) from None
        except requests.RequestException as error:
            raise AuthorityUnreachable(f"{self._url} does not answer: {printable(str(error), 200)}") from None
        except (acme_errors.Error, JoseError) as error:
            raise self._refused(
                f"an answer that is no ACME ({type(error).__name__}: {printable(str(error), 200)})"
            ) from None
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            # What the library makes of lies.
            raise self._refused(f"an answer that is no ACME ({type(error).__name__})") from None

    def _refused(self, why: str) -> CertificateError:
        return CertificateError(f"{self._url} says: {why}", retry_after=self._http.retry_after)


def _why(error: acme_errors.ValidationError) -> str:
    told = [
        f"{printable(authorization.body.identifier.value, 100)}: {_problem(challenge.error)}"
        for authorization in error.failed_authzrs
        for challenge in authorization.body.challenges
        if challenge.error is not None
    ]
    return "; ".join(told) or "the name could not be proven"


def _problem(error: messages.Error) -> str:
    told = [error.detail or error.title or "no reason", *(sub.detail or "" for sub in error.subproblems or ())]
    text = "; ".join(part for part in told if part)
    return printable(f"{text} ({error.code})" if error.code else text, 500)


def _agent() -> str:
    return f"bgmon/{__version__}"
