using FastRelay.Outside.Linux;

namespace FastRelay.Host.Secrets;

/// <summary>
/// Opens the files that a configuration consists of, or names: regular ones only. A pipe or a device may keep its reader for ever, and gives
/// a reload or a renewal nothing. Knows which file its thread is at, for who waits for a disk that does not answer.
/// </summary>
internal static class PlainFile
{
    [ThreadStatic]
    private static Bookmark? s_mark;

    /// <summary>Reads a file as text.</summary>
    /// <exception cref="IOException">It is not there, or no regular file.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not for us.</exception>
    public static string Text(string path)
    {
        Check(path);
        return File.ReadAllText(path);
    }

    /// <summary>Its first line; empty when there is none.</summary>
    /// <exception cref="IOException">As for <see cref="Text"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not for us.</exception>
    public static string FirstLine(string path)
    {
        Check(path);
        return File.ReadLines(path).FirstOrDefault() ?? "";
    }

    /// <summary>Before another reads it.</summary>
    /// <exception cref="IOException">It is no regular file.</exception>
    public static void Check(string path)
    {
        if (s_mark is { } mark)
        {
            mark.Path = path;
        }
        if (FileKind.Unreadable(path) is { } kind)
        {
            throw new IOException($"{path} is {kind}: it must be a file, which can be read again");
        }
    }

    /// <summary>Does what reads files on this thread, and notes at which it is.</summary>
    public static T Noting<T>(Bookmark mark, Func<T> read)
    {
        s_mark = mark;
        try
        {
            return read();
        }
        finally
        {
            s_mark = null;
        }
    }

    /// <summary>The file that a thread is at.</summary>
    internal sealed class Bookmark
    {
        private volatile string _path = "";

        /// <summary>Empty before the first; any thread.</summary>
        public string Path
        {
            get => _path;
            set => _path = value;
        }
    }
}
