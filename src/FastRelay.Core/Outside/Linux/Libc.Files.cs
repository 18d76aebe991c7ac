using System.Runtime.InteropServices;
using System.Text;

namespace FastRelay.Outside.Linux;

/// <summary>Files, directories and maps.</summary>
internal static unsafe partial class Libc
{
    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_CREAT = 0x40;
    public const int O_EXCL = 0x80;
    public const int O_CLOEXEC = 0x80000;

    public const int MADV_POPULATE_READ = 22;

    private const int AT_FDCWD = -100;
    private const int POSIX_FADV_WILLNEED = 3;
    private const int SEEK_END = 2;
    private const int LOCK_EX_NB = 2 | 4;
    private const int PROT_READ = 1;
    private const int MAP_SHARED = 1;
    private const int DirentNameOffset = 19;
    private const uint STATX_TYPE_MODE_UID_GID = 0x1 | 0x2 | 0x8 | 0x10;
    private const uint STATX_INO = 0x100;
    private const int AT_EMPTY_PATH = 0x1000;
    private const int StatxBytes = 256;

    /// <summary>O_DIRECTORY is one of the few flags that differ between architectures.</summary>
    public static readonly int O_DIRECTORY = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 0x10000 : 0x4000;

    public static int Open(string path, int flags, int mode) => Checked(openat(AT_FDCWD, path, flags | O_CLOEXEC, mode));

    /// <summary>pwrite64: the name under which large-file programs reach it, and test preloads look for it.</summary>
    public static int WriteAt(int fd, ReadOnlySpan<byte> data, long offset)
    {
        fixed (byte* p = data)
        {
            nint n = pwrite64(fd, p, data.Length, offset);
            return n >= 0 ? (int)n : Failed();
        }
    }

    public static int ReadAt(int fd, Span<byte> buffer, long offset)
    {
        fixed (byte* p = buffer)
        {
            nint n = pread64(fd, p, buffer.Length, offset);
            return n >= 0 ? (int)n : Failed();
        }
    }

    public static int SyncData(int fd) => Checked(fdatasync(fd));

    public static int Sync(int fd) => Checked(fsync(fd));

    /// <summary>Length of a file. All reading and writing is positional, so the file offset is free for this.</summary>
    public static long Length(int fd)
    {
        long length = lseek(fd, 0, SEEK_END);
        return length >= 0 ? length : Failed();
    }

    /// <summary>Reserves blocks, so that a full disk is found before anything is written.</summary>
    public static int Allocate(int fd, long offset, long length) => Checked(fallocate(fd, 0, offset, length));

