"""This machine's own signing key: an ES256 key with a certificate, made at the first use and kept in the user's config folder."""

import datetime
import os
from pathlib import Path
from typing import Any

from emohead.errors import InputError, ResourceError
from emohead.output import whole_file

_YEARS_VALID = 10


def config_folder() -> Path:
    """The user's configuration folder for EmoHead (`XDG_CONFIG_HOME` is honoured); it is not created here."""
    return Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")) / "emohead"


def read_or_make_identity(path: Path) -> tuple[bytes, bytes]:
    """(certificate chain, private key) as PEM, made at the first use.

    Raises:
        InputError: the file holds something else.
        ResourceError: it cannot be stored.
    """
    # Key and certificates share one file, so that two processes cannot mix two pairs.
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial:
                partial.touch(mode=0o600)
                partial.write_bytes(_make_identity())
        except OSError as error:
            raise ResourceError(f"cannot store a signing key in {path.parent} ({error.strerror})") from error
    text = path.read_bytes()
    start = text.find(b"-----BEGIN CERTIFICATE-----")
    if start <= 0:
        raise InputError(f"{path} holds no key and certificate; delete it and a new one is made")
    return text[start:], text[:start]


def _make_identity() -> bytes:
    """A fresh ES256 key with a certificate from a throw-away authority (C2PA refuses self-signed leaves), as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(name: str, subject_key: Any, *, authority: bool) -> Any:
        names = [
            x509.Name(
                [
                    x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "EmoHead local signing"),
                    x509.NameAttribute(x509.NameOID.COMMON_NAME, text),
                ]
            )
            for text in (name, "EmoHead local authority")
        ]
        usage = {
            key: False
            for key in ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
        }
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(subject_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365 * _YEARS_VALID))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        )
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = [
        certificate("EmoHead on this machine", key, authority=False),
        certificate("EmoHead local authority", authority_key, authority=True),
    ]
    return private + b"".join(link.public_bytes(serialization.Encoding.PEM) for link in chain)
