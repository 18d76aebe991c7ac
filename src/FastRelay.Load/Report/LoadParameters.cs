namespace FastRelay.Load;

/// <summary>How a source was told to send: with the figures beside it, all that a second run of the same kind needs.</summary>
public sealed record LoadParameters
{
    /// <summary>Sizes of generated messages, octets, as <c>--size</c> reads them; null for real messages.</summary>
    public string? Size { get; init; }

    /// <summary>Real messages that were sent in turn; 0 for generated ones.</summary>
    public int Files { get; init; }

    /// <summary>Reverse-path.</summary>
    public required string From { get; init; }

    /// <summary>The first forward-path.</summary>
    public required string To { get; init; }

    /// <summary>Different forward-paths.</summary>
    public int DifferentRecipients { get; init; }

    /// <summary>Messages of a connection before QUIT; 0 for all.</summary>
    public long PerSession { get; init; }

    /// <summary>Arrivals of an open loop were drawn.</summary>
    public bool Poisson { get; init; }

    /// <summary>How long sessions were to be held, s; 0 when messages were sent.</summary>
    public double HoldSeconds { get; init; }

    /// <summary>MAIL, RCPT and DATA went in one flight where the server allowed it.</summary>
    public bool Pipelining { get; init; }

    /// <summary><c>none</c>, <c>starttls</c> or <c>implicit</c>.</summary>
    public required string Tls { get; init; }

    /// <summary>The server's certificate had to be valid.</summary>
    public bool Verify { get; init; }

    /// <summary>With AUTH.</summary>
    public bool Auth { get; init; }

    /// <summary>Source addresses; 0 for the system's choice.</summary>
    public int Sources { get; init; }

    /// <summary>Wait for any reply, s.</summary>
    public double TimeoutSeconds { get; init; }

    /// <summary>Takes them from what a source was told.</summary>
    public static LoadParameters Of(LoadOptions options) => new()
    {
        Size = options.Files.Count > 0 ? null : options.Sizes.ToString(),
        Files = options.Files.Count,
        From = options.From,
        To = options.To[0],
        DifferentRecipients = options.To.Count,
        PerSession = options.MessagesPerSession,
        Poisson = options.Poisson,
        HoldSeconds = options.HoldMs / 1000.0,
        Pipelining = options.Pipelining,
        Tls = options.Tls switch { LoadTls.StartTls => "starttls", LoadTls.Implicit => "implicit", _ => "none" },
        Verify = options.TlsOptions is { RemoteCertificateValidationCallback: null },
        Auth = options.AuthPlain is not null,
        Sources = options.Sources.Count,
        TimeoutSeconds = options.ReplyTimeoutMs / 1000.0,
    };
}
