"""The box's own certificate: EC P-256, signed by itself, made on first use and renewed before it ends."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bluewhale.setup_code import write_secret

VALID_DAYS = 825  # what browsers take at most
RENEW_DAYS = 30


def files(directory: Path, names: set[str], addresses: set[str]) -> tuple[Path, Path]:
    """(certificate, key) in `directory`; made if there is none that lasts. An owner's own may lie there instead."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    if not (certificate.exists() and key.exists()) or _ends_soon(certificate):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        made_key, made = _make(names, addresses)
        write_secret(key, made_key)
        write_secret(certificate, made)
    return certificate, key


def _ends_soon(file: Path) -> bool:
    """Only of one we made ourselves: an owner's is never replaced."""
    found = x509.load_pem_x509_certificate(file.read_bytes())
    left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return found.issuer == found.subject and left < datetime.timedelta(days=RENEW_DAYS)


def _make(names: set[str], addresses: set[str]) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bluewhale")])
    now = datetime.datetime.now(datetime.UTC)
    others: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(names) if _is_name(name)]
    others += [x509.IPAddress(ipaddress.ip_address(text)) for text in sorted(addresses) if _is_address(text)]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret, built.public_bytes(serialization.Encoding.PEM)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    return text.isascii() and bool(text) and not _is_address(text)
