using System.Net;
using FastRelay.Smtp;

namespace FastRelay.Observe;

/// <summary>What a session that rests keeps of its <see cref="TraceTap"/>.</summary>
/// <param name="Session">The connection's number since the start.</param>
/// <param name="AuthBegan">The client said AUTH: what it says that is no command may be a password.</param>
public readonly record struct TraceMark(long Session, bool AuthBegan);

/// <summary>
/// Where a session's dialogue can be watched: one for each session object, silent at the price of one look while nobody
/// does. Secrets do not pass: arguments of AUTH, lines of its exchange, and challenges (RFC 4954) are masked here.
/// </summary>
/// <param name="tracer">Shows lines to those who watch.</param>
/// <param name="outgoing">We are the client.</param>
public sealed class TraceTap(Tracer tracer, bool outgoing)
{
    private static readonly IPEndPoint s_none = new(IPAddress.Any, 0);
    private long[] _matched = [];
    private byte[] _part = [];
    private int _partLength;
    private bool _authBegan;
    private bool _secretReply;

    /// <summary>Somebody watches.</summary>
    public bool IsOn => tracer.IsOn;

    /// <summary>We are the client.</summary>
    public bool Outgoing => outgoing;

    /// <summary>The connection's number since the start.</summary>
    public long Session { get; private set; }

    /// <summary>The other side.</summary>
    public IPEndPoint Peer { get; private set; } = s_none;

    /// <summary>The host's name, going out.</summary>
    public string? Host { get; private set; }

    /// <summary>The number of the id of the message under way, going out; 0 for none.</summary>
    public ulong Message { get; set; }

    /// <summary>A connection begins.</summary>
    public void Begin(IPEndPoint peer, string? host = null)
    {
        Session = tracer.Number();
        Forget(peer, host);
        _authBegan = false;
    }

    /// <summary>What <see cref="Resume"/> needs to go on; a session that is watched does not rest.</summary>
    public TraceMark Mark => new(Session, _authBegan);

    /// <summary>Goes on with a connection that was at rest.</summary>
    /// <param name="peer">The other side.</param>
    /// <param name="mark">As it was left.</param>
    public void Resume(IPEndPoint peer, TraceMark mark)
    {
        Forget(peer, host: null);
        Session = mark.Session;
        _authBegan = mark.AuthBegan;
    }

    /// <summary>A line of the client.</summary>
    /// <param name="line">Without its CRLF.</param>
    /// <param name="secret">It belongs to an AUTH exchange.</param>
    public void Command(ReadOnlySpan<byte> line, bool secret)
    {
        if (!IsOn)
        {
            return;
        }
        Command command = Smtp.Command.Parse(line);
        if (command.Verb == Verb.Auth)
        {
            _authBegan = true;
            int end = command.Argument.IndexOfAny((byte)' ', (byte)'\t');
            ReadOnlySpan<byte> mechanism = end < 0 ? command.Argument : command.Argument[..end];
            // What is no mechanism is a password in the wrong place.
            bool known = System.Text.Ascii.EqualsIgnoreCase(mechanism, "PLAIN"u8) || System.Text.Ascii.EqualsIgnoreCase(mechanism, "LOGIN"u8) || System.Text.Ascii.EqualsIgnoreCase(mechanism, "SCRAM-SHA-256"u8);
            Say(TraceSpeaker.Client, !known ? [.. line[..4], .. " ***"u8] : end < 0 ? line : [.. line[..4], (byte)' ', .. mechanism, .. " ***"u8]);
            return;
        }
        // What a client sends ahead of a refusal is its password, and no command.
        bool hidden = secret || (_authBegan && command.Verb == Verb.Unknown);
        Say(TraceSpeaker.Client, hidden ? "***"u8 : line);
    }

    /// <summary>Commands of ours that leave in one piece.</summary>
    /// <param name="commands">Whole lines, each with its CRLF.</param>
    /// <param name="message">The number of the id of the message that they belong to; what is answered meanwhile belongs to <see cref="Message"/>.</param>
    /// <param name="secret">They belong to an AUTH exchange.</param>
    public void Commands(ReadOnlySpan<byte> commands, ulong message, bool secret)
    {
        ulong replied = Message;
        Message = message;
        while (IsOn && commands.IndexOf("\r\n"u8) is >= 0 and int end)
        {
            Command(commands[..end], secret);
            commands = commands[(end + 2)..];
        }
        Message = replied;
    }

    /// <summary>A line that is no line: too long, or ended by a bare LF.</summary>
    public void NoLine()
    {
        if (IsOn)
        {
            Say(TraceSpeaker.Note, "a line that is too long or ends with a bare CR or LF"u8);
        }
    }

    /// <summary>Octets of replies, in pieces as they come; each whole line is shown.</summary>
    /// <param name="octets">As they came.</param>
    /// <param name="secret">They answer AUTH: some hosts repeat what they were sent.</param>
    public void Reply(ReadOnlySpan<byte> octets, bool secret = false)
    {
        _secretReply = secret;
        if (!IsOn)
        {
            _partLength = 0;
            return;
        }
        while (!octets.IsEmpty)
        {
            int end = octets.IndexOf((byte)'\n');
            if (end < 0)
            {
                Keep(octets);
                return;
            }
            if (_partLength > 0)
            {
                Keep(octets[..end]);
                ReplyLine(_part.AsSpan(0, _partLength));
                _partLength = 0;
            }
            else
            {
                ReplyLine(octets[..end]);
            }
            octets = octets[(end + 1)..];
        }
    }

    /// <summary>What happened between the lines.</summary>
    public void Note(ReadOnlySpan<byte> text)
    {
        if (IsOn)
        {
            Say(TraceSpeaker.Note, text);
        }
    }

    /// <summary>True when a watcher wants this line. A session that once spoke of a watcher's domain stays its.</summary>
    internal bool IsFor(TraceWatcher watcher, TraceSpeaker speaker, ReadOnlySpan<byte> line)
    {
        TraceFilter filter = watcher.Filter;
        if (!filter.AllowsPeer(Peer.Address) || (filter.Message != 0 && filter.Message != Message))
        {
            return false;
        }
        if (filter.Domain is not { } domain)
        {
            return true;
        }
        if (_matched.Length > 0 && _matched[watcher.Place] == watcher.Serial)
        {
            return true;
        }
        bool speaks = TraceFilter.IsAt(Host, domain) || (speaker == TraceSpeaker.Client && TraceFilter.Names(line, domain));
        if (speaks)
        {
            _matched = _matched.Length == 0 ? new long[Tracer.WatchersMax] : _matched;
            _matched[watcher.Place] = watcher.Serial;
        }
        return speaks;
    }

    private void Forget(IPEndPoint peer, string? host)
    {
        Peer = peer;
        Host = host;
        Message = 0;
        _partLength = 0;
        Array.Clear(_matched);
    }

    private void ReplyLine(ReadOnlySpan<byte> line)
    {
        line = line.EndsWith("\r"u8) ? line[..^1] : line;
        Say(TraceSpeaker.Server, line.StartsWith("334"u8) ? "334 ***"u8 : _secretReply && line.Length > 4 ? [.. line[..4], .. "***"u8] : line);
    }

    private void Keep(ReadOnlySpan<byte> octets)
    {
        _part = _part.Length == 0 ? new byte[Tracer.LineBytes] : _part;
        int count = Math.Min(octets.Length, _part.Length - _partLength);
        octets[..count].CopyTo(_part.AsSpan(_partLength));
        _partLength += count;
    }

    private void Say(TraceSpeaker speaker, ReadOnlySpan<byte> text) => tracer.Say(this, speaker, text);
}
