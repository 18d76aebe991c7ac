using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>One whole reply of the peer.</summary>
/// <param name="code">200 to 599.</param>
/// <param name="enhanced">Its enhanced code, or none.</param>
/// <param name="text">Its text, sanitised and cut to <see cref="Limits.ReplyTextBytes"/>.</param>
public readonly ref struct ServerReply(int code, EnhancedCode enhanced, ReadOnlySpan<byte> text)
{
    /// <summary>200 to 599.</summary>
    public int Code { get; } = code;

    /// <summary>Its enhanced code, or none.</summary>
    public EnhancedCode Enhanced { get; } = enhanced;

    /// <summary>Its text.</summary>
    public ReadOnlySpan<byte> Text { get; } = text;

    /// <summary>The first digit: 2 to 5.</summary>
    public int Kind => Code / 100;

    /// <summary>What it means at a stage.</summary>
    public Outcome At(SmtpStage stage) => OutcomePolicy.From(stage, Code, Enhanced);
}
