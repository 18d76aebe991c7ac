using System.Text;

namespace FastRelay.Outside.Linux;

/// <summary>
/// Replaces a small file of an operator in one step: whoever reads it sees the old text or the new one, after a crash
/// too. An existing file keeps its owner, group and mode; a new one is readable by its owner only, or, when root makes it, by
/// the folder's group too: the service that reads it is not root. It blocks: for commands.
/// </summary>
public static class SafeReplace
{
    private const int OwnerOnly = 0x180;
    private const int OwnerAndGroup = 0x1A0;
    private const int LockTries = 1_500;
    private const int LockWaitMs = 20;

    /// <summary>Writes.</summary>
    /// <param name="path">The file; beside it <c>.new</c> is used.</param>
    /// <param name="text">All of it.</param>
    /// <exception cref="IOException">Says what failed.</exception>
    public static void Write(string path, string text)
    {
        bool isGiven = Libc.OwnerAndMode(path, out int owner, out int group, out int mode) == 0;
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!isGiven && Environment.IsPrivilegedProcess && Libc.OwnerAndMode(folder, out _, out group, out _) == 0 && group != 0)
        {
            (isGiven, owner, mode) = (true, 0, OwnerAndGroup);
        }
        string fresh = path + ".new";
        _ = Libc.Unlink(fresh);
        int fd = Need(Libc.Open(fresh, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL, OwnerOnly), fresh);
        try
        {
            if (isGiven)
            {
                // The owner first: a mode for others may not meet a file that is not theirs yet. Only root may give files away.
                Need(Libc.ChangeOwner(fd, owner, group), fresh);
                Need(Libc.ChangeMode(fd, mode & 0xFFF), fresh);
            }
            ReadOnlySpan<byte> octets = Encoding.UTF8.GetBytes(text);
            for (long at = 0; at < octets.Length;)
            {
                at += Need(Libc.WriteAt(fd, octets[(int)at..], at), fresh);
            }
            Need(Libc.Sync(fd), fresh);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
        Need(Libc.Rename(fresh, path), path);
        int opened = Need(Libc.Open(folder, Libc.O_DIRECTORY, 0), path);
        int synced = Libc.Sync(opened);
        _ = Libc.Close(opened);
        Need(synced, path);
    }

    /// <summary>Has a file read and written while no other command does so: the lock is flock(2) of its folder, and nothing of it stays behind.</summary>
    /// <param name="path">The file.</param>
    /// <param name="does">Reads it, and writes it by <see cref="Write"/>.</param>
    /// <returns>What <paramref name="does"/> returns.</returns>
    /// <exception cref="IOException">Says what failed; also when others have the lock for 30 s.</exception>
    public static T Alone<T>(string path, Func<T> does)
    {
        int folder = Need(Libc.Open(Path.GetDirectoryName(Path.GetFullPath(path))!, Libc.O_DIRECTORY, 0), path);
        try
        {
            int locked = Libc.LockNow(folder);
            for (int tries = 0; locked is -Libc.EAGAIN or -Libc.EINTR && tries < LockTries; tries++)
            {
                Thread.Sleep(LockWaitMs);
                locked = Libc.LockNow(folder);
            }
            Need(locked, path);
            return does();
        }
        finally
        {
            _ = Libc.Close(folder);
        }
    }

    private static int Need(int result, string path) => result >= 0 ? result : throw new IOException($"{path}: {ErrnoText.Of(-result)}");
}
