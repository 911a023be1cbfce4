//! Which file system a directory is on: on one that other machines share, SQLite's locks and shared memory do not hold.

use std::io;

use rustix::fd::OwnedFd;

/// What is known of the file system of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// `f_type` of statfs(2).
    pub magic: u32,
    /// The type as mountinfo has it (proc_pid_mountinfo(5)), such as `fuse.sshfs`, where the number says only "FUSE".
    pub mount_type: Option<String>,
}

/// FUSE_SUPER_MAGIC: what it is says the daemon behind it.
const FUSE: u32 = 0x6573_5546;

/// Those that other machines share (statfs(2), linux/magic.h, and the sources of what is not in the kernel).
const NETWORK: &[(u32, &str)] = &[
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x7375_7245, "Coda"),
    (0x0000_564C, "NCP"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "Panasas"),
    (0x786F_4256, "VirtualBox shared folder"),
    (0x7C7C_6673, "Parallels shared folder"),
    (0xBACB_ACBC, "VMware shared folder"),
];

/// What runs over FUSE (or shows its number) and shares with other machines or keeps files on one.
const NETWORK_FUSE: &[&str] = &[
    "virtiofs",
    "acd_cli",
    "afp",
    "afpfs",
    "afuse",
    "blobfuse",
    "blobfuse2",
    "ceph",
    "ceph-fuse",
    "curlftpfs",
    "davfs",
    "dropbox",
    "ftpfs",
    "gcsfuse",
    "geesefs",
    "glusterfs",
    "goofys",
    "google-drive-ocamlfuse",
    "grpcfuse",
    "gvfsd-fuse",
    "httpfs",
    "juicefs",
    "kbfs",
    "lizardfs",
    "mfs",
    "moosefs",
    "mount-s3",
    "mountpoint-s3",
    "mount_prlfs",
    "osxfs",
    "rclone",
    "s3backer",
    "s3fs",
    "s3ql",
    "seaweedfs",
    "smbnetfs",
    "sshfs",
    "svfs",
    "vmhgfs-fuse",
    "yas3fs",
];

impl Filesystem {
    /// The file system that `dir` is on.
    ///
    /// # Errors
    /// Where the operating system does not say.
    pub fn of(dir: &OwnedFd) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            // The number has 32 bits, whatever the field has.
            let magic = rustix::fs::fstatfs(dir)?.f_type.to_le_bytes();
            let [a, b, c, d, ..] = magic;
            let magic = u32::from_le_bytes([a, b, c, d]);
            let mount_type = if magic == FUSE { mount_type(dir)? } else { None };
            Ok(Self { magic, mount_type })
        }
        #[cfg(not(target_os = "linux"))]
        {
            rustix::fs::fstat(dir)?;
            Ok(Self::default())
        }
    }

    /// What it is called where other machines share it.
    pub fn network_name(&self) -> Option<&str> {
        if let Some((_, name)) = NETWORK.iter().find(|(magic, _)| *magic == self.magic) {
            return Some(name);
        }
        let mount_type = self.mount_type.as_deref()?;
        let sub =
            mount_type.strip_prefix("fuse.").or_else(|| mount_type.strip_prefix("fuseblk.")).unwrap_or(mount_type);
        NETWORK_FUSE.contains(&sub).then_some(mount_type)
    }
}

#[cfg(target_os = "linux")]
fn mount_type(dir: &OwnedFd) -> io::Result<Option<String>> {
    let device = rustix::fs::fstat(dir)?.st_dev;
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(listed_type(&mounts, &device).map(str::to_owned))
}

/// The type of what is mounted from `device` (`major:minor`).
fn listed_type<'t>(mounts: &'t str, device: &str) -> Option<&'t str> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (before.split(' ').nth(2) == Some(device)).then(|| after.split(' ').next()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_or_by_what_runs_over_fuse() {
        let of = |magic, mount_type: Option<&str>| Filesystem { magic, mount_type: mount_type.map(str::to_owned) };
        for (magic, mount_type, name) in [
            (0x6969, None, Some("NFS")),
            (0xFF53_4D42, None, Some("CIFS")),
            (0xFE53_4D42, None, Some("SMB")),
            (0x0102_1997, None, Some("9P")),
            (FUSE, Some("fuse.sshfs"), Some("fuse.sshfs")),
            (FUSE, Some("virtiofs"), Some("virtiofs")),
            (FUSE, Some("fuse.fuse-overlayfs"), None),
            (FUSE, Some("fuseblk"), None),
            (FUSE, None, None),
            // ext4, tmpfs, overlay, btrfs, xfs, zfs.
            (0xEF53, None, None),
            (0x0102_1994, None, None),
            (0x794C_7630, None, None),
            (0x9123_683E, None, None),
            (0x5846_5342, None, None),
            (0x2FC1_2FC1, None, None),
        ] {
            assert_eq!(of(magic, mount_type).network_name(), name, "{magic:x} {mount_type:?}");
        }
    }

    #[test]
    fn the_type_is_read_where_the_device_stands() {
        let mounts = "22 1 0:20 / /proc rw - proc proc rw\n\
                      36 35 0:98 / /home/a rw,noatime master:1 shared:2 - fuse.sshfs host:/a rw\n";
        assert_eq!(listed_type(mounts, "0:98"), Some("fuse.sshfs"));
        assert_eq!(listed_type(mounts, "0:9"), None);
    }

    #[test]
    fn a_directory_of_this_machine_is_on_none() {
        let root = tempfile::tempdir().unwrap();
        let dir = bitrouter_proto::files::private_dir(&root.path().join("d")).unwrap();
        let filesystem = Filesystem::of(&dir).unwrap();
        if cfg!(target_os = "linux") {
            assert_ne!(filesystem.magic, 0);
        }
    }
}
