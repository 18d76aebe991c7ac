namespace FastRelay.Receive;

/// <summary>What a rule answers to a command.</summary>
/// <param name="text">A whole reply with its CRLF.</param>
/// <param name="isError">Counts against the client.</param>
internal readonly ref struct Answer(ReadOnlySpan<byte> text, bool isError)
{
    /// <summary>A whole reply with its CRLF.</summary>
    public ReadOnlySpan<byte> Text { get; } = text;

    /// <summary>Counts against the client.</summary>
    public bool IsError { get; } = isError;

    /// <summary>A reply that holds nothing against the client, be it good news or not.</summary>
    public static Answer Say(ReadOnlySpan<byte> text) => new(text, false);

    /// <summary>The client did wrong.</summary>
    public static Answer Wrong(ReadOnlySpan<byte> text) => new(text, true);
}
