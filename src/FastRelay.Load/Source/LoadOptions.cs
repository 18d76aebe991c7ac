using System.Net;
using System.Net.Security;

namespace FastRelay.Load;

/// <summary>How a source secures its connections.</summary>
public enum LoadTls : byte
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>By STARTTLS, or it gives up (RFC 3207).</summary>
    StartTls,

    /// <summary>At once (RFC 8314 3.3).</summary>
    Implicit,
}

/// <summary>What a source is told to do.</summary>
public sealed record LoadOptions
{
    /// <summary>The server's addresses, taken in turn; at least one when a run begins.</summary>
    public required IReadOnlyList<IPEndPoint> Targets { get; init; }

    /// <summary>Name and port of the server; null when it was given by its address.</summary>
    public string? Name { get; init; }

    /// <summary>The server, for people.</summary>
    public string Target => Name ?? Targets[0].ToString();

    /// <summary>Connections at once; in an open loop the most there may be.</summary>
    public int Sessions { get; init; } = 64;

    /// <summary>Messages to send in all; 0 for no bound but <see cref="DurationMs"/>.</summary>
    public long Messages { get; init; }

    /// <summary>Starts no message after this long, ms; 0 for no bound but <see cref="Messages"/>. When sessions are held: the most that opening them may take.</summary>
    public long DurationMs { get; init; }

    /// <summary>Messages of a connection before QUIT; 0 for as many as there are.</summary>
    public long MessagesPerSession { get; init; }

    /// <summary>Open loop: messages offered a second, whatever the server does. 0 for a closed loop: each session sends its next message when it may.</summary>
    public double Rate { get; init; }

    /// <summary>Open loop: random arrivals (a Poisson process) instead of even ones.</summary>
    public bool Poisson { get; init; }

    /// <summary>Opens the sessions, holds them idle this long, ms, asks each NOOP and closes. 0 sends messages.</summary>
    public long HoldMs { get; init; }

    /// <summary>Source addresses, taken in turn; empty for the system's choice.</summary>
    public IReadOnlyList<IPAddress> Sources { get; init; } = [];

    /// <summary>The name in EHLO.</summary>
    public string HelloName { get; init; } = "load.test";

    /// <summary>Reverse-path without brackets.</summary>
    public string From { get; init; } = "source@load.test";

    /// <summary>Forward-paths without brackets, taken in turn; <c>user+7@domain</c> is made of it when a message has several recipients.</summary>
    public IReadOnlyList<string> To { get; init; } = ["user@sink.test"];

    /// <summary>Recipients of a message.</summary>
    public int Recipients { get; init; } = 1;

    /// <summary>Sizes of generated messages.</summary>
    public SizeMix Sizes { get; init; } = SizeMix.Of(4096);

    /// <summary>Real messages in stored form instead of generated ones; sent in turn.</summary>
    public IReadOnlyList<byte[]> Files { get; init; } = [];

    /// <summary>Sends MAIL, RCPT and DATA in one flight where the server allows (RFC 2920).</summary>
    public bool Pipelining { get; init; } = true;

    /// <summary>How connections are secured.</summary>
    public LoadTls Tls { get; init; }

    /// <summary>For TLS.</summary>
    public SslClientAuthenticationOptions? TlsOptions { get; init; }

    /// <summary>Base64 of the response of AUTH PLAIN (RFC 4616 2); null for no AUTH.</summary>
    public string? AuthPlain { get; init; }

    /// <summary>Wait for any reply, ms; then the connection is given up.</summary>
    public int ReplyTimeoutMs { get; init; } = 300_000;

    /// <summary>Wait for a connection, ms.</summary>
    public int ConnectTimeoutMs { get; init; } = 10_000;

    /// <summary>Seed of sizes and arrivals.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>A server that has let nobody as far as a message for this long is given up, ms.</summary>
    public int HopelessMs { get; init; } = 10_000;
}
