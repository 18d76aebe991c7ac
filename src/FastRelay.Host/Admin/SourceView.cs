namespace FastRelay.Host.Admin;

/// <summary>A source of outgoing mail.</summary>
/// <param name="Name">As the configuration has it.</param>
/// <param name="Delivered">Recipients delivered from it since the start.</param>
/// <param name="Deferred">Attempts for a recipient from it that were put off.</param>
/// <param name="Failed">Recipients that failed for good from it.</param>
public sealed record SourceView(string Name, long Delivered, long Deferred, long Failed)
{
    /// <summary>Its addresses.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Connections from it now.</summary>
    public long Sessions { get; init; }

    /// <summary>Mail that leaves from it as it stands: messages, each once for each destination.</summary>
    public long Queued { get; init; }

    /// <summary>The operator has suspended it.</summary>
    public bool Suspended { get; init; }

    /// <summary>When that ends, UTC; null when it is resumed, or is not suspended.</summary>
    public DateTimeOffset? Until { get; init; }
}

/// <summary>Sources of outgoing mail.</summary>
/// <param name="Sources">All of the configuration, in its order.</param>
public sealed record SourceList(IReadOnlyList<SourceView> Sources);
