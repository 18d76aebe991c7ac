namespace FastRelay.Outside.Linux;

/// <summary>Names of file systems by the magic numbers of statfs(2).</summary>
internal static class FileSystemKinds
{
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
        _ => $"0x{magic:x}",
    };
}
