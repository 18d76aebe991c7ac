namespace FastRelay.Outside.Linux;

/// <summary>Tells a file that can be read to its end from one that may keep its reader for ever: a pipe waits for a writer, a device for input.</summary>
public static class FileKind
{
    private const int TypeMask = 0xF000;

    /// <summary>What a path leads to when it is no regular file; null for one, for a directory, and for what cannot be looked at: reading says why. Does not open it.</summary>
    public static string? Unreadable(string path) => Libc.OwnerAndMode(path, out _, out _, out int mode) < 0 ? null : (mode & TypeMask) switch
    {
        0x1000 => "a pipe",
        0x2000 or 0x6000 => "a device",
        0xC000 => "a socket",
        _ => null,
    };
}
