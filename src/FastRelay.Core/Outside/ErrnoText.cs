namespace FastRelay.Outside;

/// <summary>Names and words for the error numbers that a relay meets, without the C library's tables.</summary>
public static class ErrnoText
{
    /// <summary>As in <c>No space left on device (ENOSPC)</c>; the number when unknown.</summary>
    public static string Of(int errno) => errno switch
    {
        0 => "Success",
        1 => "Operation not permitted (EPERM)",
        2 => "No such file or directory (ENOENT)",
        4 => "Interrupted system call (EINTR)",
        5 => "Input/output error (EIO)",
        9 => "Bad file descriptor (EBADF)",
        11 => "Resource temporarily unavailable (EAGAIN)",
        12 => "Cannot allocate memory (ENOMEM)",
        13 => "Permission denied (EACCES)",
        17 => "File exists (EEXIST)",
        20 => "Not a directory (ENOTDIR)",
        21 => "Is a directory (EISDIR)",
        22 => "Invalid argument (EINVAL)",
        23 => "Too many open files in system (ENFILE)",
        24 => "Too many open files (EMFILE)",
        27 => "File too large (EFBIG)",
        28 => "No space left on device (ENOSPC)",
        30 => "Read-only file system (EROFS)",
        32 => "Broken pipe (EPIPE)",
        97 => "Address family not supported (EAFNOSUPPORT)",
        98 => "Address already in use (EADDRINUSE)",
        99 => "Cannot assign requested address (EADDRNOTAVAIL)",
        100 => "Network is down (ENETDOWN)",
        101 => "Network is unreachable (ENETUNREACH)",
        104 => "Connection reset by peer (ECONNRESET)",
        110 => "Connection timed out (ETIMEDOUT)",
        111 => "Connection refused (ECONNREFUSED)",
        112 => "Host is down (EHOSTDOWN)",
        113 => "No route to host (EHOSTUNREACH)",
        122 => "Disk quota exceeded (EDQUOT)",
        _ => $"error {errno}",
    };
}
