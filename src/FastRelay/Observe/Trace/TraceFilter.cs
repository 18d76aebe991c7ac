using System.Net;

namespace FastRelay.Observe;

/// <summary>Whose dialogues a watcher wants to see; every condition that is given must hold. With none it is everybody's.</summary>
public sealed record TraceFilter
{
    /// <summary>The other side's address is in this network; null for any.</summary>
    public IPNetwork? Peer { get; init; }

    /// <summary>From the first MAIL or RCPT that names it on, or, going out, at a host that is it or is below it. Lower case; null for any.</summary>
    public string? Domain { get; init; }

    /// <summary>The number of a message's id: its deliveries. 0 for any.</summary>
    public ulong Message { get; init; }

    /// <summary>What does not change while a connection lasts.</summary>
    internal bool AllowsPeer(IPAddress peer)
    {
        if (Peer is not { } network)
        {
            return true;
        }
        return network.Contains(peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : peer);
    }

    /// <summary>A command names the domain: <c>@domain&gt;</c> in a MAIL or RCPT, ASCII letters in any case.</summary>
    internal static bool Names(ReadOnlySpan<byte> line, string domain)
    {
        if (line.Length < 5 || !(Starts(line, "MAIL "u8) || Starts(line, "RCPT "u8)))
        {
            return false;
        }
        for (int at = line.IndexOf((byte)'@'); at >= 0;)
        {
            ReadOnlySpan<byte> rest = line[(at + 1)..];
            if (rest.Length > domain.Length && rest[domain.Length] == (byte)'>' && Same(rest[..domain.Length], domain))
            {
                return true;
            }
            int next = rest.IndexOf((byte)'@');
            at = next < 0 ? -1 : at + 1 + next;
        }
        return false;
    }

    /// <summary>The host is the domain or is below it.</summary>
    internal static bool IsAt(string? host, string domain) => host is not null
        && host.EndsWith(domain, StringComparison.OrdinalIgnoreCase)
        && (host.Length == domain.Length || host[^(domain.Length + 1)] == '.');

    private static bool Same(ReadOnlySpan<byte> text, string domain)
    {
        for (int i = 0; i < text.Length; i++)
        {
            byte c = text[i];
            if ((c is >= (byte)'A' and <= (byte)'Z' ? c | 0x20 : c) != domain[i])
            {
                return false;
            }
        }
        return true;
    }

    private static bool Starts(ReadOnlySpan<byte> line, ReadOnlySpan<byte> word)
    {
        for (int i = 0; i < word.Length; i++)
        {
            byte c = line[i];
            if ((c is >= (byte)'a' and <= (byte)'z' ? c & ~0x20 : c) != word[i])
            {
                return false;
            }
        }
        return true;
    }
}
