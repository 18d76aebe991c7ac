namespace FastRelay.Outside.Linux;

/// <summary>
/// What a small system file says, read again when it has changed. Looked at when somebody asks, at most every 5 s; while it
/// cannot be read, what it said before holds. For any thread.
/// </summary>
/// <typeparam name="T">What it says.</typeparam>
/// <param name="path">Absolute.</param>
/// <param name="parse">Reads its text; an empty one stands for a file that was never there.</param>
internal sealed class WatchedFile<T>(string path, Func<string, T> parse)
    where T : class
{
    /// <summary>How often it is looked at, ms.</summary>
    public long LookMs { get; init; } = 5_000;

    /// <summary>More is no file of this kind: it is not read.</summary>
    private const long MaxBytes = 1 << 20;

    private readonly Lock _lock = new();
    private long _nextLookMs = long.MinValue;
    private (string Path, DateTime Written, long Length) _stamp;
    private T? _value;

    /// <summary>What it says now.</summary>
    public T Value
    {
        get
        {
            lock (_lock)
            {
                long now = Environment.TickCount64;
                if (_value is null || now >= _nextLookMs)
                {
                    _nextLookMs = now + LookMs;
                    Look();
                }
                return _value!;
            }
        }
    }

    private void Look()
    {
        try
        {
            var link = new FileInfo(path);
            // What it leads to: systemd-resolved and others make it a link, which never changes itself.
            FileInfo file = link.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? link;
            (string, DateTime, long) stamp = file.Exists ? (file.FullName, file.LastWriteTimeUtc, file.Length) : default;
            // An empty one is being written anew.
            if (file.Exists && file.Length is > 0 and <= MaxBytes && (_value is null || stamp != _stamp))
            {
                string text = File.ReadAllText(path);
                if (text.Length > 0)
                {
                    _value = parse(text);
                    _stamp = stamp;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A DHCP client writes it anew: the next look finds it.
        }
        _value ??= parse("");
    }
}
