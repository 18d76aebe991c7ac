using System.Net;

namespace FastRelay.Outside;

/// <summary>The record types that routing asks for.</summary>
public enum DnsType : byte
{
    /// <summary>Mail exchangers (RFC 5321 5.1).</summary>
    Mx,

    /// <summary>IPv4 addresses.</summary>
    A,

    /// <summary>IPv6 addresses.</summary>
    Aaaa,
}

/// <summary>What a server said, or that none said anything.</summary>
public enum DnsStatus : byte
{
    /// <summary>At least one record of the type asked for.</summary>
    Ok,

    /// <summary>The name exists, without such a record.</summary>
    NoData,

    /// <summary>The name does not exist (RFC 2308).</summary>
    NxDomain,

    /// <summary>SERVFAIL, REFUSED or another error: try later.</summary>
    ServFail,

    /// <summary>No server answered in time.</summary>
    Timeout,

    /// <summary>An answer that makes no sense (octets that are no records, a CNAME loop), or a name that cannot be asked for.</summary>
    Bad,
}

/// <summary>One MX record.</summary>
/// <param name="Preference">Lower is tried first.</param>
/// <param name="Host">Lower-case name without the final dot; empty for the null MX (RFC 7505).</param>
public readonly record struct MxRecord(ushort Preference, string Host);

/// <summary>An answer to one question.</summary>
/// <param name="Status">What kind of answer.</param>
/// <param name="TtlSeconds">How long it holds: the least TTL of the records, or for NoData and NxDomain the SOA's negative TTL; 0 when unknown.</param>
/// <param name="Mx">For <see cref="DnsType.Mx"/>; the best 100, in any order.</param>
/// <param name="Addresses">For A and AAAA.</param>
public sealed record DnsAnswer(DnsStatus Status, uint TtlSeconds, IReadOnlyList<MxRecord> Mx, IReadOnlyList<IPAddress> Addresses)
{
    /// <summary>An answer without records.</summary>
    public static DnsAnswer Empty(DnsStatus status, uint ttlSeconds) => new(status, ttlSeconds, [], []);
}

/// <summary>Asks DNS servers; no cache, no single flight: those are Routing's.</summary>
public abstract class Resolver
{
    /// <summary>Asks one question. Never throws; completes on the loop.</summary>
    /// <param name="name">An A-label name without the final dot; no search domain is ever applied.</param>
    /// <param name="type">Record type.</param>
    public abstract ValueTask<DnsAnswer> QueryAsync(string name, DnsType type);

    /// <summary>Datagrams that came from a server and were no reply to what was asked of it: late ones, or forged ones. For any thread.</summary>
    public virtual long Ignored => 0;
}