    /// <summary>Starts reading a whole file into memory; a hint, so its result says nothing that matters.</summary>
    public static void WillRead(int fd) => _ = posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);

    public static int ChangeOwner(int fd, int owner, int group) => Checked(fchown(fd, owner, group));

    public static int ChangeMode(int fd, int mode) => Checked(fchmod(fd, mode));

    /// <summary>What a descriptor is, by statx(2): device, as makedev(3) puts it together, and inode.</summary>
    public static int Identity(int fd, out ulong device, out ulong inode)
    {
        byte* fields = stackalloc byte[StatxBytes];
        int result = Checked(statx(fd, "", AT_EMPTY_PATH, STATX_INO, fields));
        inode = result < 0 ? 0 : *(ulong*)(fields + 32);
        ulong major = result < 0 ? 0 : *(uint*)(fields + 136);
        ulong minor = result < 0 ? 0 : *(uint*)(fields + 140);
        device = ((major & ~0xFFFUL) << 32) | ((major & 0xFFF) << 8) | ((minor & ~0xFFUL) << 12) | (minor & 0xFF);
        return result;
    }

    /// <summary>Owner, and mode with the type's bits, by statx(2), whose fields stand at the same places on every architecture.</summary>
    public static int OwnerAndMode(string path, out int owner, out int group, out int mode)
    {
        byte* fields = stackalloc byte[StatxBytes];
        int result = Checked(statx(AT_FDCWD, path, 0, STATX_TYPE_MODE_UID_GID, fields));
        owner = *(int*)(fields + 20);
        group = *(int*)(fields + 24);
        mode = *(ushort*)(fields + 28);
        return result;
    }

    public static int Rename(string from, string to) => Checked(rename(from, to));

    public static int Unlink(string path) => Checked(unlink(path));

    public static int MakeDirectory(string path, int mode) => Checked(mkdir(path, mode));

    /// <summary>A lock that the kernel drops with the last descriptor: a killed process leaves none behind.</summary>
    public static int LockNow(int fd) => Checked(flock(fd, LOCK_EX_NB));

    /// <summary>Block size, blocks in all, blocks free for us, and the magic number of the kind.</summary>
    public static int FileSystem(string path, out long blockBytes, out long blocks, out long available, out uint magic)
    {
        // struct statfs { long type, bsize, blocks, bfree, bavail, ... }: 120 bytes, with room to spare.
        long* fields = stackalloc long[32];
        int result = Checked(statfs(path, fields));
        magic = (uint)fields[0];
        blockBytes = fields[1];
        blocks = fields[2];
        available = fields[4];
        return result;
    }

    /// <summary>Null, with the error number, when it failed.</summary>
    public static byte* MapShared(int fd, long length, out int errno)
    {
        byte* address = mmap(null, (nuint)length, PROT_READ, MAP_SHARED, fd, 0);
        if ((nint)address == -1)
        {
            errno = -Failed();
            return null;
        }
        errno = 0;
        return address;
    }

    public static int Unmap(byte* address, long length) => Checked(munmap(address, (nuint)length));

    public static int Advise(byte* address, long length, int advice) => Checked(madvise(address, (nuint)length, advice));

    public static int List(string path, List<string> names)
    {
        byte* directory = opendir(path);
        if (directory is null)
        {
            return Failed();
        }
        int result = 0;
        while (true)
        {
            // The end and an error look the same but for errno.
            Marshal.SetLastSystemError(0);
            byte* entry = readdir(directory);
            if (entry is null)
            {
                result = Failed();
                break;
            }
            string name = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + DirentNameOffset));
            if (name is not ("." or ".."))
            {
                names.Add(name);
            }
        }
        _ = closedir(directory);
        return result;
    }

    [LibraryImport("libc", EntryPoint = "openat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int openat(int directory, string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "pwrite64")]
    private static partial nint pwrite64(int fd, void* data, nint length, long offset);

    [LibraryImport("libc", EntryPoint = "pread64")]
    private static partial nint pread64(int fd, void* buffer, nint length, long offset);

    [LibraryImport("libc", EntryPoint = "fdatasync")]
    private static partial int fdatasync(int fd);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int fsync(int fd);

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long lseek(int fd, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int posix_fadvise(int fd, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "fallocate")]
    private static partial int fallocate(int fd, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int fchown(int fd, int owner, int group);

    [LibraryImport("libc", EntryPoint = "fchmod")]
    private static partial int fchmod(int fd, int mode);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, void* fields);

    [LibraryImport("libc", EntryPoint = "rename", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", EntryPoint = "unlink", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    [LibraryImport("libc", EntryPoint = "mkdir", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdir(string path, int mode);

    [LibraryImport("libc", EntryPoint = "flock")]
    private static partial int flock(int fd, int operation);

    [LibraryImport("libc", EntryPoint = "statfs", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statfs(string path, void* fields);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial byte* mmap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int munmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int madvise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "opendir", StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* opendir(string path);

    [LibraryImport("libc", EntryPoint = "readdir")]
    private static partial byte* readdir(byte* directory);

    [LibraryImport("libc", EntryPoint = "closedir")]
    private static partial int closedir(byte* directory);
}
