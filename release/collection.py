"""The Ansible collection as ansible-galaxy builds it, packed anew: the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path


def write(made: Path, tree: Path, scratch: Path, epoch: int) -> Path:
    """Builds ``tree``/ansible into ``made``; the archive's path.

    ansible-galaxy lists the files as the directory gives them and dates them now: here they are
    sorted, and carry ``epoch`` (seconds since 1970).
    """
    program = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [str(program), "collection", "build", str(tree / "ansible"), "--output-path", str(scratch)],
        check=True,
        stdout=subprocess.DEVNULL,
        # It asks for a locale of UTF-8, and keeps things at home.
        env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(scratch / "ansible")},
    )
    (built,) = scratch.glob("nodeprep-kubernetes-*.tar.gz")
    with tarfile.open(built) as archive:
        members = {item.name: item for item in archive.getmembers()}
        texts = {
            name: found.read()
            for name, item in members.items()
            if (found := archive.extractfile(item)) is not None
        }
    _sort_manifest(texts)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            item = tarfile.TarInfo(name)
            item.type, item.mode, item.mtime = members[name].type, members[name].mode, epoch
            item.size = len(texts.get(name, b""))
            archive.addfile(item, io.BytesIO(texts.get(name, b"")))
    target = made / built.name
    target.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return target


def _sort_manifest(texts: dict[str, bytes]) -> None:
    """FILES.json by name, and its digest in MANIFEST.json."""
    files = json.loads(texts["FILES.json"])
    files["files"].sort(key=lambda item: item["name"])
    texts["FILES.json"] = json.dumps(files, indent=1).encode()
    manifest = json.loads(texts["MANIFEST.json"])
    digest = hashlib.sha256(texts["FILES.json"]).hexdigest()
    manifest["file_manifest_file"]["chksum_sha256"] = digest
    texts["MANIFEST.json"] = json.dumps(manifest, indent=1).encode()
