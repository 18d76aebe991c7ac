using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FastRelay.Observe;

/// <summary>Who said a line of a dialogue.</summary>
public enum TraceSpeaker : byte
{
    /// <summary>The side that connected.</summary>
    Client,

    /// <summary>The side that was connected to.</summary>
    Server,

    /// <summary>Nobody: what happened between the lines.</summary>
    Note,
}

/// <summary>
/// Shows live dialogues to those who watch. A session has a <see cref="TraceTap"/>, which asks one field while nobody does.
/// Loop thread.
/// </summary>
/// <param name="time">Wall clock of the lines.</param>
public sealed class Tracer(TimeProvider time)
{
    /// <summary>Watchers at one time.</summary>
    public const int WatchersMax = 8;

    /// <summary>Octets of one line that are shown.</summary>
    public const int LineBytes = 1_024;

    private static readonly byte[] s_newline = [(byte)'\n'];

    // Nothing of it goes into a page: angle brackets are for people to read.
    private static readonly JsonWriterOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly LogStamp _stamp = new();
    private readonly TraceWatcher?[] _watchers = new TraceWatcher?[WatchersMax];
    private readonly ArrayBufferWriter<byte> _line = new(512);
    private long _serials;
    private long _sessions;

    /// <summary>Somebody watches.</summary>
    public bool IsOn { get; private set; }

    /// <summary>Begins to watch.</summary>
    /// <returns>Null when <see cref="WatchersMax"/> do already.</returns>
    public TraceWatcher? Watch(TraceFilter filter)
    {
        Sweep();
        int place = Array.IndexOf(_watchers, null);
        if (place < 0)
        {
            return null;
        }
        IsOn = true;
        return _watchers[place] = new TraceWatcher(filter, place, ++_serials) { SeenMs = NowMs };
    }

    /// <summary>Takes a watcher's lines.</summary>
    /// <returns>JSON, one object a line, and the number of lines that were lost behind them; null when it was given up for gone.</returns>
    public (byte[] Lines, long Lost)? Take(TraceWatcher watcher)
    {
        if (_watchers[watcher.Place] != watcher)
        {
            return null;
        }
        watcher.SeenMs = NowMs;
        return watcher.Take();
    }

    /// <summary>Ends a watch; again is no harm.</summary>
    public void End(TraceWatcher watcher)
    {
        if (_watchers[watcher.Place] == watcher)
        {
            _watchers[watcher.Place] = null;
            IsOn = Array.Exists(_watchers, static one => one is not null);
        }
    }

    /// <summary>The number of a connection that begins.</summary>
    internal long Number() => ++_sessions;

    /// <summary>Shows a line to those who want it.</summary>
    /// <param name="tap">Of whose dialogue.</param>
    /// <param name="speaker">Who said it.</param>
    /// <param name="text">Without its CRLF; secrets are masked.</param>
    internal void Say(TraceTap tap, TraceSpeaker speaker, ReadOnlySpan<byte> text)
    {
        bool made = false;
        foreach (TraceWatcher? watcher in _watchers)
        {
            if (watcher is null || !tap.IsFor(watcher, speaker, text))
            {
                continue;
            }
            if (NowMs - watcher.SeenMs > TraceWatcher.ForgottenMs)
            {
                End(watcher);
                continue;
            }
            if (!made)
            {
                Write(tap, speaker, text);
                made = true;
            }
            watcher.Add(_line.WrittenSpan);
        }
    }

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    private void Sweep()
    {
        long now = NowMs;
        foreach (TraceWatcher? watcher in _watchers)
        {
            if (watcher is not null && now - watcher.SeenMs > TraceWatcher.ForgottenMs)
            {
                End(watcher);
            }
        }
    }

    private void Write(TraceTap tap, TraceSpeaker speaker, ReadOnlySpan<byte> text)
    {
        _line.ResetWrittenCount();
        using var json = new Utf8JsonWriter(_line, s_plain);
        json.WriteStartObject();
        json.WriteString("ts"u8, _stamp.Of(time.GetUtcNow()));
        json.WriteString("way"u8, tap.Outgoing ? "out"u8 : "in"u8);
        json.WriteNumber("session"u8, tap.Session);
        Span<byte> peer = stackalloc byte[64];
        json.WriteString("peer"u8, peer[..LogLine.Format(tap.Peer, peer)]);
        if (tap.Host is { } host)
        {
            json.WriteString("host"u8, host);
        }
        json.WriteString("from"u8, speaker switch { TraceSpeaker.Client => "client"u8, TraceSpeaker.Server => "server"u8, _ => "note"u8 });
        // What a peer sends need not be UTF-8: what is not is shown as U+FFFD.
        json.WriteString("text"u8, Encoding.UTF8.GetString(text[..Math.Min(text.Length, LineBytes)]));
        if (text.Length > LineBytes)
        {
            json.WriteNumber("octets"u8, text.Length);
        }
        json.WriteEndObject();
        json.Flush();
        _line.Write(s_newline);
    }
}
