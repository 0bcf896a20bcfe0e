"""TLS of the command-line client: a context from ``ClientSettings``, and its errors in words like Go's."""

from __future__ import annotations

import ssl
from pathlib import Path

from nodedns.cli.client_settings import ClientSettings
from nodedns.cli.goflags import CommandError

__all__ = ["client_context", "tls_reason"]


def client_context(settings: ClientSettings) -> ssl.SSLContext:
    """Return a context for the client's side of connections; without authorities, the system's are trusted.

    Raises:
        CommandError: A file cannot be used; the text names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    files = [settings.ca_file] if settings.ca_file else []
    files += _files_in(settings.ca_path) if settings.ca_path else []
    for file in files:
        try:
            context.load_verify_locations(cafile=file)
        except OSError as error:
            raise CommandError(f"Error loading CA file {file}: {_why(error)}") from None
    if not files:
        context.load_default_certs()
    if settings.client_cert or settings.client_key:
        _load_own(context, settings)
    if not settings.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_reason(error: ssl.SSLError) -> str:
    """Return what went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return "tls: first record does not look like a TLS handshake"
    return f"remote error: tls: {_why(error)}"


def _load_own(context: ssl.SSLContext, settings: ClientSettings) -> None:
    if not (settings.client_cert and settings.client_key):
        raise CommandError("-client-cert and -client-key must be given together")
    for file in (settings.client_cert, settings.client_key):
        if not Path(file).is_file():
            raise CommandError(f"Error loading client certificate: {file} is no file")
    try:
        context.load_cert_chain(settings.client_cert, settings.client_key, password=lambda: b"")
    except OSError as error:
        files = f"{settings.client_cert} and {settings.client_key}"
        raise CommandError(f"Error loading client certificate from {files}: {_why(error)}") from None


def _files_in(directory: str) -> list[str]:
    try:
        files = sorted(str(path) for path in Path(directory).iterdir() if path.is_file())
    except OSError as error:
        raise CommandError(f"Error loading CA directory {directory}: {_why(error)}") from None
    if not files:
        raise CommandError(f"Error loading CA directory {directory}: it has no files")
    return files


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no certificate in PEM").replace("_", " ").lower()
    return (error.strerror or str(error)).lower()
