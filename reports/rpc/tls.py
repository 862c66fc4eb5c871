"""What the settings say about encryption.

The files are looked at with Python's own library: gRPC says of bad ones only that it cannot listen. They are read once;
renewed ones want a restart.
"""

import ssl
from pathlib import Path

import grpc
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def credentials() -> grpc.ServerCredentials | None:
    """None: nothing is encrypted. With an authority for clients, only those with a certificate of it may connect.

    Raises `ImproperlyConfigured`.
    """
    certificate, key, authority = (
        getattr(settings, f"GRPC_TLS_{name}") for name in ("CERTIFICATE", "KEY", "CLIENT_CA")
    )
    if not certificate and not key and not authority:
        return None
    if not certificate or not key:
        unset = "GRPC_TLS_KEY" if certificate else "GRPC_TLS_CERTIFICATE"
        raise ImproperlyConfigured(f"{unset} is not set, though other settings of GRPC_TLS_… are.")
    pair = _read("GRPC_TLS_KEY"), _read("GRPC_TLS_CERTIFICATE")
    _check_pair(certificate, key)
    if not authority:
        return grpc.ssl_server_credentials([pair])
    trusted = _read("GRPC_TLS_CLIENT_CA")
    _check_authority(authority)
    return grpc.ssl_server_credentials([pair], trusted, require_client_auth=True)


def _read(setting: str) -> bytes:
    path = getattr(settings, setting)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{setting} cannot be read: {path}: {error.strerror}.") from error


def _check_pair(certificate: str, key: str) -> None:
    try:
        # A key that is locked would have somebody asked for its password, who is not there.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise ImproperlyConfigured(
            "GRPC_TLS_CERTIFICATE and GRPC_TLS_KEY must be a certificate in PEM and its own key in PEM, without a "
            f"password: {_reason(error)}."
        ) from error


def _check_authority(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ImproperlyConfigured(f"GRPC_TLS_CLIENT_CA has no certificate in PEM: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return (getattr(error, "reason", "") or str(error)).lower().replace("_", " ")
