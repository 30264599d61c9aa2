"""Which file system a folder is on."""

from pathlib import Path

from cleanlist_async.storage import filesystem
from tests.support.cases import each_case

MOUNTS = r"""22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:22 / /home rw - nfs4 server:/home rw
24 22 0:23 / /mnt/two\040words rw master:1 - cifs //server/share rw
25 23 0:24 / /home/ada/disk rw - xfs /dev/vdb rw
26 22 0:25 / /homeless rw - tmpfs tmpfs rw
27 22 0:26 / /over rw - ext4 /dev/vdc rw
28 27 0:27 / /over rw - fuse.sshfs ada@server: rw
"""
KINDS = {
    "/": "ext4",
    "/var/lib": "ext4",
    "/home": "nfs4",
    "/home/ada": "nfs4",
    "/home/ada/disk/jobs": "xfs",
    "/homeless/jobs": "tmpfs",
    "/mnt/two words": "cifs",
    "/over/jobs": "fuse.sshfs",
}


@each_case("folder", KINDS)
def test_the_file_system_under_a_folder_is_that_of_the_nearest_mount(folder):
    assert filesystem.kind_of(Path(folder), MOUNTS) == KINDS[folder]
