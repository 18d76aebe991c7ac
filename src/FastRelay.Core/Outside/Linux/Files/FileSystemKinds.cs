namespace FastRelay.Outside.Linux;

/// <summary>Names of file systems by the magic numbers of statfs(2).</summary>
public static class FileSystemKinds
{
    // Those that show the kernel, and one that is written once, when it is made.
    private static readonly string[] s_noFiles = ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "squashfs"];

    /// <summary>The kind of the file system that a path is on.</summary>
    /// <param name="path">Must exist.</param>
    /// <returns>As <see cref="NameOf"/> says; null when the system does not tell.</returns>
    public static string? Of(string path)
    {
        int result;
        uint magic;
        do
        {
            result = Libc.FileSystem(path, out _, out _, out _, out magic);
        }
        while (result == -Libc.EINTR);
        return result < 0 ? null : NameOf(magic);
    }

    /// <summary>False for a kind in which nobody can make a file.</summary>
    public static bool TakesFiles(string? kind) => !s_noFiles.Contains(kind);

    /// <summary>As in <c>ext4</c> (which shares its number with ext2 and ext3); hexadecimal when unknown.</summary>
    public static string NameOf(uint magic) => magic switch
    {
        0xEF53 => "ext4",
        0x58465342 => "xfs",
        0x9123683E => "btrfs",
        0x01021994 => "tmpfs",
        0x858458F6 => "ramfs",
        0x794C7630 => "overlay",
        0x6969 => "nfs",
        0x2FC12FC1 => "zfs",
        0xF2F52010 => "f2fs",
        0xCA451A4E => "bcachefs",
        0xFF534D42 => "cifs",
        0xFE534D42 => "smb2",
        0x65735546 => "fuse",
        0x01021997 => "9p",
        0x00C36400 => "ceph",
        0x73717368 => "squashfs",
        0x52654973 => "reiserfs",
        0x3153464A => "jfs",
        0x4D44 => "vfat",
        0x9FA0 => "proc",
        0x62656572 => "sysfs",
        0x27E0EB => "cgroup",
        0x63677270 => "cgroup2",
        0x1CD1 => "devpts",
        _ => $"0x{magic:x}",
    };
}
