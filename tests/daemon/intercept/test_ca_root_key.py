"""The root's private key is on no disk, not even where a file has been: a file system of its own is searched byte by byte."""

import base64
import ctypes
import ctypes.util
import os
import re
import shutil
import subprocess

import pytest
from support.daemon import to_toml
from support.tier import no_privilege
from support.waiting import binary, scaled

P256 = 415  # NID_X9_62_prime256v1
BLOCK = 4096


class Curve:
    """P-256 by OpenSSL."""

    def __init__(self):
        crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("EC_GROUP_new_by_curve_name", "EC_POINT_new", "BN_new", "BN_bin2bn", "BN_CTX_new"):
            getattr(crypto, name).restype = ctypes.c_void_p
        self._crypto = crypto
        self._group = ctypes.c_void_p(crypto.EC_GROUP_new_by_curve_name(P256))
        self._context = ctypes.c_void_p(crypto.BN_CTX_new())
        self._product, self._number = ctypes.c_void_p(crypto.EC_POINT_new(self._group)), ctypes.c_void_p(crypto.BN_new())

    def public_of(self, private: bytes) -> bytes:
        """The point that belongs to a private key of 32 bytes, uncompressed."""
        self._crypto.BN_bin2bn(private, 32, self._number)
        self._crypto.EC_POINT_mul(self._group, self._product, self._number, None, None, self._context)
        point = ctypes.create_string_buffer(65)
        self._crypto.EC_POINT_point2oct(self._group, self._product, 4, point, ctypes.c_size_t(65), self._context)
        return point.raw


def public_key(certificate) -> bytes:
    text = subprocess.run(["openssl", "x509", "-in", str(certificate), "-noout", "-pubkey"], capture_output=True, text=True,
                          check=True).stdout
    return base64.b64decode("".join(text.splitlines()[1:-1]))[-65:]


def all_that_may_be_keys(image: bytes):
    """Every 32 bytes in a row, as they are and where they are base64."""
    used = b"".join(block for start in range(0, len(image), BLOCK) if (block := image[start:start + BLOCK]).strip(b"\0"))
    texts = [re.sub(rb"\s", b"", text) for text in re.findall(rb"[A-Za-z0-9+/\r\n]{44,}", image)]
    decoded = [base64.b64decode(text[skip:len(text) - (len(text) - skip) % 4]) for text in texts for skip in range(4)]
    for data in (used, *decoded):
        for start in range(len(data) - 31):
            yield data[start:start + 32]


@pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="takes mkfs.ext4")
def test_no_byte_of_the_roots_key_is_on_the_disk(tmp_path):
    image, config = tmp_path / "image", tmp_path / "ca.toml"
    config.write_text(to_toml({"intercept": {"ca": f"{tmp_path}/disk/ca"}}))
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal,^metadata_csum", "-E", "lazy_itable_init=0", str(image)],
                   check=True)
    (tmp_path / "disk").mkdir()
    script = """
        mount -o loop "$1/image" "$1/disk" || exit 77
        "$K" ca create --permit a.test --config "$1/ca.toml"
        cp "$1/disk/ca-public/root.crt" "$1/disk/ca-public/issuer.crt" "$1"
        umount "$1/disk"
    """
    done = subprocess.run(["unshare", "-m", "sh", "-euc", script, "sh", str(tmp_path)], capture_output=True, text=True,
                          env={**os.environ, "K": str(binary())}, timeout=scaled(60))
    if done.returncode == 77 or "unshare" in done.stderr:
        no_privilege("this user may not mount a loop device")
    assert done.returncode == 0, done.stderr
    root, issuer = public_key(tmp_path / "root.crt"), public_key(tmp_path / "issuer.crt")
    curve = Curve()
    found = {curve.public_of(each) for each in set(all_that_may_be_keys(image.read_bytes()))}
    assert issuer in found, "the issuer's key is there, so a key would be found"
    assert root not in found
