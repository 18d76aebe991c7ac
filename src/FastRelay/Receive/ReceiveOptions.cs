using System.Net;

namespace FastRelay.Receive;

/// <summary>Says why a recipient is refused before anything is taken for it; null when it is not.</summary>
/// <param name="mailbox">As in an envelope.</param>
/// <returns>An enhanced code of class 5 and a text, printable ASCII.</returns>
public delegate string? RecipientRefusal(ReadOnlySpan<byte> mailbox);

/// <summary>What receiving needs to know.</summary>
/// <param name="Hostname">Our name in greeting, EHLO and trace header.</param>
/// <param name="Policy">Who may relay.</param>
/// <param name="Limits">Bounds.</param>
public sealed record ReceiveOptions(byte[] Hostname, RelayPolicy Policy, Limits Limits)
{
    /// <summary>Networks that may relay and are held to the clients' rates all the same.</summary>
    public IReadOnlyList<IPNetwork> Rated { get; init; } = [];

    /// <summary>Whose mail clients send.</summary>
    public TenantPolicy Tenants { get; init; } = TenantPolicy.None;

    /// <summary>Asked at RCPT, so that what a route refuses is never accepted and bounced; null refuses nobody.</summary>
    public RecipientRefusal? Refuses { get; init; }
}
