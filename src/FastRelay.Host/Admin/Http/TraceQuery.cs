using System.Net;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Routing;

namespace FastRelay.Host.Admin;

/// <summary>Whose dialogues are wanted, in words. What is null does not narrow.</summary>
/// <param name="Peer">An address or a network.</param>
/// <param name="Domain">A domain.</param>
/// <param name="Id">A message's id.</param>
public sealed record TraceQuery(string? Peer = null, string? Domain = null, string? Id = null)
{
    /// <summary>The same for the tracer.</summary>
    /// <exception cref="AdminException">A word is wrong.</exception>
    public TraceFilter Filter()
    {
        IPNetwork network = default;
        if (Peer is not null && !ConfigText.TryParseNetwork(Peer, out network, out _))
        {
            throw new AdminException($"\"{Peer}\" is no address and no network: write 192.0.2.1 or 2001:db8::/32");
        }
        string? domain = Domain?.ToLowerInvariant().TrimEnd('.');
        if (domain is not null && !DomainNames.IsHostName(domain))
        {
            throw new AdminException($"\"{Domain}\" is no domain: write it as DNS has it, as in example.com or xn--bcher-kva.example");
        }
        MessageId id = default;
        if (Id is not null && !MessageId.TryParse(Id, out id))
        {
            throw new AdminException($"\"{Id}\" is no id: 13 characters, as in the reply \"250 2.0.0 queued as 01ABCDEFGHJKM\"");
        }
        return new TraceFilter { Peer = Peer is null ? null : network, Domain = domain, Message = id.Value };
    }
}

/// <summary>A line of a trace; or, with <see cref="Lost"/> alone, what found no room before the next.</summary>
public sealed record TraceLine
{
    /// <summary>When, UTC.</summary>
    public DateTimeOffset? Ts { get; init; }

    /// <summary><c>in</c> or <c>out</c>.</summary>
    public string? Way { get; init; }

    /// <summary>The connection's number since the start.</summary>
    public long? Session { get; init; }

    /// <summary>The other side's address and port.</summary>
    public string? Peer { get; init; }

    /// <summary>The host's name, going out.</summary>
    public string? Host { get; init; }

    /// <summary><c>client</c>, <c>server</c>, or <c>note</c> for what happened between the lines.</summary>
    public string? From { get; init; }

    /// <summary>The line, secrets masked.</summary>
    public string? Text { get; init; }

    /// <summary>Octets of a line that is shown cut.</summary>
    public int? Octets { get; init; }

    /// <summary>Lines that were not shown, because they were not taken in time.</summary>
    public long? Lost { get; init; }
}
